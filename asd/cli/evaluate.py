"""asd evaluate: the official numbers of score files, in a workspace or of any folder of results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asd.cli.output import (
    counted,
    json_option,
    machine_option,
    say,
    show,
    system_option,
    wants_json,
)
from asd.errors import JobError, UsageError, unknown_name
from asd.metrics.files import SHOWN

if TYPE_CHECKING:
    from asd.metrics.bootstrap import Comparison
    from asd.metrics.figures import Figures
    from asd.metrics.summary import Assessment
    from asd.workspace import Workspace

_folder = click.Path(path_type=Path)


@click.command()
@click.option("--scores", type=_folder, help="Folder of score files.")
@click.option("--ground-truth", type=_folder, help="Folder of the ground truth.")
@click.option("--rules", metavar="YEAR", help="Challenge year, 2020 to 2026 (outside: 2022).")
@machine_option
@system_option
@click.option("--compare", nargs=2, metavar="A B", help="Difference of two systems, paired.")
@click.option(
    "--bootstrap", type=click.IntRange(0, 1_000_000), help="Resamples of the intervals; 0: none."
)
@click.option("--seed", type=click.IntRange(0), help="Seed of the bootstrap.")
@click.option("--output", type=_folder, help="Folder to write the figures to.")
@json_option
def command(
    scores: Path | None,
    ground_truth: Path | None,
    rules: str | None,
    machines: tuple[str, ...],
    systems: tuple[str, ...],
    compare: tuple[str, str] | None,
    bootstrap: int | None,
    seed: int | None,
    output: Path | None,
) -> None:
    """Compute the official score of every system, with 95 % bootstrap intervals.

    In a project: of data/scores against data/index, into data/reports. With --machine, --system,
    --scores or --ground-truth the figures are shown and not written, unless --output says where.
    A machine that has no index or no scores is told at the end, with exit code 1.

    With both --scores and --ground-truth no project is needed. The scores are one system's files,
    or one folder a system. The ground truth is ground_truth_data and ground_truth_domain of an
    official evaluator, eval_data_list.csv of 2020, or the index of a project.

    \b
    Examples:
      asd evaluate --compare 1 2
      asd evaluate --scores teams --ground-truth evaluator --rules 2022
    """
    from asd.metrics.figures import RESAMPLES, Figures, Judging, json_text
    from asd.metrics.results import read_systems
    from asd.metrics.summary import comparison_json, comparison_table
    from asd.metrics.truth import read_truth

    written: Path | None = None
    lacking: tuple[str, ...] = ()
    if scores and ground_truth:
        if machines:
            raise UsageError(
                "--machine: it is of a project; give --scores and --ground-truth of it"
            )
        count = RESAMPLES if bootstrap is None else bootstrap
        workspace, judging = None, Judging(rules or "2022", count, seed or 0)
        figures = Figures.of(read_systems(scores, read_truth(ground_truth), systems), judging)
    else:
        from asd.stages.evaluate import extent, figures_of, judging_of, run

        workspace = _workspace()
        judging = judging_of(workspace, rules, bootstrap, seed)
        if not (scores or ground_truth or machines or systems or output):
            figures, written = run(workspace, judging), workspace.reports
        else:
            figures = figures_of(workspace, judging, scores, ground_truth, systems, machines)
        if scores is None:
            lacking = extent(workspace, systems, machines).lacking
    if written is None and output is not None:
        figures.write(output)
        written = output
    compared = _compared(figures, compare, scores) if compare else None
    if wants_json():
        document = dict(figures.document)
        if compare and compared:
            names = dict(zip(("first", "second"), compare, strict=True))
            document["comparison"] = names | comparison_json(compared)
        if workspace:
            document["default"] = _default(workspace)
        click.echo(json_text(document), nl=False)
    # Figures that are written nowhere are what the command was called for.
    tell = show if written is None else say
    for line in _lines(figures):
        tell(line)
    if compare and compared:
        tell("\n" + comparison_table(*compare, compared))
    if written is not None:
        say(f"wrote {written}/metrics.json, roc and official")
    if lacking:
        raise JobError("\n".join(lacking))


def _default(workspace: Workspace) -> str | None:
    """Return the system that decides where none is named; None where one has to be named."""
    try:
        return workspace.params.default_system()
    except UsageError:
        return None


def _workspace() -> Workspace:
    from asd.workspace import Workspace

    try:
        return Workspace.find()
    except UsageError as error:
        raise UsageError(f"{error}, or give both --scores and --ground-truth") from None


def _compared(figures: Figures, names: tuple[str, str], scores: Path | None) -> Comparison:
    from asd.metrics.bootstrap import compare
    from asd.metrics.figures import RESAMPLES
    from asd.metrics.rules import RULES

    by_name = {system.name: system for system in figures.systems}
    for name in names:
        if name not in by_name:
            raise unknown_name(f"system of {scores or 'data/scores'}", name, by_name)
    first, second = (by_name[name].sections for name in names)
    judging = figures.judging
    resamples = judging.resamples or RESAMPLES
    return compare(first, second, RULES[judging.rules], resamples, judging.seed)


def _lines(figures: Figures) -> Iterator[str]:
    from asd.metrics.summary import sections_table
    from asd.report.results import parse_results
    from asd.report.tables import headline, systems_table

    assessments = figures.assessments
    if not assessments:
        yield "no test clips: nothing to evaluate"
        return
    results = parse_results(figures.document)
    yield from dict.fromkeys(map(_counted, assessments))
    for line in _once(line for one in assessments for line in one.evaluation.undefined):
        yield f"undefined, left out: {line}"
    for line in _once(line for one in assessments for line in one.unlabelled):
        yield f"without figures: {line}"
    if len(assessments) == 1:
        yield "\n" + sections_table(assessments[0].evaluation)
    else:
        yield "\n" + systems_table(results)
    if said := headline(results):
        yield f"\n{said}"


def _counted(assessment: Assessment) -> str:
    """Return what a system was judged on; of most systems it is the same."""
    sections = assessment.evaluation.sections
    clips = counted(sum(section.clips for section in sections), "clip")
    line = f"{clips} in {counted(len(sections), 'section')}"
    for number, what in (
        (len(assessment.evaluation.undefined), "undefined value"),
        (len(assessment.unlabelled), "unlabelled section"),
        (assessment.unusable, "unusable clip"),
    ):
        line += f", {counted(number, what)}" if number else ""
    return line


def _once(lines: Iterator[str]) -> list[str]:
    """Return distinct lines, the first ten and a count of the rest."""
    distinct = list(dict.fromkeys(lines))
    hidden = len(distinct) - SHOWN
    return distinct[:SHOWN] + ([f"... and {hidden} more"] if hidden > 0 else [])

"""asd evaluate: the official numbers of score files, in a project or of any folder of results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import counted, json_option, say, show, system_option
from asd.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from asd.metrics.bootstrap import Comparison
    from asd.metrics.rules import Rules, System
    from asd.metrics.summary import Assessment
    from asd.metrics.truth import Key, Truth
    from asd.workspace import Workspace

SHOWN = 10  # undefined values and unlabelled sections that are shown before the rest is counted
RESAMPLES, SEED = 1000, 0  # outside of any project

_folder = click.Path(path_type=Path)


@dataclass(frozen=True)
class Request:
    """What is to be evaluated, and how.

    ``workspace`` is None where score files that others made are read from ``scores``, and
    ``output`` where nothing is to be written.
    """

    workspace: Workspace | None
    scores: Path
    truth: dict[Key, Truth]
    systems: tuple[str, ...]
    rules: Rules
    resamples: int
    seed: int
    output: Path | None


@click.command()
@click.option("--scores", type=_folder, help="Folder of score files.")
@click.option("--ground-truth", type=_folder, help="Folder of the ground truth.")
@click.option("--rules", metavar="YEAR", help="Challenge year, 2020 to 2025 (outside: 2022).")
@system_option
@click.option("--compare", nargs=2, metavar="A B", help="Difference of two systems, paired.")
@click.option("--bootstrap", type=click.IntRange(0), help="Resamples of the intervals; 0: none.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the bootstrap.")
@click.option("--output", type=_folder, help="Folder to write the figures to.")
@json_option
def command(compare: tuple[str, str] | None, as_json: bool, **options: Any) -> None:
    """Compute the official score of every system, with 95 % bootstrap intervals.

    In a project: of data/scores against data/index, into data/reports. With --system, --scores or
    --ground-truth the figures are shown and not written, unless --output says where.

    With both --scores and --ground-truth no project is needed. The scores are one system's files,
    or one folder a system. The ground truth is ground_truth_data and ground_truth_domain of an
    official evaluator, eval_data_list.csv of 2020, or the index of a project.

    \b
    Examples:
      asd evaluate --compare 1 2
      asd evaluate --scores teams --ground-truth evaluator --rules 2022
    """
    outside = any(options[key] for key in ("scores", "ground_truth", "rules", "systems", "output"))
    if not outside and options["bootstrap"] is None and options["seed"] is None:
        _evaluate_workspace(compare, as_json)
        return
    request = _request(**options)
    systems, assessments = _assess(request)
    _tell(request, systems, assessments, compare, as_json)
    if request.output is not None:
        _write(request.output, _document(request, assessments), systems, assessments)
        say(f"wrote {request.output}/metrics.json, roc and official", as_json)


def _evaluate_workspace(compare: tuple[str, str] | None, as_json: bool) -> None:
    """Run the stage, and show what it found."""
    from asd.metrics.rules import RULES
    from asd.stages.evaluate import run

    workspace = _workspace()
    params = workspace.params
    figures = run(workspace)
    request = Request(
        workspace=workspace,
        scores=workspace.score_record("", "").parent,
        truth={},
        systems=(),
        rules=RULES[params.dataset.rules],
        resamples=params.evaluate.bootstrap,
        seed=params.evaluate.seed,
        output=workspace.reports,
    )
    _tell(request, figures.systems, figures.assessments, compare, as_json)
    say(f"wrote {workspace.reports}/metrics.json, roc and official", as_json)


def _tell(
    request: Request,
    systems: Sequence[System],
    assessments: Sequence[Assessment],
    compare: tuple[str, str] | None,
    as_json: bool,
) -> None:
    compared = _compared(systems, compare, request) if compare else None
    if as_json:
        from asd.stages.evaluate import json_text

        document = _document(request, assessments) | _comparison_document(compare, compared)
        click.echo(json_text(document), nl=False)
        return
    # Figures that are written nowhere are what the command was called for.
    tell = show if request.output is None else say
    for line in _lines(assessments, compare, compared):
        tell(line, as_json)


def _assess(request: Request) -> tuple[list[System], list[Assessment]]:
    from asd.metrics.results import read_systems
    from asd.metrics.summary import assess

    if not request.truth:
        return [], []
    if request.workspace is None:
        systems = read_systems(request.scores, request.truth, request.systems)
    else:
        from asd.stages.evaluate import read_systems as read_scored

        systems = read_scored(request.workspace, request.systems, request.truth)
    return systems, [
        assess(system, request.rules, request.resamples, request.seed) for system in systems
    ]


def _request(
    scores: Path | None,
    ground_truth: Path | None,
    rules: str | None,
    systems: tuple[str, ...],
    bootstrap: int | None,
    seed: int | None,
    output: Path | None,
) -> Request:
    """Return what the options ask for; a project gives what they leave open."""
    from asd.metrics.rules import RULES
    from asd.metrics.truth import read_truth

    if scores and ground_truth:
        year = RULES[rules or "2022"]
        resamples = RESAMPLES if bootstrap is None else bootstrap
        seed = SEED if seed is None else seed
        truth = read_truth(ground_truth)
        return Request(None, scores, truth, systems, year, resamples, seed, output)
    from asd.stages.evaluate import scored_systems, truth_of

    workspace = _workspace()
    params = workspace.params
    return Request(
        workspace=None if scores else workspace,
        scores=scores or workspace.score_record("", "").parent,
        truth=read_truth(ground_truth) if ground_truth else truth_of(workspace),
        systems=systems if scores else scored_systems(workspace, systems),
        rules=RULES[rules or params.dataset.rules],
        resamples=params.evaluate.bootstrap if bootstrap is None else bootstrap,
        seed=params.evaluate.seed if seed is None else seed,
        output=output,
    )


def _workspace() -> Workspace:
    from asd.workspace import Workspace

    try:
        return Workspace.find()
    except UsageError as error:
        raise UsageError(f"{error}, or give both --scores and --ground-truth") from None


def _compared(systems: Sequence[System], names: tuple[str, str], request: Request) -> Comparison:
    from asd.metrics.bootstrap import compare

    by_name = {system.name: system for system in systems}
    for name in names:
        if name not in by_name:
            raise unknown_name(f"system of {request.scores}", name, by_name)
    first, second = (by_name[name].sections for name in names)
    return compare(first, second, request.rules, request.resamples or RESAMPLES, request.seed)


def _document(request: Request, assessments: Sequence[Assessment]) -> dict[str, Any]:
    from asd.stages.evaluate import document_of

    return document_of(request.rules.name, request.resamples, request.seed, assessments)


def _comparison_document(
    names: tuple[str, str] | None, compared: Comparison | None
) -> dict[str, Any]:
    from asd.metrics.summary import comparison_json

    if names is None or compared is None:
        return {}
    return {"comparison": {"first": names[0], "second": names[1], **comparison_json(compared)}}


def _lines(
    assessments: Sequence[Assessment],
    names: tuple[str, str] | None,
    compared: Comparison | None,
) -> Iterator[str]:
    from asd.metrics.summary import comparison_table, sections_table, systems_table

    if not assessments:
        yield "no test clips: nothing to evaluate"
        return
    for assessment in assessments:
        yield _summary(assessment)
    for line in _once(line for one in assessments for line in one.evaluation.undefined):
        yield f"undefined, left out: {line}"
    for line in _once(line for one in assessments for line in one.unlabelled):
        yield f"without figures: {line}"
    if len(assessments) == 1:
        yield "\n" + sections_table(assessments[0].evaluation)
    else:
        yield "\n" + systems_table(assessments)
    if names and compared:
        yield "\n" + comparison_table(*names, compared)


def _summary(assessment: Assessment) -> str:
    from asd.metrics.summary import percent, span

    evaluation = assessment.evaluation
    sections = evaluation.sections
    score = f"{assessment.name}: official score {percent(evaluation.score)}"
    if assessment.intervals:
        score += f" (95 % interval {span(assessment.intervals.score)})"
    clips = counted(sum(section.clips for section in sections), "clip")
    line = f"{score}, {clips} in {counted(len(sections), 'section')}"
    for number, what in (
        (len(evaluation.undefined), "undefined value"),
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


def _write(
    output: Path,
    document: dict[str, Any],
    systems: Sequence[System],
    assessments: Sequence[Assessment],
) -> None:
    """Write metrics.json, roc/<system>.csv and official/<system>_result.csv."""
    from asd.atomic import replacing
    from asd.stages.evaluate import figure_texts

    for name in ("roc", "official"):
        (output / name).mkdir(parents=True, exist_ok=True)
    for name, text in figure_texts(document, systems, assessments).items():
        with replacing(output / name) as beside:
            beside.write_text(text, encoding="utf-8", newline="")

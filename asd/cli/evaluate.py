"""asd evaluate: the official numbers of score files, in a project or of any folder of results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asd import __version__
from asd.cli.output import counted, json_option, say, show, system_option
from asd.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from asd.cli.project import Project
    from asd.metrics.bootstrap import Comparison
    from asd.metrics.rules import Rules, System
    from asd.metrics.summary import Assessment
    from asd.metrics.truth import Key, Truth

SHOWN = 10  # undefined values and unlabelled sections that are shown before the rest is counted
RESAMPLES, SEED = 1000, 0  # outside of any project

_folder = click.Path(path_type=Path)


@dataclass(frozen=True)
class Request:
    """What is to be evaluated, and how; ``output`` is None where nothing is to be written."""

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
    request = _request(**options)
    systems, assessments = _assess(request)
    compared = _compared(systems, compare, request) if compare else None
    document = _document(request, assessments)
    if as_json:
        click.echo(_json(document | _comparison_document(compare, compared)), nl=False)
    else:
        # Figures that are written nowhere are what the command was called for.
        tell = show if request.output is None else say
        for line in _lines(assessments, compare, compared):
            tell(line, as_json)
    if request.output is not None:
        _write(request.output, document, systems, assessments)
        say(f"wrote {request.output}/metrics.json, roc and official", as_json)


def evaluate_project(project: Project, chosen: Sequence[str], output: Path) -> Path:
    """Evaluate systems of a project into the folder ``output``; return its metrics.json."""
    from asd.metrics.rules import RULES

    config = project.params.evaluate
    request = Request(
        scores=project.score_dir(""),
        truth=index_truth(project),
        systems=_scored(project, chosen),
        rules=RULES[project.params.dataset.rules],
        resamples=config.bootstrap,
        seed=config.seed,
        output=output,
    )
    systems, assessments = _assess(request)
    _write(output, _document(request, assessments), systems, assessments)
    return output / "metrics.json"


def _assess(request: Request) -> tuple[list[System], list[Assessment]]:
    from asd.metrics.results import read_systems
    from asd.metrics.summary import assess

    if not request.truth:
        return [], []
    systems = read_systems(request.scores, request.truth, request.systems)
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
        return Request(scores, read_truth(ground_truth), systems, year, resamples, seed, output)
    project = _project()
    params = project.params
    if not (scores or ground_truth or systems or output):
        output = project.reports
    return Request(
        scores=scores or project.score_dir(""),
        truth=read_truth(ground_truth) if ground_truth else index_truth(project),
        systems=systems if scores else _scored(project, systems),
        rules=RULES[rules or params.dataset.rules],
        resamples=params.evaluate.bootstrap if bootstrap is None else bootstrap,
        seed=params.evaluate.seed if seed is None else seed,
        output=output,
    )


def _project() -> Project:
    from asd.cli.project import Project

    try:
        return Project.find()
    except UsageError as error:
        raise UsageError(f"{error}, or give both --scores and --ground-truth") from None


def index_truth(project: Project) -> dict[Key, Truth]:
    """Return the ground truth of the sections that can be scored: those with training clips."""
    from asd.metrics.truth import read_truth

    folder = project.index_path("").parent
    if not folder.is_dir():
        raise UsageError(f"{folder}: no index yet; run 'asd index' first")
    # Indices of machines that are no longer in the data set may lie there too.
    clips = [clip for machine in project.machines() for clip in project.clips(machine)]
    trained = {(c.machine, c.section) for c in clips if c.usable and c.split == "train"}
    if not any(clip.split == "test" for clip in clips):
        return {}  # nothing but normal recordings to learn from is a project, too
    return {key: truth for key, truth in read_truth(folder).items() if key in trained}


def _scored(project: Project, chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen systems, or all of the params that have scores."""
    known = project.systems(chosen)
    scored = tuple(name for name in known if project.score_dir(name).is_dir())
    missing = [name for name in known if name not in scored]
    if missing and (chosen or not scored):
        raise UsageError(f"{project.score_dir(missing[0])}: no scores yet; run 'asd score' first")
    return scored


def _compared(systems: Sequence[System], names: tuple[str, str], request: Request) -> Comparison:
    from asd.metrics.bootstrap import compare

    by_name = {system.name: system for system in systems}
    for name in names:
        if name not in by_name:
            raise unknown_name(f"system of {request.scores}", name, by_name)
    first, second = (by_name[name].sections for name in names)
    return compare(first, second, request.rules, request.resamples or RESAMPLES, request.seed)


def _document(request: Request, assessments: Sequence[Assessment]) -> dict[str, Any]:
    """Return what metrics.json holds: nested mappings of fractions, and what made them."""
    return {
        "rules": request.rules.name,
        "bootstrap": {"resamples": request.resamples, "seed": request.seed},
        "version": __version__,
        "systems": {assessment.name: assessment.to_json() for assessment in assessments},
    }


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
    from asd.metrics.summary import result_csv, roc_csv

    texts = {output / "metrics.json": _json(document)}
    for system, assessment in zip(systems, assessments, strict=True):
        texts[output / "roc" / f"{system.name}.csv"] = roc_csv(system.sections)
        texts[output / "official" / f"{system.name}_result.csv"] = result_csv(assessment)
    for name in ("roc", "official"):
        (output / name).mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        with replacing(path) as beside:
            beside.write_text(text, encoding="utf-8", newline="")


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, allow_nan=False) + "\n"

"""asd ladder: systems of rising strength over several seeds, one change a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import stdev

import click

from asd.cli.ablate import over_seeds
from asd.cli.evaluate import index_truth
from asd.cli.output import emit, json_option, machine_option, say
from asd.cli.project import Project
from asd.errors import UsageError
from asd.layout import PARAMS


@dataclass(frozen=True)
class Rung:
    """A row of the table; scores as fractions.

    Attributes:
        system, change: what is run, and what it changes from the row before.
        score: the mean official score over seeds.
        deviation: its standard deviation over seeds; NaN for one.
        low, high: the 95 % interval of the score over resampled test clips.
        gain: the score less that of the row before; NaN in the first row.
        gain_low, gain_high: its paired 95 % interval.
    """

    system: str
    change: str
    score: float
    deviation: float
    low: float
    high: float
    gain: float = math.nan
    gain_low: float = math.nan
    gain_high: float = math.nan


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many.")
@machine_option
@json_option
def command(seeds: int, machines: tuple[str, ...], as_json: bool) -> None:
    """Run the systems of the params' section `ladder`, and say what each change is worth.

    Everything is trained, scored and evaluated with several seeds, as `asd ablate` does it: all
    read the same stored features, and only what is missing is trained. Intervals are those of
    other test clips (95 %); the difference of two rows is a paired one. The table goes to
    data/reports/ladder.md.
    """
    project = Project.find()
    rows = project.params.ladder
    if not rows:
        raise UsageError(
            f"{project.root / PARAMS}: no section ladder; 'asd init ladder' writes one, a list of"
            " systems with what each changes"
        )
    names = tuple(dict.fromkeys(row.system for row in rows))
    over_seeds(project, names, project.machines(machines), seeds, as_json)
    rungs = _rungs(project, seeds, project.machines(machines))
    text = _markdown(project, rungs, seeds)
    _write(project, text)
    say(f"\n{text}\nwrote {project.reports / 'ladder.md'}", as_json)
    emit([{k: _finite(v) for k, v in asdict(rung).items()} for rung in rungs], as_json)


def _rungs(project: Project, seeds: int, machines: Sequence[str]) -> list[Rung]:
    from asd.metrics.bootstrap import over_seeds as with_interval
    from asd.metrics.official import evaluate
    from asd.metrics.results import read_systems
    from asd.metrics.rules import RULES

    params = project.params
    rules = RULES[params.dataset.rules]
    truth = {key: one for key, one in index_truth(project).items() if key[0] in machines}
    first = params.train.seed
    runs = {
        row.system: [
            read_systems(project.with_seed(seed).score_dir(""), truth, [row.system])[0].sections
            for seed in range(first, first + seeds)
        ]
        for row in params.ladder
    }
    resamples, seed = max(params.evaluate.bootstrap, 1), params.evaluate.seed
    rungs: list[Rung] = []
    before = None
    for row in params.ladder:
        own = runs[row.system]
        score = with_interval(own, rules, resamples, seed)
        values = [evaluate(sections, rules).score for sections in own]
        rung = Rung(
            system=row.system,
            change=row.change,
            score=score.value,
            deviation=stdev(values) if len(values) > 1 else math.nan,
            low=score.interval.low,
            high=score.interval.high,
        )
        if before is not None:
            gain = with_interval(own, rules, resamples, seed, before)
            low, high = gain.interval.low, gain.interval.high
            rung = replace(rung, gain=gain.value, gain_low=low, gain_high=high)
        rungs.append(rung)
        before = own
    return rungs


def _markdown(project: Project, rungs: Sequence[Rung], seeds: int) -> str:
    from asd.metrics.summary import markdown

    rows = [
        [
            f"{rung.system}: {rung.change}" if rung.change else rung.system,
            f"{100 * rung.score:.2f}"
            + ("" if math.isnan(rung.deviation) else f" ± {100 * rung.deviation:.2f}"),
            f"{100 * rung.low:.1f} to {100 * rung.high:.1f}",
            "" if math.isnan(rung.gain) else f"{100 * rung.gain:+.2f}",
            ""
            if math.isnan(rung.gain)
            else f"{100 * rung.gain_low:+.1f} to {100 * rung.gain_high:+.1f}",
        ]
        for rung in rungs
    ]
    header = ["system and change", "score", "95 %", "gain", "95 %"]
    of_seeds = "1 seed" if seeds == 1 else f"mean and deviation of {seeds} seeds"
    return (
        f"# {project.params.dataset.name}: one change a row\n\n{markdown(header, rows)}\n\n"
        f"Official score in percent by the rules of {project.params.dataset.rules}, {of_seeds}."
        " The gain is over the row before. Intervals are those of other test clips, for the same"
        " networks.\n"
    )


def _write(project: Project, text: str) -> None:
    from asd.atomic import replacing

    with replacing(project.reports / "ladder.md") as beside:
        beside.write_text(text, encoding="utf-8")


def _finite(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value

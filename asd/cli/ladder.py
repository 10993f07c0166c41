"""asd ladder: systems of rising strength over several seeds, one change a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from asd.cli.output import emit, json_option, machine_option, say, seeds_option
from asd.cli.training_output import run_seeds
from asd.errors import UsageError
from asd.workspace import PARAMS, Workspace

if TYPE_CHECKING:
    from asd.stages.seeds import Rung


@click.command()
@seeds_option
@machine_option
@json_option
def command(seeds: int, machines: tuple[str, ...]) -> None:
    """Run the systems of the params' section `ladder`, and say what each change is worth.

    Everything is trained, scored and evaluated with several seeds, as `asd ablate` does it: all
    read the same stored features, and only what is missing is trained. Intervals are those of
    other test clips (95 %); the difference of two rows is a paired one. The table goes to
    data/reports/ladder.md.
    """
    from asd.atomic import replacing
    from asd.stages.seeds import climb

    workspace = Workspace.find()
    rows = workspace.params.ladder
    if not rows:
        raise UsageError(
            f"{workspace.root / PARAMS}: no section ladder: write one, a list of"
            " {system: NAME, change: WHAT IT CHANGES}, and run this again"
        )
    chosen = workspace.machines(machines)
    names = tuple(dict.fromkeys(row.system for row in rows))
    run_seeds(workspace, names, chosen, seeds)
    rungs = list(climb(workspace, seeds, chosen))
    text = _markdown(workspace, rungs, seeds)
    path = workspace.reports / "ladder.md"
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
    say(f"\n{text}\nwrote {path}")
    emit([{k: _finite(v) for k, v in asdict(rung).items()} for rung in rungs])


def _markdown(workspace: Workspace, rungs: Sequence[Rung], seeds: int) -> str:
    from asd.metrics.summary import markdown
    from asd.report.tables import escaped

    rows = []
    for rung in rungs:
        gained = not math.isnan(rung.gain)
        several = not math.isnan(rung.deviation)
        rows.append(
            [
                f"{rung.system}: {rung.change}" if rung.change else rung.system,
                f"{100 * rung.score:.2f}" + (f" ± {100 * rung.deviation:.2f}" if several else ""),
                f"{100 * rung.low:.1f} to {100 * rung.high:.1f}",
                f"{100 * rung.gain:+.2f}" if gained else "",
                f"{100 * rung.gain_low:+.1f} to {100 * rung.gain_high:+.1f}" if gained else "",
            ]
        )
    header = ["system and change", "score", "95 %", "gain", "95 %"]
    of_seeds = "1 seed" if seeds == 1 else f"mean and deviation of {seeds} seeds"
    title = f"# {escaped(workspace.params.dataset.name)}: one change a row"
    return (
        f"{title}\n\n{markdown(header, rows)}\n\n"
        f"Official score in percent by the rules of {workspace.params.dataset.rules}, {of_seeds}."
        " The gain is over the row before. Intervals are those of other test clips, for the same"
        " networks.\n"
    )


def _finite(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value

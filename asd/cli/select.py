"""asd select: what scores each machine best, chosen from its training clips alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import emit, json_option, machine_option, say
from asd.config import SELECTED
from asd.workspace import PARAMS, Workspace

if TYPE_CHECKING:
    from asd.config import SystemConfig


@click.command()
@machine_option
@click.option("--compare", is_flag=True, help="Show what every criterion says of each candidate.")
@click.option("--dry-run", is_flag=True, help="Show the table and leave the params as they are.")
@click.option("--replace", is_flag=True, help="Write the choice in place of members named there.")
@json_option
def command(machines: tuple[str, ...], compare: bool, dry_run: bool, replace: bool) -> None:
    """Choose what scores each machine best, from training clips alone, and write it down.

    Candidates are all embeddings and scorers of the params' section `select`. The best by its
    criterion are joined, and written into pipeline/params.yaml as the fusion `selected`; until
    then, `asd score` chooses anew whenever a bank changes. The table goes to
    data/reports/selection.md.

    Where `selected` names its members, as for own recordings, they stay unless --replace is given:
    on genuine sound no choice without labels has been better than they are.
    """
    from asd.atomic import replacing
    from asd.stages.select import choose_members, write_choice

    workspace = Workspace.find()
    chosen: dict[str, tuple[SystemConfig, ...]] = {}
    rows: list[dict[str, Any]] = []
    text = ""
    for machine in workspace.machines(machines):
        members, choice = choose_members(workspace, machine, compare)
        chosen[machine] = members
        rows.append({"machine": machine, **choice})
        text += _table(machine, choice)
    say(text.rstrip())
    if not dry_run:
        with replacing(workspace.reports / "selection.md") as beside:
            beside.write_text(f"# What was selected\n\n{text.rstrip()}\n", encoding="utf-8")
        fusion, where = workspace.params.fusions.get(SELECTED), workspace.root / PARAMS
        if fusion is None or not fusion.members or replace:
            write_choice(workspace, chosen)
            say(f"wrote fusions.{SELECTED} of {where}; next: dvc repro")
        else:
            say(f"fusions.{SELECTED} of {where} has members: kept; --replace writes the choice")
    emit(rows)


def _table(machine: str, choice: Mapping[str, Any]) -> str:
    """Return a Markdown table of the candidates, the chosen first."""
    from asd.metrics.summary import markdown

    candidates, chosen = choice["candidates"], choice["chosen"]
    criteria = list(next(iter(candidates.values())))
    first = choice["criterion"] if choice["criterion"] in criteria else criteria[0]
    order = sorted(
        candidates, key=lambda name: (name not in chosen, -(candidates[name][first] or 0.0))
    )
    why = choice.get("note", f"by '{choice['criterion']}', from training clips alone")
    rows = [
        [
            name,
            *("-" if value is None else f"{value:.4f}" for value in candidates[name].values()),
            "yes" if name in chosen else "",
        ]
        for name in order
    ]
    table = markdown(["candidate", *criteria, "chosen"], rows)
    return (
        f"## {machine}\n\nJoined: {len(chosen)} of {len(order)} candidates, {why}.\n\n{table}\n\n"
    )

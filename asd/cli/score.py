"""asd score: the test clips against the banks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, emit, json_option, machine_option, say, system_option
from asd.errors import AsdError
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.stages.score import Scored


@click.command()
@machine_option
@system_option
@click.option(
    "--export",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the challenge's score and decision files to DIR/<system> too.",
)
@json_option
def command(machines: tuple[str, ...], systems: tuple[str, ...], export: Path | None) -> None:
    """Score test clips: a higher score means a more anomalous sound.

    Writes a table of scores and decisions of each system and machine to data/scores, and the
    detector that `asd predict` uses. A section without training clips is reported and left
    unscored. The false-alarm rate is that of recordings: the more clips one is cut into, the higher
    the threshold of its highest score. A fusion without members is made of what the section
    `select` finds best on the training clips; see `asd select`.
    """
    from asd.stages.score import run

    workspace = Workspace.find()
    found: list[Scored] = []
    told = 0
    try:
        for one in run(workspace, machines, systems):
            if found and found[-1].system != one.system:
                _tell(workspace, found[told:])
                told = len(found)
            found.append(one)
    except AsdError:
        _tell(workspace, found[told:])
        if found:
            emit(found)
        raise
    _tell(workspace, found[told:])
    _tell_unscored(found)
    if export is not None:
        _export(workspace, {(one.system, one.machine) for one in found}, export)
    emit(found)


def _tell(workspace: Workspace, of_system: Sequence[Scored]) -> None:
    """Say what scoring with one system came to."""
    if not of_system:
        return
    system = of_system[0].system
    say(
        f"{system}: scored {counted(sum(one.scored for one in of_system), 'clip')} of"
        f" {counted(len(of_system), 'machine')},"
        f" {sum(one.anomalous for one in of_system):,} decided to be anomalous ->"
        f" {workspace.score_record(system, '').parent}"
    )


def _tell_unscored(found: Sequence[Scored]) -> None:
    """Say which sections no system can score: the same ones for all, so once."""
    unscored = {one.machine: one.unscored for one in found if one.unscored}
    for machine, sections in unscored.items():
        names = ", ".join(sorted(sections))
        one = "section" if len(sections) == 1 else "sections"
        say(
            f"{machine}: {one} {names} without training clips:"
            f" {counted(sum(sections.values()), 'test clip')} left unscored"
        )


def _export(workspace: Workspace, scored: set[tuple[str, str]], folder: Path) -> None:
    from asd.atomic import replacing
    from asd.scoring.files import official_files
    from asd.scoring.scored import read_scores_record, read_table

    count = 0
    for system, machine in sorted(scored):
        table = read_table(read_scores_record(workspace.score_record(system, machine)))
        for name, text in official_files(machine, table).items():
            with replacing(folder / system / name) as beside:
                beside.write_text(text, encoding="utf-8", newline="")
            count += 1
    say(f"wrote {counted(count, 'file')} in the challenge's form -> {folder}")

"""asd enroll: normal recordings into the detectors of a machine, without training."""

from __future__ import annotations

from typing import Any

import click

from asd.cli.enrolling import enroll
from asd.cli.output import counted, emit, json_option, one_machine_option, say, show
from asd.cli.sounds import Complaints, find_sounds, read_all, sounds_argument
from asd.errors import UsageError
from asd.workspace import Workspace


@click.command()
@sounds_argument
@one_machine_option
@click.option("--section", metavar="NN", help="The unit that is heard (default: the only one).")
@click.option(
    "--domain",
    type=click.Choice(["source", "target"]),
    help="The domain of the clips; unknown ones count as source.",
)
@click.option("--force", is_flag=True, help="Also what sounds anomalous now.")
@click.option("--undo", is_flag=True, help="Take the last enrolment back.")
@click.option("--list", "as_list", is_flag=True, help="List what was enrolled.")
@json_option
def command(
    sounds: tuple[str, ...],
    machine: str | None,
    section: str | None,
    domain: str | None,
    force: bool,
    undo: bool,
    as_list: bool,
) -> None:
    """Add normal recordings to the detectors of a machine: such sound is normal from now on.

    Every scored system of the machine gets a new detector, and the thresholds follow it: all of
    them or none. Nothing is trained, and banks and scores stay as they are. When these are made
    anew, so are the detectors, from the training clips: put recordings that are to stay into the
    raw folder. What sounds anomalous is refused without --force, as a fault must not become normal.

    \b
    Examples:
      asd enroll --machine pump --section 00 after_maintenance
      asd enroll --machine pump --list
      asd enroll --machine pump --undo
    """
    if undo + as_list + bool(sounds) > 1:
        raise UsageError("--undo, --list and recordings: give one of them")
    workspace = Workspace.find()
    chosen = workspace.machine(machine)
    if undo or as_list:
        emit(_undo(workspace, chosen) if undo else _list(workspace, chosen))
        return
    complaints = Complaints()
    paths = find_sounds(sounds, complaints)
    if not paths:
        # What is wrong has been said, and there is nothing else that could have been enrolled.
        raise click.exceptions.Exit(complaints.exit_code)
    from asd.detection.enroll import Enrolment, choose_section

    enrolment = Enrolment(workspace, chosen)
    section = choose_section(enrolment.sections, section)
    recordings = read_all(paths, workspace, enrolment.signal, complaints, "nothing enrolled")
    emit(enroll(enrolment, recordings, section, domain or "", force))


def _undo(workspace: Workspace, machine: str) -> list[dict[str, Any]]:
    from asd.detection.enroll import undo, versions

    taken = undo(workspace, machine)
    rows = []
    # Afterwards: a damaged enrolment has no versions to list.
    for model in versions(workspace, machine):
        if model in taken:
            one = taken[model]
            say(
                f"{machine} {model}: took {counted(len(one.added), 'clip')} back;"
                f" version {one.number - 1} again"
            )
        else:
            say(f"{machine} {model}: nothing to undo")
        rows.append({"model": model, "undone": taken[model].number if model in taken else None})
    return rows


def _list(workspace: Workspace, machine: str) -> list[dict[str, Any]]:
    from asd.detection.enroll import versions

    rows = []
    for model, found in versions(workspace, machine).items():
        for version in found:
            added = f", {', '.join(version.added)}" if version.added else ""
            now = " (now)" if version is found[-1] else ""
            show(
                f"{machine} {model} version {version.number}:"
                f" {counted(version.clips, 'clip')}{added}{now}"
            )
            rows.append(
                {
                    "model": model,
                    "version": version.number,
                    "clips": version.clips,
                    "added": version.added,
                    "current": version is found[-1],
                }
            )
    return rows

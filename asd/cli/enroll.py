"""asd enroll: normal recordings into the detectors of a machine, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import counted, emit, json_option, say, show, single
from asd.cli.sounds import Complaints, find_sounds, sounds_argument
from asd.errors import AsdError, JobError, UsageError
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.detection.enroll import Enrolled, Enrolment
    from asd.detection.recording import Recording


@click.command()
@sounds_argument
@single("machine", "Machine type (default: the only one).")
@click.option("--section", metavar="NN", help="The unit that is heard (default: the only one).")
@click.option(
    "--domain",
    type=click.Choice(["source", "target"]),
    default=None,
    help="The domain of the clips; unknown ones count as source.",
)
@click.option("--undo", is_flag=True, help="Take the last enrolment back.")
@click.option("--list", "as_list", is_flag=True, help="List what was enrolled.")
@json_option
def command(
    sounds: tuple[str, ...],
    machine: str | None,
    section: str | None,
    domain: str | None,
    undo: bool,
    as_list: bool,
    as_json: bool,
) -> None:
    """Add normal recordings to the detectors of a machine: such sound is normal from now on.

    Every scored system of the machine gets a new detector, and the thresholds follow it: all of
    them or none. Nothing is trained, and banks and scores stay as they are. When these are made
    anew, so are the detectors, from the training clips: put recordings that are to stay into the
    raw folder.

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
    if undo:
        emit(_undo(workspace, chosen, as_json), as_json)
    elif as_list:
        emit(_list(workspace, chosen, as_json), as_json)
    else:
        _enroll(workspace, chosen, sounds, section, domain or "", as_json)


def _enroll(
    workspace: Workspace,
    machine: str,
    sounds: tuple[str, ...],
    section: str | None,
    domain: str,
    as_json: bool,
) -> None:
    complaints = Complaints()
    paths = find_sounds(sounds, complaints)
    if not paths:
        # What is wrong has been said, and there is nothing else that could have been enrolled.
        raise click.exceptions.Exit(complaints.exit_code)

    from asd.detection.enroll import Enrolment, choose_section

    enrolment = Enrolment(workspace, machine)
    section = choose_section(enrolment.sections, section)
    recordings = _read(paths, workspace, enrolment.signal, complaints)
    if complaints.count:
        # A bank of half of what was meant helps nobody.
        kind = UsageError if complaints.exit_code == 2 else JobError
        raise kind(f"{counted(complaints.count, 'recording')} cannot be used: nothing enrolled")
    given = sum(len(window_starts(recording, enrolment)) for recording in recordings)
    results = enrolment.enroll(recordings, section, domain)
    for result in results:
        say(_line(machine, result, given), as_json)
    if any(result.added for result in results):
        say(
            "'asd score' makes the detectors again without these when the banks change: to keep"
            f" them, put them into {workspace.raw / machine}; 'asd enroll --undo' takes them back",
            as_json,
        )
    emit(results, as_json)


def window_starts(recording: Recording, enrolment: Enrolment) -> list[int]:
    """Return where the clips of a recording begin."""
    from asd.detection.recording import window_starts as starts

    return starts(len(recording.samples), enrolment.signal.length)


def _read(
    paths: list[Path], workspace: Workspace, signal: Any, complaints: Complaints
) -> list[Recording]:
    from asd.clips.audio import Limits
    from asd.detection.recording import read_recording

    index = workspace.params.index
    limits = Limits(index.max_seconds, index.max_channels)
    found = []
    for path in paths:
        try:
            found.append(read_recording(path, signal, limits))
        except AsdError as error:
            complaints.add(error)
    return found


def _undo(workspace: Workspace, machine: str, as_json: bool) -> list[dict[str, Any]]:
    from asd.detection.enroll import undo, versions

    taken = undo(workspace, machine)
    rows = []
    # Afterwards: a damaged enrolment has no versions to list.
    for model in versions(workspace, machine):
        if model in taken:
            one = taken[model]
            say(
                f"{machine} {model}: took {counted(len(one.added), 'clip')} back;"
                f" version {one.number - 1} again",
                as_json,
            )
        else:
            say(f"{machine} {model}: nothing to undo", as_json)
        rows.append({"model": model, "undone": taken[model].number if model in taken else None})
    return rows


def _list(workspace: Workspace, machine: str, as_json: bool) -> list[dict[str, Any]]:
    from asd.detection.enroll import versions

    rows = []
    for model, found in versions(workspace, machine).items():
        for version in found:
            added = f", {', '.join(version.added)}" if version.added else ""
            now = " (now)" if version is found[-1] else ""
            show(
                f"{machine} {model} version {version.number}:"
                f" {counted(version.clips, 'clip')}{added}{now}",
                as_json,
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


def _line(machine: str, result: Enrolled, given: int) -> str:
    line = (
        f"{machine} {result.model}: enrolled {counted(len(result.added), 'clip')} in section"
        f" {result.section}, {given - len(result.added)} there already;"
        f" {counted(result.clips, 'clip')}, version {result.version}"
    )
    if result.added and result.thresholds:
        moved = ", ".join(
            f"system {name} {before:.4f} -> {after:.4f}"
            for name, (before, after) in result.thresholds.items()
        )
        line += f"; threshold of {moved}"
    return line

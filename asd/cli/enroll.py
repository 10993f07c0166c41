"""asd enroll: normal recordings into the detectors of a machine, without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from asd.cli.output import counted, emit, json_option, say, show, single
from asd.cli.sounds import Complaints, find_sounds, read_all, sounds_argument
from asd.errors import UsageError
from asd.workspace import Workspace


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
    as_json: bool,
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
    if undo:
        emit(_undo(workspace, chosen, as_json), as_json)
    elif as_list:
        emit(_list(workspace, chosen, as_json), as_json)
    else:
        complaints = Complaints()
        paths = find_sounds(sounds, complaints)
        if not paths:
            # What is wrong has been said, and there is nothing else that could have been enrolled.
            raise click.exceptions.Exit(complaints.exit_code)
        found = enroll(workspace, chosen, paths, complaints, section, domain or "", force, as_json)
        emit(found, as_json)


def enroll(
    workspace: Workspace,
    machine: str,
    paths: Sequence[Path],
    complaints: Complaints,
    section: str | None,
    domain: str,
    force: bool,
    as_json: bool,
) -> list[Any]:
    """Enroll recordings and say what that did; the feedback that an alarm was false is one too."""
    from asd.clips.likeness import Training, remarks
    from asd.detection.enroll import Enrolment, choose_section
    from asd.detection.recording import expand

    enrolment = Enrolment(workspace, machine)
    section = choose_section(enrolment.sections, section)
    recordings = read_all(paths, workspace, enrolment.signal, complaints, "nothing enrolled")
    known = Training.of_index(workspace.index_path(machine).with_suffix(".json"))
    for sound in recordings:
        for remark in remarks(sound.facts, known) if sound.facts else ():
            say(f"{sound.name}: {remark.text}", as_json)
    given = len(expand(recordings, enrolment.signal.length)[0])
    before = enrolment.deciding.deciding[section].threshold().value
    results = enrolment.enroll(recordings, section, domain, force)
    for one in results:
        added, there = counted(len(one.added), "clip"), given - len(one.added)
        say(
            f"{machine} {one.model}: enrolled {added} in section {section}, {there} there already;"
            f" {counted(one.clips, 'clip')}, version {one.version}",
            as_json,
        )
    if any(one.added for one in results):
        after = enrolment.deciding
        limit = after.deciding[section].threshold().value
        say(f"threshold of system {after.system}: {before:.4f} -> {limit:.4f}", as_json)
        say(
            f"this lasts until the training clips change; to keep the recordings, put them into"
            f" {workspace.raw / machine}; 'asd enroll --undo' takes them back",
            as_json,
        )
    return results


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

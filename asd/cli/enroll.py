"""asd enroll: normal recordings into the banks of a machine, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import counted, emit, json_option, say, show, single
from asd.cli.project import Project
from asd.cli.sounds import Complaints, find_sounds, one_machine, sounds_argument
from asd.errors import AsdError, JobError, UsageError

if TYPE_CHECKING:
    from asd.detection.enrolment import Enrolled
    from asd.detection.layout import Layout
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
@click.option("--list", "as_list", is_flag=True, help="List the versions of the banks.")
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
    """Add normal recordings to the banks of a machine, so that such sound is normal from now on.

    Every model's bank of the machine gets a new version, and the thresholds follow it. Nothing is
    trained. `asd embed`, and so `dvc repro`, makes the banks again from the training clips: put
    recordings that are to stay into the raw folder.

    \b
    Examples:
      asd enroll --machine pump --section 00 after_maintenance
      asd enroll --machine pump --list
      asd enroll --machine pump --undo
    """
    if undo + as_list + bool(sounds) > 1:
        raise UsageError("--undo, --list and recordings: give one of them")
    project = Project.find()
    chosen = one_machine(project, machine)

    from asd.detection.layout import Layout

    layout = Layout.find(project.root, chosen)
    if undo:
        emit(_undo(layout, as_json), as_json)
    elif as_list:
        emit(_list(layout, as_json), as_json)
    else:
        _enroll(layout, sounds, section, domain or "", as_json)


def _enroll(
    layout: Layout, sounds: tuple[str, ...], section: str | None, domain: str, as_json: bool
) -> None:
    complaints = Complaints()
    paths = find_sounds(sounds, complaints)
    if not paths:
        # What is wrong has been said, and there is nothing else that could have been enrolled.
        raise click.exceptions.Exit(complaints.exit_code)

    from asd.detection.enrolment import choose_section, enroll, load_banks

    pairs = load_banks(layout)
    bank, embedder = next(iter(pairs.values()))
    section = choose_section(bank, section)
    recordings = _read(paths, layout, embedder.signal, complaints)
    if complaints.count:
        # A bank of half of what was meant helps nobody.
        kind = UsageError if complaints.exit_code == 2 else JobError
        raise kind(f"{counted(complaints.count, 'recording')} cannot be used: nothing enrolled")
    results = enroll(layout, pairs, recordings, section, domain)
    for result in results:
        say(_line(layout.machine, result, len(recordings)), as_json)
    if any(result.added for result in results):
        say(
            f"'asd embed' makes the banks again without these: to keep them, put them into"
            f" {layout.raw / layout.machine}; 'asd enroll --undo' takes them back",
            as_json,
        )
    emit(results, as_json)


def _read(
    paths: list[Path], layout: Layout, signal: Any, complaints: Complaints
) -> list[Recording]:
    from asd.clips.audio import Limits
    from asd.detection.recording import clips_of, read_recording

    limits = Limits(layout.params.index.max_seconds, layout.params.index.max_channels)
    found = []
    for path in paths:
        try:
            found.extend(clips_of(read_recording(path, signal, limits), signal))
        except AsdError as error:
            complaints.add(error)
    return found


def _undo(layout: Layout, as_json: bool) -> list[dict[str, Any]]:
    from asd.detection.versions import undo

    rows = []
    for model, path in _banks(layout).items():
        taken = undo(path)
        if taken is None:
            say(f"{layout.machine} {model}: nothing to undo", as_json)
        else:
            say(
                f"{layout.machine} {model}: took {counted(len(taken.added), 'clip')} back;"
                f" version {taken.number - 1} again",
                as_json,
            )
        rows.append({"model": model, "undone": taken.number if taken else None})
    return rows


def _list(layout: Layout, as_json: bool) -> list[dict[str, Any]]:
    from asd.detection.versions import versions

    rows = []
    for model, path in _banks(layout).items():
        found = versions(path)
        for version in found:
            added = f", {', '.join(version.added)}" if version.added else ""
            now = " (now)" if version is found[-1] else ""
            show(
                f"{layout.machine} {model} version {version.number}:"
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


def _banks(layout: Layout) -> dict[str, Path]:
    found = {model: layout.bank(model) for model in layout.params.every_model}
    there = {model: path for model, path in found.items() if path.exists()}
    if not there:
        raise UsageError(f"{layout.bank('*')}: no bank of {layout.machine}; run 'asd embed' first")
    return there


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

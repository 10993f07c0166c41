"""asd feedback: what a person heard in recordings, and what follows from it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import click

from asd.cli.enrolling import enroll
from asd.cli.output import counted, emit, json_option, one_machine_option, say, show
from asd.cli.sounds import Complaints, find_sounds, read_all
from asd.errors import UsageError, unknown_name
from asd.workspace import Workspace

_MARKS = ("normal", "fault", "forget")
_Marked = dict[tuple[str, str, str | None], list[Path]]  # by machine, mark and section


@click.command()
@click.argument("mark", type=click.Choice(_MARKS), required=False)
@click.argument("sounds", nargs=-1, metavar="FILE|DIR...")
@one_machine_option
@click.option("--section", metavar="NN", help="The unit that was heard (default: where it scores).")
@click.option(
    "--from",
    "listed",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="CSV",
    help="Take the marks from a table: machine,recording,mark.",
)
@click.option("--list", "as_list", is_flag=True, help="List the known faults.")
@json_option
def command(
    mark: str | None,
    sounds: tuple[str, ...],
    machine: str | None,
    section: str | None,
    listed: Path | None,
    as_list: bool,
) -> None:
    """Say of recordings that they are normal or a fault; nothing is trained.

    A normal one (a false alarm) is enrolled: such sound is normal from now on. A fault goes into
    the machine's library of known faults, never into a bank: `asd predict` names the fault that a
    recording resembles, and `asd threshold` says how many faults each threshold finds. `forget`
    takes faults out of the library.

    \b
    Examples:
      asd feedback --machine pump normal tuesday.wav
      asd feedback --machine pump fault bearing_1.wav bearing_2.wav
      asd feedback --from marks.csv
    """
    if as_list + (listed is not None) + (mark is not None) != 1:
        raise UsageError("give a mark (normal, fault or forget) and recordings, --from, or --list")
    workspace, complaints = Workspace.find(), Complaints()
    if as_list:
        emit(_list(workspace, workspace.machine(machine)))
        return
    if listed is not None:
        marked = _read(workspace, listed, machine)
    else:
        paths = find_sounds(sounds, complaints)
        marked = {(workspace.machine(machine), str(mark), section): paths} if paths else {}
    rows: list[Any] = []
    for (of, kind, heard_at), paths in marked.items():
        rows += _take(workspace, of, kind, paths, complaints, section or heard_at)
    emit(rows)
    if not marked:
        if not complaints.count:
            say("no marks: nothing to do")
        raise click.exceptions.Exit(complaints.exit_code)


def _read(workspace: Workspace, path: Path, only: str | None) -> _Marked:
    """Return the recordings of a table; it is taken whole or not at all."""
    from asd.detection.feedback import listed_recording

    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        if not {"recording", "mark"} <= set(table.fieldnames or ()):
            raise UsageError(f"{path}: no table with the columns machine, recording and mark")
        rows = list(table)
    found: _Marked = {}
    faults = []
    for line, row in enumerate(rows, start=2):
        mark = (row["mark"] or "").strip()
        try:
            machine = workspace.machine(row.get("machine") or only)
            if not mark or (only and machine != only):
                continue
            if mark not in _MARKS:
                raise unknown_name("mark", mark, _MARKS)
            place, section = listed_recording(workspace, machine, row["recording"] or "")
            found.setdefault((machine, mark, section), []).append(place)
        except UsageError as error:
            faults.append(f"{path}, line {line}: {error}")
    if faults:
        raise UsageError("\n".join(faults))
    return found


def _take(
    workspace: Workspace,
    machine: str,
    mark: str,
    paths: list[Path],
    complaints: Complaints,
    section: str | None,
) -> list[Any]:
    """Do what follows from a mark, and say what that was."""
    from asd.clip_table import content_digest
    from asd.detection.detector import Detector
    from asd.detection.enroll import Enrolment, choose_section
    from asd.detection.feedback import forget_faults, learn_faults

    detector = Detector(workspace, machine)
    sounds = read_all(paths, workspace, detector.signal, complaints, "nothing is taken up")
    if mark == "fault":
        new = learn_faults(detector, sounds, section)
        there = len(sounds) - len(new)
        say(f"{machine}: {counted(len(new), 'fault')} learned, {there} known already")
        say(_known(detector))
        return [{"machine": machine, "mark": mark, "recording": one.name} for one in new]
    if mark == "normal":
        if section is None and len(detector.sections) > 1:
            heard = {one.section for one in detector.predictions(sounds)}
            if len(heard) > 1:
                named = ", ".join(sorted(heard))
                raise UsageError(f"{machine}: the recordings are of {named}: say it with --section")
            (section,) = heard
        enrolment = Enrolment(workspace, machine)
        enroll(enrolment, sounds, choose_section(enrolment.sections, section), "", True)
    # After what may fail, so that nothing is forgotten that did not become normal.
    length = detector.signal.length
    contents = [content_digest(one.digest, one.start, length) for one in sounds]
    gone = forget_faults(workspace, machine, contents)
    if gone or mark == "forget":
        more = "" if gone else "; 'asd enroll --undo' takes back what was enrolled as normal"
        if gone and mark == "normal":
            more = ", which 'asd enroll --undo' does not bring back"
        say(f"{machine}: {counted(len(gone), 'fault')} forgotten{more}")
    rows = [{"machine": machine, "mark": "forget", "recording": one.name} for one in gone]
    if mark == "normal":
        rows += [{"machine": machine, "mark": mark, "recording": one.name} for one in sounds]
    return rows


def _known(detector: Any) -> str:
    """Say how many of the known faults are found."""
    missed = [one.name for one in detector.faults if not one.found]
    line = (
        f"system {detector.system} finds {len(detector.faults) - len(missed)} of"
        f" {counted(len(detector.faults), 'known fault')}"
    )
    if missed:
        line += f", not {', '.join(missed)}; 'asd threshold --find-faults' sets it to find all"
    return line


def _list(workspace: Workspace, machine: str) -> list[dict[str, Any]]:
    from asd.detection.detector import Detector

    detector = Detector(workspace, machine)
    rows = []
    for one in detector.faults:
        verdict = "found" if one.found else "missed"
        show(
            f"{one.name}: section {one.section}, score {one.score:.4f}, threshold"
            f" {one.threshold:.4f}: {verdict}"
        )
        rows.append(
            {"recording": one.name, "section": one.section, "score": one.score, "found": one.found}
        )
    say(_known(detector) if rows else f"{machine}: no faults are known")
    return rows

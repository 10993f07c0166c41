"""Enrolling recordings and saying what that did: `enroll`, and `feedback` of a false alarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asd.cli.output import counted, say

if TYPE_CHECKING:
    from asd.detection.enroll import Enrolled, Enrolment
    from asd.detection.recording import Recording


def enroll(
    enrolment: Enrolment, recordings: Sequence[Recording], section: str, domain: str, force: bool
) -> list[Enrolled]:
    """Enroll recordings; see :meth:`asd.detection.enroll.Enrolment.enroll` for the arguments."""
    from asd.clips.likeness import TrainingRange, remarks
    from asd.detection.recording import expand

    workspace, machine = enrolment.workspace, enrolment.machine
    known = TrainingRange.of_index(workspace.index_path(machine).with_suffix(".json"))
    for sound in recordings:
        for remark in remarks(sound.facts, known) if sound.facts else ():
            say(f"{sound.name}: {remark.text}")
    given = len(expand(recordings, enrolment.signal.length)[0])
    before = enrolment.deciding.deciding[section].threshold().value
    results = enrolment.enroll(recordings, section, domain, force)
    for one in results:
        added, there = counted(len(one.added), "clip"), given - len(one.added)
        say(
            f"{machine} {one.model}: enrolled {added} in section {section}, {there} there already;"
            f" {counted(one.clips, 'clip')}, version {one.version}"
        )
    if any(one.added for one in results):
        after = enrolment.deciding
        limit = after.deciding[section].threshold().value
        say(f"threshold of system {after.system}: {before:.4f} -> {limit:.4f}")
        say(
            f"this lasts until the training clips change; to keep the recordings, put them into"
            f" {workspace.raw / machine}; 'asd enroll --undo' takes them back"
        )
    return results

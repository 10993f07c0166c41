"""For the report: which parts of a machine's most anomalous clip make its score."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asd.cli.project import Project
from asd.errors import AsdError
from asd.report.material import ShownClip


def explained(
    project: Project, machine: str, system: str, clips: Sequence[ShownClip]
) -> list[ShownClip]:
    """Return the clips, the one that is farthest above the others explained.

    It is left as it is where its recording, its model or its bank is gone, or where the model reads
    nothing of which a part can be replaced: the report is of what was scored, whatever is left.
    """
    first = max(clips, key=lambda clip: (clip.choice.rank == 1, clip.choice.score), default=None)
    reason = _picture(project, machine, system, first) if first is not None else None
    return [replace(clip, reason=reason) if clip is first else clip for clip in clips]


def _picture(project: Project, machine: str, system: str, clip: ShownClip) -> bytes | None:
    from asd.detection import Detector
    from asd.detection.explanation import explain
    from asd.detection.layout import Layout
    from asd.detection.picture import write_picture
    from asd.detection.recording import read_recording
    from asd.fragment import recording_of

    name = recording_of(clip.choice.name)
    section = clip.choice.key[1]
    try:
        detector = Detector.load(project.root, machine, system)
        path = next(
            project.raw / one.path
            for one in project.clips(machine)
            if one.split == "test" and one.section == section and recording_of(one.name) == name
        )
        recording = read_recording(path, detector.signal, detector.limits)
        found = explain(detector, Layout.find(project.root, machine), recording, section)
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "reason.png"
            write_picture(picture, found)
            return picture.read_bytes()
    except (AsdError, StopIteration):
        return None

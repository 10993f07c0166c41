"""Known faults: recordings that a person marked as such, kept as sound and never in a bank.

``data/faults/<machine>/`` holds a FLAC file a fault, whole or the minute with the highest score,
and one record. Of sound every system can say what it thinks, also one that is trained later: a
detector scores the library when it is first asked for it. With it, predictions name the known fault
that they resemble, and a threshold is known by how many faults it finds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from asd.artifact import RECORD, Record, Request, making, read_if_there, stamp_of, steady
from asd.atomic import locked, refusals, replace_folder, restore
from asd.clip_table import content_digest, window_place
from asd.clips.record import read_index
from asd.config import Settings
from asd.detection.recording import (
    Recording,
    identified,
    read_sound,
    window_starts,
    write_sound,
)
from asd.errors import UsageError
from asd.scoring.bands import floored_space
from asd.scoring.system import rows_of
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.detection.detector import Detector
    from asd.scoring.calibration import Calibration
    from asd.scoring.system import FittedSystem, Outputs

_SECONDS = 60.0
"""What is kept of a long recording."""
_FLOOR = 0.25  # as of the scorers that judge bands


class KeptFault(Settings):
    """A fault of the library.

    Attributes:
        name: of the recording, as it was given.
        section: that it was heard at.
        content: what identifies the recording (:func:`asd.clip_table.content_digest`).
        windows: how many clips the whole recording was cut into.
    """

    name: str
    section: str
    content: str
    windows: int

    @property
    def file(self) -> str:
        """The file of its sound."""
        return f"{self.content[:16]}.flac"


class FaultsRequest(Request):
    """The known faults of a machine."""

    kind: ClassVar[str] = "faults"
    verb: ClassVar[str] = "feedback"

    machine: str
    faults: tuple[KeptFault, ...]


@dataclass(frozen=True, eq=False)
class Fault:
    """What a detector says of a known fault.

    Attributes:
        name, section, windows: of the recording; see :class:`KeptFault`.
        score: its anomaly score.
        threshold: what it is compared with.
        outputs: what the models gave for its most anomalous window, (1, ...).
    """

    name: str
    section: str
    windows: int
    score: float
    threshold: float
    outputs: Outputs

    @property
    def found(self) -> bool:
        """Whether it is an alarm."""
        return self.score > self.threshold

    def threshold_of(self, deciding: Mapping[str, Calibration]) -> float:
        """Return what it is compared with by other calibrations, by section."""
        return deciding[self.section].threshold(self.windows).value


class FaultSpace:
    """Where clips, the normal clips of a section and its known faults are compared.

    All views that the members compare, each standardised by the section's training clips: three of
    four genuine faults of a slide rail are nearest to another one there, and no normal recording
    is; in a single view none to three are.

    Args:
        fitted: the system, one of whose members compares embeddings.
        section: which one.
        faults: what is known of it, one or more.
    """

    def __init__(self, fitted: FittedSystem, section: str, faults: Sequence[Fault]) -> None:
        rows = fitted.rows[section]
        views = {
            (fitted.members[i].model, fitted.members[i].embedding): i for i in fitted.comparing
        }
        self._spaces = [
            (fitted.members[i], floored_space(fitted.views[i]["embedding"][rows], _FLOOR))
            for i in views.values()
        ]
        self._names = [one.name for one in faults]
        self._faults = np.concatenate([self._points(one.outputs) for one in faults])
        banks = {model: bank.arrays for model, bank in fitted.banks.items()}
        self._normal = self._points(rows_of(banks, rows))

    def nearest(self, outputs: Outputs) -> str:
        """Return the fault that a clip (1, ...) is nearer to than to any normal one, or ``""``."""
        clip = self._points(outputs)
        apart = np.linalg.norm(self._faults - clip, axis=1)
        nearer = apart.min() < np.linalg.norm(self._normal - clip, axis=1).min()
        return self._names[int(apart.argmin())] if nearer else ""

    def _points(self, outputs: Outputs) -> np.ndarray:
        """Return clips (n, D)."""
        return np.concatenate(
            [
                space.map(member.view(outputs[member.model], "outputs")["embedding"])
                for member, space in self._spaces
            ],
            axis=1,
        )


def found_of_known_faults(
    workspace: Workspace, machine: str, system: str | None = None
) -> tuple[list[str], list[str]]:
    """Return the names of the known faults that a system's threshold finds, and of those it misses.

    Nothing is loaded where no fault is known.

    Raises:
        UsageError, JobError: the detector cannot be loaded, or the library is damaged.
    """
    from asd.detection.detector import Detector

    if not library(workspace, machine):
        return [], []
    faults = Detector(workspace, machine, system).faults
    return [one.name for one in faults if one.found], [one.name for one in faults if not one.found]


def known_faults(detector: Detector) -> tuple[Fault, ...]:
    """Return what a detector says of the known faults of its sections, in the order they came.

    Raises:
        JobError: the library is damaged.
    """
    path = detector.workspace.faults(detector.machine) / RECORD

    def read() -> list[tuple[KeptFault, np.ndarray]]:
        record = _library(detector.workspace, detector.machine)
        if record is None:
            return []
        known = record.asked(FaultsRequest).faults
        kept = [one for one in known if one.section in detector.sections]
        return [(one, read_sound(record.file(one.file))) for one in kept]

    sounds, _ = steady(read, lambda: stamp_of([path]))
    deciding, found = detector.calibrations, []
    for one, samples in sounds:
        sound = Recording(one.name, samples)
        ((said, outputs),) = detector.judged([sound], one.section, detector.pooling)
        limit = deciding[one.section].threshold(one.windows).value
        found.append(Fault(one.name, one.section, one.windows, said.score, limit, outputs))
    return tuple(found)


def library(workspace: Workspace, machine: str) -> tuple[KeptFault, ...]:
    """Return the known faults of a machine, in the order they came.

    Raises:
        JobError: the record is damaged.
    """
    record = _library(workspace, machine)
    return record.asked(FaultsRequest).faults if record is not None else ()


def _library(workspace: Workspace, machine: str) -> Record | None:
    restore(workspace.faults(machine))
    return read_if_there(workspace.faults(machine) / RECORD, FaultsRequest)


def listed_recording(workspace: Workspace, machine: str, name: str) -> tuple[Path, str | None]:
    """Return where a recording lies that a list names, by path or as the index and the page do.

    Its section comes with it where the index knows it.

    Raises:
        UsageError: there is none.
    """
    file, second = window_place(name)
    within = (Path(file), workspace.raw / machine / file, workspace.raw / file)
    found = next((path for path in within if path.is_file()), None)
    clips = []
    with suppress(UsageError):  # no index
        clips = read_index(workspace.index_path(machine))
    for clip in sorted(clips, key=lambda clip: clip.split != "test"):  # alarms are of test clips
        place = workspace.raw / clip.path
        if clip.usable and (place == found if found else file in (clip.recording, clip.path)):
            at = f"{place.name}#t={second:g}" if second is not None else place.name
            return place.with_name(at), clip.section
    if found is None:
        raise UsageError(f"{name}: no such recording here, in {workspace.raw} or in its index")
    return found if second is None else found.with_name(f"{found.name}#t={second:g}"), None


def learn_faults(
    detector: Detector, recordings: Sequence[Recording], section: str | None = None
) -> list[KeptFault]:
    """Add recordings of faults to the library of a machine, and return those that are new.

    Args:
        detector: of the machine; it loads them.
        recordings: whole.
        section: where they were heard; by default where each scores lowest.

    Raises:
        UsageError: one is normal sound by what was trained or enrolled.
        JobError: the library is damaged or cannot be written.
    """
    length, rate = detector.signal.length, detector.signal.sample_rate
    normal = set(detector.bank.clips.content)
    new: dict[str, tuple[KeptFault, np.ndarray]] = {}
    for recording in map(identified, recordings):
        starts = window_starts(len(recording.samples), length)
        contents = [content_digest(recording.digest, recording.start + s, length) for s in starts]
        if normal & set(contents):
            raise UsageError(
                f"{recording.name}: is among the normal clips of {detector.machine}; take it out of"
                " the training folder, or back with 'asd enroll --undo', before it is a fault"
            )
        ((said, _),) = detector.judged([recording], section or detector.section, detector.pooling)
        name = Path(recording.name).name
        kept = KeptFault(name=name, section=said.section, content=contents[0], windows=len(starts))
        deciding = round(said.start * rate)
        new[kept.content] = kept, _stretch(recording.samples, deciding, length, rate)
    with locked(_lock(detector.workspace, detector.machine)):
        known = library(detector.workspace, detector.machine)
        there = {one.content for one in known}
        added = [kept for content, (kept, _) in new.items() if content not in there]
        if added:
            sounds = {kept.file: samples for kept, samples in new.values()}
            _write(detector.workspace, detector.machine, (*known, *added), sounds, rate)
    detector.reload()
    return added


def forget_faults(workspace: Workspace, machine: str, contents: Iterable[str]) -> list[KeptFault]:
    """Take faults out of the library by what identifies them, and return those that were there.

    Raises:
        JobError: the library is damaged or cannot be written.
    """
    with locked(_lock(workspace, machine)):
        known, out = library(workspace, machine), set(contents)
        gone = [one for one in known if one.content in out]
        if gone:
            _write(workspace, machine, tuple(one for one in known if one not in gone), {}, 0)
    return gone


def _write(
    workspace: Workspace,
    machine: str,
    faults: tuple[KeptFault, ...],
    sounds: Mapping[str, np.ndarray],
    rate: int,
) -> None:
    """Put a new library in the place of the one there, at one moment."""
    folder = workspace.faults(machine)
    beside = folder.with_name(f".{folder.name}.part")
    try:
        with refusals(folder):
            shutil.rmtree(beside, ignore_errors=True)
            request = FaultsRequest(machine=machine, faults=faults)
            with making(beside / RECORD, request, "numpy") as made:
                for one in faults:
                    with made.file(one.file) as part:
                        if (folder / one.file).exists():
                            shutil.copyfile(folder / one.file, part)
                        else:
                            write_sound(part, sounds[one.file], rate)
            replace_folder(folder, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _stretch(samples: np.ndarray, deciding: int, length: int, rate: int) -> np.ndarray:
    """Return a recording (n,), or whole clips of a long one about that from ``deciding`` on."""
    most = max(1, int(_SECONDS * rate) // length)
    if len(samples) <= most * length:
        return samples
    before, after = deciding // length, (len(samples) - deciding) // length
    first = deciding - min(before, max(most // 2, most - after)) * length
    return samples[first : first + most * length]


def _lock(workspace: Workspace, machine: str) -> Path:
    return workspace.data / "faults" / f".{machine}.lock"

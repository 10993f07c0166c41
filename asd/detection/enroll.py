"""Enrolling normal recordings: detectors of a machine that know them, and no network is trained.

An enrolment is an artifact of its own, ``data/enrolled/<machine>/<NNNN>/``: one fitted detector for
each system that is scored, and a record. It is written beside and takes its place in one rename, so
that all systems have it or none; taking the last one back is one rename too. Banks and scores are
never touched: an enrolment names the scores that it was made from, and where they are made anew it
no longer counts.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from asd.artifact import (
    RECORD,
    Record,
    Request,
    begun_path,
    difference,
    lock_path,
    making,
    read_record,
    steady,
)
from asd.atomic import locked, refusals, sync, wait_for
from asd.clip_table import ClipTable, by_recording, content_digest, window_name
from asd.detection.recording import Recording, identified, window_starts, windows
from asd.detection.working_point import at_working_point
from asd.errors import AsdError, JobError, UsageError, unknown_name
from asd.progress import note
from asd.scoring.bank import Bank
from asd.scoring.scored import (
    FittedDetector,
    ScoresRequest,
    load_detector,
    make_detector,
    read_detector,
    read_scores_record,
    write_scored,
)
from asd.scoring.system import JOINED, Outputs
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.detection.embedder import Ensemble
    from asd.training.artifact import ModelRequest


class EnrolmentRequest(Request):
    """Everything that decides an enrolment.

    Attributes:
        machine: the machine type.
        section, domain: of the recordings.
        recordings: the SHA-256 of each.
        before: the digest of the enrolment before; ``""`` for the first.
        scores: by system, the digest of the scores whose detector was enlarged.
    """

    kind: ClassVar[str] = "enrolment"
    verb: ClassVar[str] = "enroll"

    machine: str
    section: str
    domain: str
    recordings: tuple[str, ...]
    before: str
    scores: dict[str, str]


@dataclass(frozen=True)
class Enrolled:
    """What enrolling did to the clips that the detectors over one model know.

    Attributes:
        model: the model.
        version: the number of the enrolment.
        section: the section that the clips joined.
        added: the names of the clips that are new.
        clips: how many clips there are now.
        thresholds: of each system over this model alone, the section's threshold before and after,
            for recordings of one window; those of several windows move with it.
    """

    model: str
    version: int
    section: str
    added: tuple[str, ...]
    clips: int
    thresholds: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Version:
    """One state of the clips that the detectors over a model know.

    Attributes:
        number: 0 for what was scored.
        clips: how many clips there are.
        added: the names of the clips that are more than in the one before.
    """

    number: int
    clips: int
    added: tuple[str, ...]


def current_detector(workspace: Workspace, machine: str, system: str) -> FittedDetector:
    """Return a system's detector of a machine, with what was enrolled since it was scored.

    Raises:
        UsageError: the system is not scored, or not as the params say now.
        JobError: the detector is damaged.
    """
    path = workspace.score_record(system, machine)
    verb = f"asd score --machine {machine} --system {system}"
    if not path.exists() and begun_path(path).exists():
        wait_for(lock_path(path))  # a run is making it anew
    if not path.exists():
        hint = workspace.made_earlier or f"run '{verb}' first"
        raise UsageError(f"{path}: no detector yet; {hint}")
    record = read_scores_record(path)
    asked = record.asked(ScoresRequest)
    params = workspace.params
    now = asked.model_copy(
        update={
            "members": params.members(system, machine),
            "join": params.join(system),
            "rule": params.score,
        }
    )
    if now != asked:
        changed = difference(asked.to_json(), now.to_json())
        raise UsageError(f"{path}: scored with other settings ({changed}); run '{verb}'")
    last = last_enrolment(workspace, machine)
    if last is not None and last.request["scores"].get(system) == record.digest:
        return load_detector(last.file(f"{system}.h5"))
    if any(workspace.enrolled(machine).glob("[0-9]*")):
        note(
            f"{machine}: scored anew since recordings were enrolled; enroll them again, or put"
            f" them into {workspace.raw / machine}; 'asd enroll --undo' forgets them"
        )
    return read_detector(record)


def choose_section(sections: Sequence[str], section: str | None) -> str:
    """Return the section to enroll in: the given one, or the only one there is.

    Raises:
        UsageError: there is no such section, or none is given and there are several.
    """
    if section is None and len(sections) > 1:
        raise UsageError(
            f"the bank has sections {', '.join(sections)}: say which one with --section"
        )
    if section is not None and section not in sections:
        raise unknown_name("section", section, sections)
    return section or sections[0]


class Enrolment:
    """The detectors and models of a machine, loaded to enroll recordings.

    Args:
        workspace: the workspace.
        machine: the machine type.

    Attributes:
        detectors: by system, what is scored of the machine.
        signal: the form of the clips.

    Raises:
        UsageError: nothing is scored yet.
        JobError: a detector or a model is damaged.
    """

    def __init__(self, workspace: Workspace, machine: str) -> None:
        self.workspace, self.machine = workspace, machine
        self._load()

    def _load(self) -> None:
        from asd.detection.embedder import load_ensemble

        space, machine = self.workspace, self.machine

        def read() -> tuple[dict[str, FittedDetector], Ensemble]:
            systems = _scored(space, machine)
            detectors = {system: current_detector(space, machine, system) for system in systems}
            if not detectors:
                raise _nothing_scored(space, machine)
            return detectors, load_ensemble(space, *detectors.values())

        found, self._known = steady(read, lambda: _state(space, machine))
        self.detectors, self._ensemble = found
        self.signal = self._ensemble.signal

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that can be enrolled in."""
        return next(iter(self.detectors.values())).fitted.sections

    @property
    def deciding(self) -> FittedDetector:
        """The detector of the system that decides where none is named."""
        with suppress(UsageError):  # nothing to choose by
            name = self.workspace.params.default_system()
            if name in self.detectors:
                return at_working_point(self.workspace, self.detectors[name])
        return next(reversed(self.detectors.values()))

    def enroll(
        self,
        recordings: Sequence[Recording],
        section: str,
        domain: str = "",
        force: bool = False,
    ) -> list[Enrolled]:
        """Add normal recordings to the detectors, all of them or none.

        Long recordings are cut into clips, as the index does it; one clip is cut or looped. A clip
        whose content is in the section already adds nothing.

        Args:
            recordings: normal sound of the section, whole.
            section: which one.
            domain: ``"source"``, ``"target"``, or ``""`` where unknown, which counts as source.
            force: also what sounds anomalous now.

        Raises:
            JobError: a recording sounds anomalous, or the enrolment cannot be written; everything
                is then as it was.
        """
        # Who names a recording twice means it once.
        known = {(one.digest, one.start): one for one in map(identified, recordings)}
        recordings = list(known.values())
        with ExitStack() as stack:
            stack.enter_context(locked(_lock(self.workspace, self.machine)))
            for system in self.detectors:  # none is scored anew before they all are enlarged
                record = self.workspace.score_record(system, self.machine)
                stack.enter_context(locked(lock_path(record), fleeting=True))
            if _state(self.workspace, self.machine) != self._known:  # another run was here
                self._load()
            clips, waves = self._clips(recordings, section, domain)
            outputs = self._ensemble.outputs(self._ensemble.features(waves))
            if not force:
                self._refuse_alarms(recordings, clips, outputs, section)
            before = self.detectors
            made = {name: self._enlarged(one, clips, outputs) for name, one in before.items()}
            number = len(_folders(self.workspace, self.machine))
            if any(one is not before[name] for name, one in made.items()):
                number += 1
                self._write(number, made, recordings, section, domain)
                self._known, self.detectors = _state(self.workspace, self.machine), made
            return _account(number, before, made, section)

    def _refuse_alarms(
        self,
        recordings: Sequence[Recording],
        clips: ClipTable,
        outputs: Outputs,
        section: str,
    ) -> None:
        """Stop where a recording is above the threshold: who is wrong of it goes deaf to a fault.

        Raises:
            JobError: a line for each such recording.
        """
        detector = self.deciding
        scores = detector.fitted.score(outputs, [section] * len(clips))
        join = JOINED[detector.rule.windows]
        lines = []
        for recording, rows in zip(recordings, by_recording(clips), strict=True):
            score = float(join(scores[rows]))
            limit = detector.deciding[section].threshold(len(rows)).value
            if score > limit:
                lines.append(
                    f"{recording.name}: sounds anomalous (score {score:.4f}, threshold {limit:.4f}"
                    f" of system {detector.system}), so nothing is enrolled; --force enrolls it"
                )
        if lines:
            raise JobError("\n".join(lines))

    def _clips(
        self, recordings: Sequence[Recording], section: str, domain: str
    ) -> tuple[ClipTable, np.ndarray]:
        """Return the clips of recordings, and their samples (n, L) int16."""
        length, rate = self.signal.length, self.signal.sample_rate
        taken: _Taken = {}
        for detector in self.detectors.values():
            bank = detector.fitted.bank.clips
            for name, of, content in zip(bank.recording, bank.section, bank.content, strict=True):
                taken.setdefault(name, (of, content))
        rows = []
        for recording in recordings:
            content = content_digest(recording.digest, recording.start, length)
            own = _name(recording, section, content, taken)
            starts = window_starts(len(recording.samples), length)
            for start in starts:
                begin = recording.start + start
                row: dict[str, object] = {
                    "name": window_name(own, start / rate) if len(starts) > 1 else own,
                    "recording": own,
                    "start": begin,
                    "content": content_digest(recording.digest, begin, length),
                }
                same = {"section": section, "split": "train", "domain": domain, "label": "normal"}
                rows.append(row | same)
        table = ClipTable.of_columns({key: [row[key] for row in rows] for key in rows[0]})
        return table, np.concatenate([windows(one.samples, length) for one in recordings])

    def _enlarged(
        self, detector: FittedDetector, clips: ClipTable, outputs: Outputs
    ) -> FittedDetector:
        """Return a detector that knows the clips that are new to it."""
        bank = detector.fitted.bank
        there = set(zip(bank.clips.section, bank.clips.content, strict=True))
        new = []
        for row, key in enumerate(zip(clips.section, clips.content, strict=True)):
            if key not in there:
                there.add(key)
                new.append(row)
        if not new:
            return detector
        known, section = self._ensemble.embedders, clips.section[0]
        banks = {
            model: _joined(
                bank,
                clips.only(np.array(new)),
                {name: values[new] for name, values in outputs[model].items()},
                _class_of(known[model].trained.request, section),
            )
            for model, bank in detector.fitted.banks.items()
        }
        return make_detector(
            detector.system,
            detector.machine,
            detector.definition,
            detector.fitted.join,
            detector.rule,
            banks,
            detector.models,
        )

    def _write(
        self,
        number: int,
        made: Mapping[str, FittedDetector],
        recordings: Sequence[Recording],
        section: str,
        domain: str,
    ) -> None:
        folder = self.workspace.enrolled(self.machine) / f"{number:04d}"
        beside = folder.with_name(f".{folder.name}.part")
        last = last_enrolment(self.workspace, self.machine)
        request = EnrolmentRequest(
            machine=self.machine,
            section=section,
            domain=domain,
            recordings=tuple(recording.digest for recording in recordings),
            before=last.digest if last is not None else "",
            scores={
                system: record.digest
                for system, record in _scored(self.workspace, self.machine).items()
            },
        )
        try:
            with refusals(folder):
                shutil.rmtree(beside, ignore_errors=True)
                with making(beside / RECORD, request, "numpy", "torch") as writing:
                    for system, detector in made.items():
                        write_scored(writing, None, detector, system)
                    writing.facts = {"models": _learned(self.detectors, made)}
                sync(beside)
                _remove_from(self.workspace, self.machine, number)
                beside.rename(folder)
                sync(folder.parent)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _account(
    number: int,
    before: Mapping[str, FittedDetector],
    made: Mapping[str, FittedDetector],
    section: str,
) -> list[Enrolled]:
    found = []
    for model, facts in _learned(before, made).items():
        thresholds = {
            system: (
                before[system].deciding[section].threshold().value,
                detector.deciding[section].threshold().value,
            )
            for system, detector in made.items()
            if set(detector.models) == {model}
        }
        added = tuple(facts["added"])
        found.append(Enrolled(model, number, section, added, facts["clips"], thresholds))
    return found


def _learned(
    before: Mapping[str, FittedDetector], made: Mapping[str, FittedDetector]
) -> dict[str, dict[str, Any]]:
    """Return, by model, how many clips are known now and which are new."""
    found: dict[str, dict[str, Any]] = {}
    for system, detector in made.items():
        names, known = detector.fitted.bank.clips.name, len(before[system].fitted.bank)
        for model in detector.models:
            found.setdefault(model, {"clips": len(names), "added": list(names[known:])})
    return found


def versions(workspace: Workspace, machine: str) -> dict[str, list[Version]]:
    """Return the versions of the clips that detectors know, by model, the current one last.

    Raises:
        UsageError: nothing is scored yet.
        JobError: a record is damaged.
    """
    return steady(lambda: _versions(workspace, machine), lambda: _state(workspace, machine))[0]


def _versions(workspace: Workspace, machine: str) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    for record in _scored(workspace, machine).values():
        detector = read_detector(record)
        for model in detector.models:
            found.setdefault(model, [Version(0, len(detector.fitted.bank), ())])
    if not found:
        raise _nothing_scored(workspace, machine)
    for number, folder in enumerate(_folders(workspace, machine), start=1):
        record = read_record(folder / RECORD, EnrolmentRequest)
        for model, facts in record.facts["models"].items():
            version = Version(number, facts["clips"], tuple(facts["added"]))
            found.setdefault(model, []).append(version)
    return found


def undo(workspace: Workspace, machine: str) -> dict[str, Version]:
    """Take the last enrolment back, and return what it had added, by model; nothing if none.

    Where none counts any more, what is left of them is removed.

    Raises:
        JobError: it cannot be removed.
    """
    with locked(_lock(workspace, machine)):
        folders = _folders(workspace, machine)
        if not folders:
            _remove_from(workspace, machine, 1)
            return {}
        last = folders[-1]
        models: dict[str, Any]
        try:
            models = read_record(last / RECORD, EnrolmentRequest).facts["models"]
        except AsdError:
            # A damaged one is taken back like any other; what it had added is not known.
            members = [
                member
                for record in _scored(workspace, machine).values()
                for member in record.facts["members"]
            ]
            models = {one["model"]: {"clips": 0, "added": ()} for one in members}
        gone = last.with_name(f".{last.name}.part")
        with refusals(last):
            shutil.rmtree(gone, ignore_errors=True)
            last.rename(gone)
            sync(last.parent)
        shutil.rmtree(gone, ignore_errors=True)
    return {
        model: Version(len(folders), facts["clips"], tuple(facts["added"]))
        for model, facts in models.items()
    }


def _lock(workspace: Workspace, machine: str) -> Path:
    return workspace.enrolled(machine) / ".lock"


def _state(workspace: Workspace, machine: str) -> tuple[str, ...]:
    """Return the digests of the enrolments of a machine, and of its scores."""
    records = sorted(workspace.enrolled(machine).glob(f"[0-9]*/{RECORD}"))
    records += [workspace.score_record(system, machine) for system in workspace.systems()]
    found = []
    for path in records:
        try:
            found.append(read_record(path).digest)
        except AsdError:
            found.append("")  # damaged: loading it says so
    return tuple(found)


def _remove_from(workspace: Workspace, machine: str, number: int) -> None:
    """Remove enrolments of this number and above, which are of scores that are made anew."""
    for void in workspace.enrolled(machine).glob("[0-9]*"):
        if int(void.name) >= number:
            with refusals(void):
                shutil.rmtree(void)


def _scored(workspace: Workspace, machine: str) -> dict[str, Record]:
    """Return the records of what is scored of a machine, by system."""
    paths = {system: workspace.score_record(system, machine) for system in workspace.systems()}
    return {system: read_scores_record(path) for system, path in paths.items() if path.exists()}


def _nothing_scored(workspace: Workspace, machine: str) -> UsageError:
    hint = workspace.made_earlier or "run 'asd score' first"
    return UsageError(f"{machine}: nothing is scored yet, so there is no detector; {hint}")


def _folders(workspace: Workspace, machine: str) -> list[Path]:
    """Return the folders of the enrolments that still count, the first one first.

    One whose scores were all made anew does not, nor does any other then; what does not count is
    removed with the next enrolment that is written.
    """
    folder = workspace.enrolled(machine)
    found = sorted(path for path in folder.glob("[0-9]*") if path.is_dir())
    if not found:
        return []
    try:
        scores = read_record(found[-1] / RECORD, EnrolmentRequest).request["scores"]
    except AsdError:
        return found
    for system, digest in scores.items():
        path = workspace.score_record(system, machine)
        if path.exists() and read_scores_record(path).digest == digest:
            return found
    return []


def last_enrolment(workspace: Workspace, machine: str) -> Record | None:
    """Return the record of the last enrolment that counts; None where there is none."""
    folders = _folders(workspace, machine)
    return read_record(folders[-1] / RECORD, EnrolmentRequest) if folders else None


def _joined(bank: Bank, clips: ClipTable, outputs: Mapping[str, np.ndarray], number: int) -> Bank:
    """Return a bank with clips added at its end; ``number`` is their class."""
    # No model has learned from what is enrolled.
    given = {**outputs, "held_out": np.ones(len(clips), np.float32)}
    return Bank(
        ClipTable.joined([bank.clips, clips]),
        np.concatenate([bank.classes, np.full(len(clips), number, np.int32)]),
        {name: np.concatenate([values, given[name]]) for name, values in bank.arrays.items()},
    )


_Taken = dict[str, tuple[str, str]]  # by recording, the section and content of its first clip


def _name(recording: Recording, section: str, content: str, taken: _Taken) -> str:
    """Name a recording by its file, and apart from all others; where it is known, as it is."""
    file = Path(recording.name)
    own = section, content
    folder = f"{file.parent.name}_{file.name}" if file.parent.name else file.name
    names = (file.name, folder, f"{file.stem}_{recording.digest[:8]}{file.suffix}")
    name = next((one for one in names if taken.get(one, own) == own), names[-1])
    taken[name] = own
    return name


def _class_of(request: ModelRequest, section: str) -> int:
    """Return the primary class of a clip whose section is all that is known of it."""
    if request.task == "sections":
        return request.classes.index(section)
    # A clip as it is, among the transformations of clips; its operating state is not known.
    return 0 if request.task == "transformations" else -1

"""What scoring a machine writes: a table of scores and decisions, and the detector that made them.

One artifact a system and machine: ``<machine>.csv`` is the table that evaluation, plots and report
read, ``<machine>.h5`` the fitted detector that ``predict``, ``explain`` and ``enroll`` load, and
``<machine>.json`` the record of both, which also has the thresholds.

A detector is self-contained: the training clips with what its scorers read of them, what each
scorer fitted to each section, the training clips' scores, and the rule that decides. Loading it
fits nothing anew, and it scores bit for bit as it did when it was written.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationError

from asd.artifact import Making, Record, Request, read_record
from asd.clip_table import ClipTable
from asd.config import EmbedConfig, ScoreConfig, SystemConfig, settings
from asd.digest import canonical_json
from asd.errors import AsdError, JobError, one_line
from asd.hdf5 import UNREADABLE, read_arrays, write_arrays
from asd.scoring.bank import Bank
from asd.scoring.calibration import Calibration, calibrations
from asd.scoring.state import Arrays, packed, unpacked
from asd.scoring.system import (
    Fits,
    FittedSystem,
    Join,
    Kept,
    Member,
    Scale,
    SystemScores,
    build_members,
    fit_system,
)
from asd.scoring.thresholds import Threshold, dumped, loaded

VERSION = 3  # raised whenever the same request would give other scores
COLUMNS = ("section", "name", "content", "windows", "score", "threshold", "anomalous")
_UNREADABLE = (*UNREADABLE, AttributeError, RecursionError, ValidationError, AsdError)


class ScoresRequest(Request):
    """Everything that decides the scores of a system on a machine.

    Attributes:
        version: of scoring.
        system, machine: what is scored.
        members: what the system is made of; ``()`` where that is to be selected.
        join: how several members are joined.
        rule: how scores become decisions.
        banks: by model, the digests of the machine's banks.
        select: what members are selected from; None where they are given.
        strangers: by model and machine, the digests of the banks of other machines that a
            selection looks at.
        plugins: by name, whose the scorers and the criterion are, if they are not of this package.
    """

    kind: ClassVar[str] = "scores"
    verb: ClassVar[str] = "score"

    version: int = VERSION
    system: str
    machine: str
    members: tuple[SystemConfig, ...]
    join: Literal["mean", "max"]
    rule: ScoreConfig
    banks: dict[str, str]
    select: dict[str, Any] | None = None
    strangers: dict[str, dict[str, str]] = Field({})
    plugins: dict[str, str] = Field({})


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """The scores of a machine's N test recordings.

    Attributes:
        section, name: (N,) what was scored.
        content: (N,) the SHA-256 of each recording.
        windows: (N,) int64, of how many windows each score is made.
        score: (N,) float64, higher for more anomalous.
        threshold: (N,) float64, what a score is compared with; infinite where nothing alarms.
        anomalous: (N,) bool, whether it is above.
    """

    section: tuple[str, ...]
    name: tuple[str, ...]
    content: tuple[str, ...]
    windows: np.ndarray
    score: np.ndarray
    threshold: np.ndarray
    anomalous: np.ndarray

    def __len__(self) -> int:
        return len(self.name)

    @classmethod
    def of(cls, scores: SystemScores, deciding: Mapping[str, Calibration]) -> ScoreTable:
        """Return the table of what a system says, with its decisions by section.

        Raises:
            JobError: a score is not finite, or two recordings of a section share a name.
        """
        clips = scores.clips
        finite = np.isfinite(scores.scores)
        if not finite.all():
            name = clips.recording[int(np.argmin(finite))]
            raise JobError(f"the score of '{name}' is not finite; train the model again")
        for (_, name), count in Counter(zip(clips.section, clips.recording, strict=True)).items():
            if count > 1:
                raise JobError(f"clip '{name}' comes twice; clips of a section need own names")
        counts = zip(clips.section, scores.windows.tolist(), strict=True)
        limits = [deciding[section].threshold(windows).value for section, windows in counts]
        threshold = np.array(limits, np.float64)
        return cls(
            clips.section,
            clips.recording,
            clips.content,
            scores.windows,
            scores.scores,
            threshold,
            scores.scores > threshold,
        )

    def rows(self) -> list[int]:
        """Return the numbers of the rows by section and name."""
        return sorted(range(len(self)), key=lambda row: (self.section[row], self.name[row]))


@dataclass(frozen=True)
class MadeBy:
    """What gave the outputs of clips: the digest of a model, and how it was run over them."""

    digest: str
    embed: EmbedConfig


@dataclass(frozen=True, eq=False)
class FittedDetector:
    """A system fitted to a machine, with what decides.

    Attributes:
        system, machine: which.
        definition: what its members are.
        models: by model, what made the outputs that it compares.
        fitted: the members, fitted.
        rule: how scores become decisions.
        deciding: by section, what decides.
    """

    system: str
    machine: str
    definition: tuple[SystemConfig, ...]
    models: Mapping[str, MadeBy]
    fitted: FittedSystem
    rule: ScoreConfig
    deciding: Mapping[str, Calibration]


def make_detector(
    system: str,
    machine: str,
    definition: Sequence[SystemConfig],
    join: Join,
    rule: ScoreConfig,
    banks: Mapping[str, Bank],
    models: Mapping[str, MadeBy],
    fits: Fits | None = None,
) -> FittedDetector:
    """Fit a system to the banks of a machine: the one place where that is done.

    Args:
        system, machine: which.
        definition: what its members are.
        join: how several are joined.
        rule: how scores become decisions.
        banks: by model, the bank of training clips.
        models: by model, what made it.
        fits: what other systems over the same banks have fitted; what is fitted now is added.

    Raises:
        UsageError: a bank lacks an array that a scorer reads.
        JobError: the banks hold different clips.
    """
    members = build_members(system, definition)
    lean = {model: _lean(bank, model, members) for model, bank in banks.items()}
    fitted = fit_system(members, lean, join, fits)
    deciding = calibrations(fitted, rule)
    return FittedDetector(system, machine, tuple(definition), dict(models), fitted, rule, deciding)


def write_scored(
    made: Making, table: ScoreTable | None, detector: FittedDetector, name: str
) -> None:
    """Write a table of scores, a detector, and the thresholds into an artifact.

    Args:
        made: the artifact.
        table: the scores; None for a detector alone.
        detector: what made them.
        name: of the files, without suffix.
    """
    counts = {section: {1} for section in detector.deciding}
    if table is not None:
        made.text(f"{name}.csv", _csv(table))
        for section, windows in zip(table.section, table.windows.tolist(), strict=True):
            counts[section].add(windows)
    thresholds = {
        section: {
            str(windows): dumped(detector.deciding[section].threshold(windows))
            for windows in sorted(of_section)
        }
        for section, of_section in counts.items()
    }
    with made.file(f"{name}.h5") as beside:
        write_arrays(beside, _arrays_of(detector, thresholds))
    made.facts["thresholds"] = thresholds
    made.facts["members"] = [one.model_dump(mode="json") for one in detector.definition]


def read_scores_record(path: Path) -> Record:
    """Read the record of scores; see :func:`asd.artifact.read_record` for the errors."""
    return read_record(path, ScoresRequest)


def read_thresholds(record: Record) -> dict[str, dict[int, Threshold]]:
    """Return the thresholds by section and by windows, those of one window first.

    Raises:
        JobError: the record does not hold them.
    """
    try:
        return {
            section: dict(sorted((int(n), loaded(one)) for n, one in of_section.items()))
            for section, of_section in record.facts["thresholds"].items()
        }
    except _UNREADABLE as error:
        raise _damaged(record.path, error) from None


def read_table(record: Record) -> ScoreTable:
    """Read the scores that a record vouches for.

    Raises:
        JobError: the table is missing or is not what was written.

    Example:
        >>> table = read_table(read_scores_record(Path("data/scores/cosine/pump.json")))
        >>> table.section[0], table.name[0], bool(table.score[0] > table.threshold[0])
        ('00', '00_09.wav', False)
        >>> table.anomalous[:4].tolist()
        [False, False, True, True]
    """
    path = record.file(f"{record.path.stem}.csv")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
        if tuple(header) != COLUMNS:
            raise ValueError("other columns")
        columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
        section, name, content, windows, score, threshold, anomalous = columns
        return ScoreTable(
            section,
            name,
            content,
            np.array(windows, dtype=np.int64),
            np.array(score, dtype=np.float64),
            np.array(threshold, dtype=np.float64),
            np.array(anomalous, dtype=np.int64) != 0,
        )
    except (*_UNREADABLE, csv.Error) as error:
        raise _damaged(path, error) from None


def read_detector(record: Record) -> FittedDetector:
    """Read the detector that a record vouches for; nothing is fitted anew.

    Raises:
        JobError: it is missing, or is not what was written.
    """
    return load_detector(record.file(f"{record.path.stem}.h5"))


def load_detector(path: Path) -> FittedDetector:
    """Read a detector from its file, whose bytes somebody else has vouched for.

    Raises:
        JobError: it is no detector.
    """
    try:
        return _detector_of(read_arrays(path))
    except _UNREADABLE as error:
        raise _damaged(path, error) from None


def _arrays_of(detector: FittedDetector, thresholds: Mapping[str, Any]) -> dict[str, np.ndarray]:
    arrays = Arrays()
    fitted = detector.fitted
    content = {
        "system": detector.system,
        "machine": detector.machine,
        "definition": [one.model_dump(mode="json") for one in detector.definition],
        "join": fitted.join,
        "rule": detector.rule.model_dump(mode="json"),
        "models": {model: packed(made_by, arrays) for model, made_by in detector.models.items()},
        "banks": {
            model: {name: arrays.put(values) for name, values in bank.arrays.items()}
            for model, bank in fitted.banks.items()
        },
        "classes": {model: arrays.put(bank.classes) for model, bank in fitted.banks.items()},
        "fitted": [
            {section: packed(model, arrays) for section, model in one.models.items()}
            if one.scorer.Fitted is not None
            else {}
            for one in fitted.fitted
        ],
        "own": [arrays.put(scores) for scores in fitted.own],
        "scales": [
            {section: packed(scale, arrays) for section, scale in of.items()}
            for of in fitted.scales
        ],
        "thresholds": thresholds,
    }
    header = np.frombuffer(canonical_json(content).encode(), np.uint8)
    own = {f"array.{name}": values for name, values in arrays.items()}
    return {"content": header, "clips": fitted.bank.clips.rows, **own}


def _detector_of(arrays: dict[str, np.ndarray]) -> FittedDetector:
    content = json.loads(arrays["content"].tobytes())
    clips = ClipTable(arrays["clips"])
    own = {name.removeprefix("array."): values for name, values in arrays.items()}
    banks = {
        model: Bank(
            clips, own[content["classes"][model]], {name: own[key] for name, key in of.items()}
        )
        for model, of in content["banks"].items()
    }
    definition = tuple(settings(SystemConfig, one, "members") for one in content["definition"])
    members = build_members(content["system"], definition)
    kept = Kept(
        tuple(
            {section: unpacked(member.scorer.Fitted, one, own) for section, one in of.items()}
            for member, of in zip(members, content["fitted"], strict=True)
        ),
        tuple(own[key] for key in content["own"]),
        tuple(
            {section: unpacked(Scale, one, own) for section, one in of.items()}
            for of in content["scales"]
        ),
    )
    fitted = fit_system(members, banks, content["join"], kept=kept)
    rule = settings(ScoreConfig, content["rule"], "rule")
    deciding = calibrations(fitted, rule)
    for section, of_section in content["thresholds"].items():
        deciding[section].known.update({int(n): loaded(one) for n, one in of_section.items()})
    return FittedDetector(
        content["system"],
        content["machine"],
        definition,
        {model: unpacked(MadeBy, one, own) for model, one in content["models"].items()},
        fitted,
        rule,
        deciding,
    )


def _lean(bank: Bank, model: str, members: Sequence[Member]) -> Bank:
    """Return a bank with what members read of it, and what tells the nearest clip."""
    wanted = {"embedding", "held_out"}
    for member in members:
        if member.model == model:
            wanted |= {*member.scorer.needs, member.embedding}
    return bank.with_arrays({name: v for name, v in bank.arrays.items() if name in wanted})


def _csv(table: ScoreTable) -> str:
    """Return it as CSV; numbers have the shortest digits that read back equal."""
    numbers = (table.windows, table.score, table.threshold, table.anomalous.astype(int))
    texts = (table.section, table.name, table.content)
    rows = list(zip(*texts, *(column.tolist() for column in numbers), strict=True))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *(rows[i] for i in table.rows())])
    return text.getvalue()


def _damaged(path: Path, error: Exception) -> JobError:
    return JobError(f"{path}: not readable ({one_line(error)}); delete it and run 'asd score'")

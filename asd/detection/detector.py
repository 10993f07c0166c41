"""The detector: waves or recordings in, anomaly scores and decisions out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asd.artifact import RECORD, stamp_of, steady
from asd.clips.audio import Limits
from asd.clips.likeness import Remark, TrainingRange, remarks
from asd.clips.names import section_told
from asd.clips.record import Clip, read_index
from asd.detection.embedder import LEAST_BATCH, load_ensemble
from asd.detection.enroll import Enrolled, Enrolment, choose_section, current_detector
from asd.detection.export import SOUNDS, chosen
from asd.detection.recording import Recording, expand, recordings_of, window_starts, windows
from asd.detection.working_point import at_working_point
from asd.errors import AsdError, UsageError, unknown_name
from asd.progress import note
from asd.scoring.system import JOINED, Outputs, Pooling, rows_of
from asd.scoring.thresholds import Threshold
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.detection.embedder import Ensemble
    from asd.detection.explanation import Explanation
    from asd.detection.feedback import Fault, FaultSpace
    from asd.detection.reason import NormalLevels
    from asd.scoring.scored import FittedDetector

_TELLING = 3.0
"""Deviations of normal clips from which on the level of a band and moment is a reason."""


@dataclass(frozen=True)
class Prediction:
    """What is found of one recording.

    Attributes:
        name: the recording's path, or its number among the waves.
        section: the section that it was scored against.
        score: the anomaly score, higher for more anomalous sound.
        threshold: scores above it are anomalous; from the section's training clips, for recordings
            of so many windows.
        p_value: the share of normal recordings of so many windows with such a score or a higher
            one, in (0, 1]: of one window the conformal p-value among the section's training clips.
        anomalous: whether the score is above the threshold.
        nearest: the name of the nearest training clip; ``""`` where clips are not compared.
        windows: how many clips the recording was cut into.
        start: where the window with the highest score begins, in seconds.
        members: of a system of several, what each says of that window, the highest first: by its
            name, deviations from the mean of the training clips.
        gain: the decibels by which views of the level brought that window into the range of the
            training clips; 0 within it, and of systems that compare levels as they are.
        level: words about it where no training clip needed as much, else ``""``.
        fault: the known fault that this window is nearer to than to any training clip; ``""``
            where there is none (see :mod:`asd.detection.feedback`).
        reason: of an anomalous recording, in which bands and when this window is unlike normal
            ones; ``""`` where that does not tell, or no training clip is left to compare it with.
        least_p: the least p-value that so many training clips can tell of.
        remarks: what is unlike all training recordings in a way that is not the machine (see
            :mod:`asd.clips.likeness`).
    """

    name: str
    section: str
    score: float
    threshold: float
    p_value: float
    anomalous: bool
    nearest: str
    windows: int
    start: float
    members: dict[str, float] = field(default_factory=dict)
    gain: float = 0.0
    level: str = ""
    fault: str = ""
    reason: str = ""
    least_p: float = 0.0
    remarks: tuple[Remark, ...] = ()


class Detector:
    """A system on one machine, loaded once and kept warm.

    The conventions are those of outlier detectors, with the sign of PyOD: **higher is more
    anomalous** everywhere, and :meth:`predict` gives **1 for anomalous and 0 for normal** (not -1
    and 1). :meth:`score` gives the anomaly scores; :meth:`decision_function` gives them less the
    threshold, so that 0 is the boundary.

    Waves are int16, or float with full scale 1, at the model's rate (``detector.signal``): an array
    (n, L), or a list of waves of any lengths, of pairs (wave, rate), or of paths of recordings,
    which are brought to that rate. What is longer than a clip is cut into consecutive clips, to its
    end, and gets the highest score of them, or their mean (``pooling``; by default what
    ``score.windows`` of the params says); what is shorter is looped, as in the index. The
    false-alarm rate of the params is that of a recording, whatever its length: the highest of many
    scores has a higher threshold than one (see
    :meth:`asd.scoring.calibration.Calibration.threshold`); :attr:`thresholds` has those of one.

    The section (which unit of a machine type) may be given. If it is not and the bank has several,
    the recording is scored against each and gets the smallest score, with that section. A machine
    that has become unlike itself but like another unit is then missed: give the section if you know
    it, as the challenge does.

    A score is, bit for bit, the one that ``asd score`` writes for the same clip on the same device.
    Each method reads and scores what it is given; :meth:`predictions` gives all there is at once.

    A detector is pickled and copied whole, but for checkpoints of pre-trained models, and is an
    estimator of scikit-learn as far as it can be: it has parameters, is cloned, and is the last
    step of a pipeline over waves; it cannot be fitted (:meth:`fit` says what to do).

    Example:
        >>> from pathlib import Path
        >>> from asd.clips.audio import read_clip
        >>> detector = Detector.load(".", "pump")
        >>> folder = Path("raw/pump/id_00")
        >>> paths = [folder / "train/00_01.wav", folder / "test/anomaly/00_11.wav"]
        >>> waves = np.stack([read_clip(path, detector.signal) for path in paths])  # (n, L) int16
        >>> detector.predict(waves, section="00")
        array([0, 1])
        >>> (detector.decision_function(waves, section="00") > 0).tolist()  # above 0: anomalous
        [False, True]
        >>> detector.p_values(waves, section="00")[1], detector.nearest(waves, section="00")[0]
        (np.float64(0.1), '00_01.wav')
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | Workspace,
        machine: str | None = None,
        system: str | None = None,
        section: str | None = None,
        pooling: Pooling | None = None,
    ) -> None:
        """Load a system of a workspace as it was scored, with what was enrolled since.

        Its params, the models and the detector are read; neither banks nor the store.

        Args:
            folder: the workspace, in which ``pipeline/params.yaml`` and ``data`` lie; or a file
                that ``asd export`` wrote.
            machine: the machine type; by default the only one.
            system: a system of the params; by default ``selected`` where there is one, else the
                last one with the scorer ``cosine``, or else the only one.
            section: the section of all that is scored, where a method is given none.
            pooling: how the clips of a long recording make one score; by default as in the params.

        Raises:
            UsageError: no such workspace, machine or system, or a stage has not been run.
            JobError: an artifact is damaged, or was made by another model.
        """
        self._given: dict[str, Any] = {
            "folder": folder,
            "machine": machine,
            "system": system,
            "section": section,
            "pooling": pooling,
        }
        self._file = None if isinstance(folder, Workspace) else _file(folder)
        if self._file is None:
            self.workspace = folder if isinstance(folder, Workspace) else Workspace.at(folder)
            self.machine = self.workspace.machine(machine)
            self.system = self.workspace.params.default_system(system)
        (fitted, self.embedder), self._loaded = steady(self._read, self.stamp)
        index = self.workspace.params.index
        self.section = section
        self.bank, self.fitted = fitted.fitted.bank, fitted.fitted
        self.models = {model: made_by.digest for model, made_by in fitted.models.items()}
        self.signal = self.embedder.signal
        self.limits = Limits(index.max_seconds, index.max_channels)
        self.pooling: Pooling = pooling or fitted.rule.windows
        self.calibrations = fitted.deciding
        systems = self.workspace.params.systems
        self._member_names = [
            next(
                (name for name, known in systems.items() if known == one),
                f"{one.model}/{one.embedding}/{one.scorer}",
            )
            for one in fitted.definition
        ]
        self._normal_levels: dict[str, NormalLevels | None] = {}
        self.thresholds: dict[str, Threshold] = {
            section: one.threshold() for section, one in self.calibrations.items()
        }

    def __repr__(self) -> str:
        where = self._file or self.workspace.root
        return f"Detector({str(where)!r}, {self.machine!r}, {self.system!r})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        if self._file is not None and self._file.is_file():  # unpacked by another process
            self.workspace, _, _ = chosen(self._file, self.machine, self.system)
            self.__dict__.pop("kept_sounds", None)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str] | Workspace,
        machine: str | None = None,
        system: str | None = None,
    ) -> Detector:
        """Load a system of a workspace: ``Detector(folder, machine, system)``, where it is read."""
        return cls(folder, machine, system)

    def reload(self) -> None:
        """Take up what was scored, enrolled or learned of faults since; if that fails, nothing.

        Raises:
            UsageError, JobError: as of a new detector.
        """
        fresh = type(self)(**self._given)
        if "faults" in self.__dict__:  # a library that is damaged is met here, and not later
            _ = fresh.faults
        self.__dict__ = fresh.__dict__

    @property
    def is_current(self) -> bool:
        """Whether what was loaded is what is there now; it reads no file."""
        return self._loaded == self.stamp()

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that can be scored."""
        return self.fitted.sections

    def score(
        self, waves: Any, section: str | None = None, pooling: Pooling | None = None
    ) -> np.ndarray:
        """Return the anomaly scores (n,) float64, higher for more anomalous sound.

        Args:
            waves: see the class.
            section: the section of all of them, if it is known.
            pooling: how the clips of a long recording make one score; by default as in the params.

        Raises:
            UsageError: something is no wave, or there is no such section.
            JobError: a file cannot be used.
        """
        found = self.predictions(waves, section, pooling)
        return np.array([one.score for one in found], np.float64)

    def decision_function(
        self, waves: Any, section: str | None = None, pooling: Pooling | None = None
    ) -> np.ndarray:
        """Return the scores less the threshold (n,): above 0 for anomalous; see :meth:`score`."""
        found = self.predictions(waves, section, pooling)
        return np.array([one.score - one.threshold for one in found], np.float64)

    def predict(
        self, waves: Any, section: str | None = None, pooling: Pooling | None = None
    ) -> np.ndarray:
        """Return the decisions (n,) int64: 1 for anomalous, 0 for normal; see :meth:`score`."""
        found = self.predictions(waves, section, pooling)
        return np.array([one.anomalous for one in found], np.int64)

    def p_values(
        self, waves: Any, section: str | None = None, pooling: Pooling | None = None
    ) -> np.ndarray:
        """Return the conformal p-values (n,), small for anomalous sound; see :meth:`score`.

        They are those of recordings: the highest of many scores has a larger one than the same
        score of a single clip.
        """
        found = self.predictions(waves, section, pooling)
        return np.array([one.p_value for one in found], np.float64)

    def nearest(
        self, waves: Any, section: str | None = None, pooling: Pooling | None = None
    ) -> list[str]:
        """Return the name of the nearest training clip of each (n); see :meth:`score`."""
        return [one.nearest for one in self.predictions(waves, section, pooling)]

    def predictions(
        self, waves: Any, section: str | None = None, pooling: Pooling | None = None
    ) -> list[Prediction]:
        """Return all that is found of recordings, in their order; see :meth:`score`."""
        section = section or self.section
        if section is not None and section not in self.sections:
            raise unknown_name("section", section, self.sections)
        pooling = pooling or self.pooling
        if pooling not in JOINED:
            raise unknown_name("pooling", pooling, JOINED)
        recordings = recordings_of(waves, self.signal, self.limits)
        if not recordings:
            return []
        if section is None:
            self._tell_unknown(recordings)
        judged = self.judged(recordings, section, pooling)
        return [
            replace(
                found,
                fault=self._nearest_fault(deciding, found.section),
                reason=self._reason(recording, found) if found.anomalous else "",
                remarks=remarks(recording.facts, self._training) if recording.facts else (),
            )
            for recording, (found, deciding) in zip(recordings, judged, strict=True)
        ]

    def _tell_unknown(self, recordings: Sequence[Recording]) -> None:
        """Say of which sections there are recordings, by their names, and no training clips."""
        named = {section_told(Path(one.name)) for one in recordings if one.facts}
        for section in sorted(named - {"", *self.sections}):
            note(
                f"{self.machine}: no training clips of section {section}, which recordings are"
                f" named by: they are judged by {', '.join(self.sections)}"
            )

    def judged(
        self, recordings: Sequence[Recording], section: str | None, pooling: Pooling
    ) -> list[tuple[Prediction, Outputs]]:
        """Return what is found of each without its fault, and what its window gave, (1, ...)."""
        clips, owner = expand(recordings, self.signal.length)
        outputs = self.embedder.outputs(self.embedder.features(clips))
        return [
            self._prediction(
                recording,
                rows_of(outputs, owner == number),
                self.sections if section is None else (section,),
                pooling,
            )
            for number, recording in enumerate(recordings)
        ]

    def to_frame(
        self, waves: Any, section: str | None = None, pooling: Pooling | None = None
    ) -> Any:
        """Return :meth:`predictions` as a table of pandas, a row a recording, by its name.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError(
                "to_frame: pandas is not installed; 'pip install pandas', or use predictions()"
            ) from None
        rows = [asdict(one) for one in self.predictions(waves, section, pooling)]
        columns = [one.name for one in fields(Prediction)]
        return pandas.DataFrame(rows, columns=columns).set_index("name")

    def explain(self, wave: Any, section: str | None = None) -> Explanation:
        """Return which parts of one recording make its score; ``.write(path)`` draws it.

        Raises:
            UsageError: it is not one recording; see also :func:`asd.detection.explanation.explain`.
            JobError: no training clip's recording is left.
        """
        from asd.detection.explanation import explain

        if isinstance(wave, np.ndarray) and wave.ndim == 1 and wave.dtype.kind not in "OU":
            wave = [wave]
        found = recordings_of(wave, self.signal, self.limits)
        if len(found) != 1:
            raise UsageError(f"explain: one recording at a time, not {len(found)}")
        return explain(self, found[0], section or self.section)

    def enroll(
        self, waves: Any, section: str | None = None, domain: str = "", force: bool = False
    ) -> list[Enrolled]:
        """Add normal recordings: such sound is normal from now on, for all systems of the machine.

        It is written into the workspace, as by ``asd enroll``, and this detector loads it.

        Raises:
            UsageError: no such section, or none is given and there are several.
            JobError: a file cannot be used, one sounds anomalous and ``force`` is not given, or the
                enrolment cannot be written.
        """
        if self._file is not None:
            raise UsageError(
                f"{self._file}: an exported detector stays as it is: enroll in its workspace, and"
                " export it again"
            )
        known = Enrolment(self.workspace, self.machine)
        chosen = choose_section(known.sections, section or self.section)
        found = known.enroll(recordings_of(waves, known.signal, self.limits), chosen, domain, force)
        self.reload()
        return found

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return what the detector was made with, as scikit-learn's estimators do."""
        return dict(self._given)

    def set_params(self, **params: Any) -> Detector:
        """Load again with other parameters, as scikit-learn's estimators do.

        Raises:
            UsageError: an unknown parameter; and as for a new detector.
        """
        for name in params:
            if name not in self._given:
                raise unknown_name("parameter", name, self._given)
        self.__dict__ = type(self)(**(self._given | params)).__dict__
        return self

    def fit(self, waves: Any, y: Any = None) -> Detector:
        """Say that nothing is learned here; scikit-learn asks its estimators for such a method.

        Raises:
            UsageError: always; the message says how a detector learns.
        """
        raise UsageError(
            f"a detector is not fitted to waves: put recordings into {self.workspace.raw} and run"
            " 'dvc repro', or add normal ones with enroll(); it predicts as it is"
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: what was loaded is fitted."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Return what it is to scikit-learn: an outlier detector, on what is no table."""
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="outlier_detector",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(two_d_array=False, string=True),
        )

    def judge(self, outputs: Outputs, section: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores (n,), and what each of several members says, (M, n) or (0, n)."""
        count = len(next(iter(next(iter(outputs.values())).values())))
        # As for the network: the products of a single row have other last bits.
        rows = np.minimum(np.arange(max(count, LEAST_BATCH)), count - 1)
        scores, members = self.fitted.judge(rows_of(outputs, rows), [section] * len(rows))
        return scores[:count], members[:, :count]

    def _prediction(
        self,
        recording: Recording,
        outputs: Outputs,
        sections: Sequence[str],
        pooling: Pooling,
    ) -> tuple[Prediction, Outputs]:
        judged = [self.judge(outputs, section) for section in sections]
        of_windows = np.array([scores for scores, _ in judged])
        pooled = JOINED[pooling](of_windows, axis=1)
        best = int(pooled.argmin())
        section, score = sections[best], float(pooled[best])
        loudest = int(of_windows[best].argmax())
        members = judged[best][1][:, loudest]
        starts = window_starts(len(recording.samples), self.signal.length)
        deciding = rows_of(outputs, np.array([loudest]))
        near = self.fitted.by_distance(deciding, section)
        gain, level = self.fitted.gain(deciding, section)
        calibration = self.calibrations[section].pooled(pooling)
        threshold = calibration.threshold(len(starts)).value
        found = Prediction(
            name=recording.name,
            section=section,
            score=score,
            threshold=threshold,
            p_value=calibration.p_value(score, len(starts)),
            least_p=calibration.p_value(np.inf, len(starts)),
            anomalous=score > threshold,
            nearest=self.bank.clips.name[near[0]] if len(near) else "",
            windows=len(starts),
            start=starts[loudest] / self.signal.sample_rate,
            members={
                self._member_names[place]: float(members[place])
                for place in np.argsort(-members, kind="stable")
            },
            gain=gain,
            level=level,
        )
        return found, deciding

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """The known faults of the machine, as this detector scores them."""
        from asd.detection.feedback import known_faults

        return known_faults(self)

    def _reason(self, recording: Recording, found: Prediction) -> str:
        from asd.detection.explanation import log_mel, normal_levels

        view = log_mel(self)
        if found.section not in self._normal_levels:
            self._normal_levels[found.section] = normal_levels(self, found.section, view)
        levels = self._normal_levels[found.section]
        if levels is None:
            return ""
        start = round(found.start * self.signal.sample_rate)
        clip = windows(recording.samples[start : start + self.signal.length], self.signal.length)
        reason = levels.reason(view(clip)[0])
        begin = (recording.start + start) / self.signal.sample_rate
        return reason.words(begin) if reason.deviations >= _TELLING else ""

    def _read(self) -> tuple[FittedDetector, Ensemble]:
        if self._file is not None:
            given = self._given["machine"], self._given["system"]
            self.workspace, self.machine, self.system = chosen(self._file, *given)
        found = current_detector(self.workspace, self.machine, self.system)
        return at_working_point(self.workspace, found), load_ensemble(self.workspace, found)

    def stamp(self) -> tuple[tuple[str, int, int, int], ...]:
        """Return what is another where what is loaded would be another now; it reads no file."""
        if self._file is not None:
            return stamp_of((self._file,))
        space, machine = self.workspace, self.machine
        return stamp_of(
            (
                space.score_record(self.system, machine),
                space.faults(machine) / RECORD,
                space.working_point(machine, self.system),
                *sorted(space.enrolled(machine).glob(f"*/{RECORD}")),
            )
        )

    @cached_property
    def training_clips(self) -> dict[str, Clip]:
        """The usable clips of the index, by content; none where there is no index."""
        try:
            clips = read_index(self.workspace.index_path(self.machine))
        except AsdError:
            return {}
        return {clip.content: clip for clip in clips if clip.usable}

    @cached_property
    def kept_sounds(self) -> dict[str, Path]:
        """The sound of normal clips that an exported detector has with it, by content."""
        return {path.stem: path for path in (self.workspace.data / SOUNDS).glob("*.flac")}

    @cached_property
    def _training(self) -> TrainingRange | None:
        return TrainingRange.of_index(self.workspace.index_path(self.machine).with_suffix(".json"))

    def _nearest_fault(self, outputs: Outputs, section: str) -> str:
        space = self._fault_spaces.get(section)
        return space.nearest(outputs) if space else ""

    @cached_property
    def _fault_spaces(self) -> dict[str, FaultSpace]:
        from asd.detection.feedback import FaultSpace

        known: dict[str, list[Fault]] = {}
        for one in self.faults if self.fitted.comparing else ():
            known.setdefault(one.section, []).append(one)
        return {section: FaultSpace(self.fitted, section, of) for section, of in known.items()}


def _file(folder: str | os.PathLike[str]) -> Path | None:
    """Return what may be an exported detector; None where a workspace's folder is meant."""
    path = Path(folder)
    if path.is_file():
        return path
    if path.suffix == ".asd" and not path.exists():
        raise UsageError(f"{path}: no such exported detector; 'asd export' writes one")
    return None

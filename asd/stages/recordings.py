"""Gathers what the page of one's own recordings shows: each recording as ``predict`` hears it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np

from asd.clip_table import by_recording
from asd.clips.audio import Signal, read_windows
from asd.clips.record import Clip
from asd.config import settings
from asd.detection.enroll import current_detector
from asd.detection.feedback import found_of_known_faults
from asd.detection.reason import NormalLevels, Reason
from asd.detection.working_point import at_working_point
from asd.errors import AsdError
from asd.features.logmel import LogMelConfig
from asd.report.media import encoded
from asd.report.recordings import Heard, Listened, recording_times
from asd.scoring.bank import read_bank
from asd.scoring.scored import FittedDetector
from asd.scoring.system import JOINED, FittedSystem, rows_of
from asd.stages.index import clips_of, rejected_by_reason
from asd.store import FeatureStore, Shard
from asd.workspace import Workspace

ROWS = 300  # of all tables together: with sound and picture they are below 10 MB
SECONDS = 3.0  # that are heard of each
_NORMAL = 200  # clips that tell what is normal
_LOUDEST, _GAIN = 30_000, 100.0  # of 32,767; and how far quiet sound is raised to it at most


@dataclass(frozen=True)
class _Found:
    """What scoring says of a recording: its windows, the one that decides, and its nearest one."""

    clips: Sequence[Clip]
    score: float
    threshold: float
    deciding: Clip
    view: str
    nearest: Callable[[], str]


def gather(workspace: Workspace, machines: Sequence[str]) -> list[Listened]:
    """Read what the page shows of machines.

    Raises:
        UsageError: an index, the scores or a bank is missing; the message names the verb.
        JobError: a file is damaged.
    """
    return [_machine(workspace, machine, max(20, ROWS // len(machines))) for machine in machines]


def _machine(workspace: Workspace, machine: str, most: int) -> Listened:
    system = workspace.params.default_system()
    detector = at_working_point(workspace, current_detector(workspace, machine, system))
    clips = clips_of(workspace, machine)
    new, training = list(_tested(workspace, detector, clips)), list(_trained(detector, clips))
    found = sorted(new, key=_order) + sorted(training, key=_order)
    shown = found[:most]
    times = _times(workspace, shown)
    mels = _LogMels(workspace, machine)
    sounds, places = [], []
    for one in shown:
        reason = mels.reason(one.deciding)
        begin, end = _moment(workspace, one, reason)
        places.append((reason, begin, end))
        sounds.append(_sound(workspace, one.deciding, begin, end))
    # One factor for all, so that what is louder sounds louder.
    peak = max((int(np.abs(s.astype(np.int32)).max()) for s in sounds if s is not None), default=0)
    gain = min(_LOUDEST / max(peak, 1), _GAIN)
    rate = workspace.params.index.sample_rate
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        files = pool.map(lambda s: None if s is None else encoded(_raised(s, gain), rate), sounds)
        heard = [
            _heard(one, place, time, mels, file)
            for one, place, time, file in zip(shown, places, times, files, strict=True)
        ]
    margins = np.array([one.score - one.threshold for one in training])
    notes = [
        *said_of_known_faults(workspace, machine, system),
        *_notes(clips, detector),
        *_hidden(found[most:]),
    ]
    return Listened(machine, system, detector.rule.false_alarm_rate, heard, margins, notes)


def _order(one: _Found) -> tuple[float, str]:
    return one.threshold - one.score, one.deciding.path


def _tested(
    workspace: Workspace, detector: FittedDetector, clips: Sequence[Clip]
) -> Iterator[_Found]:
    """Yield the test recordings of the sections that can be scored, as ``predict`` scores them."""
    fitted = detector.fitted
    models = dict.fromkeys(member.model for member in fitted.members)
    banks = {
        model: read_bank(workspace.bank_record(model, detector.machine).with_name("test.h5"))
        for model in models
    }
    table = next(iter(banks.values())).clips
    known = {clip.content: clip for clip in clips if clip.usable and clip.split == "test"}
    rows = [
        row
        for row, (section, content) in enumerate(zip(table.section, table.content, strict=True))
        if section in fitted.sections and content in known
    ]
    if not rows:
        return
    outputs = rows_of({model: bank.arrays for model, bank in banks.items()}, rows)
    table = table.only(np.array(rows))
    scores, members = fitted.judge(outputs, table.section)
    names = _view_names(workspace, detector)
    join = JOINED[detector.rule.windows]
    for group in by_recording(table):
        loudest = int(group[scores[group].argmax()])
        section = table.section[loudest]
        yield _Found(
            [known[table.content[row]] for row in group],
            float(join(scores[group])),
            detector.deciding[section].threshold(len(group)).value,
            known[table.content[loudest]],
            names[int(members[:, loudest].argmax())] if len(members) else "",
            partial(_nearest, fitted, outputs, loudest, section),
        )


def _trained(detector: FittedDetector, clips: Sequence[Clip]) -> Iterator[_Found]:
    """Yield the training recordings that thresholds are found from, scored as if they were new."""
    fitted = detector.fitted
    normal = fitted.training_scores()
    table = fitted.bank.clips
    known = {clip.content: clip for clip in clips if clip.usable and clip.split == "train"}
    calibrating = {int(r) for section in fitted.sections for r in fitted.calibrating_rows(section)}
    join = JOINED[detector.rule.windows]
    arrays = {model: bank.arrays for model, bank in fitted.banks.items()}
    for group in by_recording(table):
        rows = [int(row) for row in group if row in calibrating and table.content[row] in known]
        if not rows:
            continue
        loudest = rows[int(normal[rows].argmax())]
        section = table.section[loudest]
        yield _Found(
            [known[table.content[row]] for row in rows],
            float(join(normal[rows])),
            detector.deciding[section].threshold(len(rows)).value,
            known[table.content[loudest]],
            "",
            partial(_nearest, fitted, arrays, loudest, section, table.recording[loudest]),
        )


def _nearest(
    fitted: FittedSystem,
    arrays: Mapping[str, Mapping[str, np.ndarray]],
    row: int,
    section: str,
    own: str = "",
) -> str:
    """Return the training recording nearest to a row of a model's outputs, and not its own."""
    order = fitted.by_distance(rows_of(arrays, [row]), section)
    names = (fitted.bank.clips.recording[near] for near in order)
    return next((name for name in names if name != own), "")


def _view_names(workspace: Workspace, detector: FittedDetector) -> list[str]:
    known = workspace.params.systems.items()
    return [
        next((name for name, one in known if one == member), member.scorer)
        for member in detector.definition
    ]


class _LogMels:
    """The stored log-mels of a machine's clips, and what is normal in those of each section."""

    def __init__(self, workspace: Workspace, machine: str) -> None:
        self._store, self._machine = FeatureStore(workspace.features), machine
        self.sample_rate = workspace.params.index.sample_rate
        self._features = workspace.params.features_of("logmel")
        self._shards: dict[tuple[str, str], Shard | None] = {}
        self._levels: dict[str, NormalLevels | None] = {}

    def row(self, clip: Clip) -> np.ndarray | None:
        """Return the log-mel (F, T) of a clip, if it is stored."""
        shard = self._shard(clip.section, clip.split)
        return shard.row(clip.content) if shard else None

    def reason(self, clip: Clip) -> Reason | None:
        """Return where a clip is most unlike normal ones."""
        row, levels = self.row(clip), self._normal(clip)
        return None if row is None or levels is None else levels.reason(row)

    def _shard(self, section: str, split: str) -> Shard | None:
        key = section, split
        if key not in self._shards:
            paths = (self._store.path(self._machine, name, *key) for name in self._features)
            path = next((path for path in paths if path.is_file()), None)
            self._shards[key] = Shard.open(path) if path else None
        return self._shards[key]

    def _normal(self, clip: Clip) -> NormalLevels | None:
        section = clip.section
        if section not in self._levels:
            shard, levels = self._shard(section, "train"), None
            if shard:
                some = np.linspace(0, len(shard) - 1, _NORMAL).astype(int)
                mel = settings(LogMelConfig, shard.spec.recipe["config"], str(shard.path))
                clips = [np.array(shard.features[row]) for row in np.unique(some)]
                levels = NormalLevels.of_log_mels(clips, mel, self.sample_rate)
            self._levels[section] = levels
        return self._levels[section]

    def box(self, reason: Reason, clip: Clip) -> tuple[float, float, float, float] | None:
        """Return where the reason is in the clip's picture: left, top, width, height in percent."""
        levels, seconds = self._levels[clip.section], clip.length / self.sample_rate
        if levels is None:
            return None
        bands = len(levels.hertz) - 1
        low, high = np.searchsorted(levels.hertz, [reason.low, reason.high])
        left, right = (100 * min(at / seconds, 1.0) for at in (reason.start, reason.end))
        return left, 100 * (1 - high / bands), right - left, 100 * (high - low) / bands


def _moment(workspace: Workspace, one: _Found, reason: Reason | None) -> tuple[float, float]:
    """Return the seconds that are heard: around the reason, in the deciding clip."""
    rate = workspace.params.index.sample_rate
    begin, length = one.deciding.start / rate, one.deciding.length / rate
    seconds = min(SECONDS, length)
    middle = length / 2 if reason is None or reason.throughout else (reason.start + reason.end) / 2
    start = begin + min(max(middle - seconds / 2, 0.0), length - seconds)
    return start, start + seconds


def _sound(workspace: Workspace, clip: Clip, begin: float, end: float) -> np.ndarray | None:
    """Return the samples (L,) of some seconds of a recording; None where it is gone or changed."""
    index = workspace.params.index
    length = max(1, round((end - begin) * index.sample_rate))
    signal = Signal(index.sample_rate, length, index.channel, clip.full_scale)
    place, start = workspace.raw / clip.path, round(begin * index.sample_rate)
    try:
        wave: np.ndarray = read_windows(place, signal, [start], clip.digest)[0]
        return wave
    except AsdError:
        return None


def _raised(samples: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(np.rint(samples * gain), -32768, 32767).astype(np.int16)


def _heard(
    one: _Found,
    place: tuple[Reason | None, float, float],
    time: datetime | None,
    mels: _LogMels,
    sound: bytes | None,
) -> Heard:
    reason, begin, end = place
    clip = one.deciding
    said = reason is not None and one.score > one.threshold
    start = clip.start / mels.sample_rate
    return Heard(
        path=clip.path,
        name=clip.recording,
        section=clip.section,
        is_new=clip.split == "test",
        label=clip.label if clip.split == "test" else "normal",
        score=one.score,
        threshold=one.threshold,
        time=time,
        begin=begin,
        end=end,
        reason=reason.words(start) if reason is not None and said else "",
        view=one.view,
        nearest=one.nearest(),
        picture=mels.row(clip),
        box=mels.box(reason, clip) if reason is not None and said else None,
        sound=sound,
    )


def _times(workspace: Workspace, shown: Sequence[_Found]) -> list[datetime | None]:
    written = []
    for one in shown:
        path = workspace.raw / one.deciding.path
        written.append(path.stat().st_mtime if path.exists() else math.nan)
    return recording_times([one.deciding.path for one in shown], written)


def said_of_known_faults(workspace: Workspace, machine: str, system: str) -> Iterator[str]:
    """Yield how many of the known faults the threshold finds, where any is known."""
    found, missed = found_of_known_faults(workspace, machine, system)
    if found or missed:
        line = f"The threshold finds {len(found)} of {len(found) + len(missed)} known faults"
        yield line + (f", not {', '.join(missed)}: see asd threshold." if missed else ".")


def _notes(clips: Sequence[Clip], detector: FittedDetector) -> Iterator[str]:
    """Yield what is not judged, and why."""
    alone = [
        clip
        for clip in clips
        if clip.usable and clip.split == "test" and clip.section not in detector.fitted.sections
    ]
    if alone:
        sections = ", ".join(sorted({clip.section for clip in alone}))
        count = len({clip.recording for clip in alone})
        yield f"{count} not judged: section {sections} has no normal recordings."
    for why, count in sorted(rejected_by_reason(clips).items()):
        yield f"{count} not used: {why}."


def _hidden(rest: Sequence[_Found]) -> Iterator[str]:
    if rest:
        new = sum(one.deciding.split == "test" for one in rest)
        yield (
            f"{len(rest)} more are not listed ({new} new, {len(rest) - new} training), which are"
            " farther below the threshold; data/scores has all."
        )

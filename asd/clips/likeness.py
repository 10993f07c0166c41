"""What is unlike all training recordings in a way that is not the machine, in words.

A score cannot tell a worn bearing from another microphone. So a small record is kept of what the
training recordings are like as recordings (:class:`TrainingRange`, in the facts of an index), and
what lies outside of it is said beside the score (:func:`remarks`): it decides nothing.

Example:
    >>> from dataclasses import replace
    >>> facts = Likeness(-32.0, 0.2, 0.0, 0.0, 7900.0, 16000, 1, 10.0)
    >>> training = TrainingRange.of([facts], sample_rate=16000, clip_seconds=10.0)
    >>> [one.text for one in remarks(replace(facts, level=-44.0), training)]
    ['12 dB quieter than any training recording']
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

# Beyond the range of the training recordings by this much; normal test recordings of the challenge
# and of the slide rail are told as quieter or louder once in a hundred.
_LEVEL_DB = 4.0
_OFFSET = 0.002  # of full scale; converters without a fault have a tenth of it
_CLIPPED = 0.001  # share of samples; a tone or a tap reaches its own peak less often
_NARROWER, _WIDER = 0.8, 1.25
_SHORT = 0.5  # of a clip
_ENOUGH = 5  # training recordings from which each is compared with the others
# Of the spectrum: points of a segment, segments of a block, bands that it is judged in.
_POINTS, _SEGMENTS, _BANDS = 2048, 16, 64
_AT_ONCE = 16384  # samples in double precision, which then stay in the cache
FULL_SCALE = 32768.0  # of int16
_BELOW_ALL = 1e-7  # a band with less of the power than that is empty
_NOISE = 10 ** (-112 / 10)  # power of full scale; rounding to 16 bits leaves -119 dB a band
# Clipped, and no peak: within a tenth of a thousandth of the extreme lie samples in a row, and more
# of them than there would be on the way up; a hum has a tenth of these at its peaks.
_AT, _LOUD, _NEAR = 0.9999, 0.1, 0.98


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a recording is like, whatever is heard on it: of one channel, at its own rate.

    Attributes:
        level: root mean square without the offset, in dB of full scale.
        peak: largest absolute value, of full scale.
        offset: mean, of full scale.
        clipped: share of the samples that are flat at the highest or lowest value.
        bandwidth: frequency in Hz above which there is nothing.
        sample_rate: rate of the file in Hz.
        channels: channels of the file.
        seconds: length.
    """

    level: float
    peak: float
    offset: float
    clipped: float
    bandwidth: float
    sample_rate: int
    channels: int
    seconds: float


_PARTS = fields(Likeness)


@dataclass(frozen=True)
class Remark:
    """One thing that is unlike: a code for programs, and a text for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Unlike:
    """How many recordings are unlike in one way, and the first of them with what is said of it."""

    recordings: int
    first: str
    text: str


@dataclass(frozen=True)
class TrainingRange:
    """The small record of a machine's training recordings.

    Attributes:
        lowest, highest: of each fact, over the recordings.
        sample_rate: rate of the clips in Hz.
        clip_seconds: length of the clips.
    """

    lowest: Likeness
    highest: Likeness
    sample_rate: int
    clip_seconds: float

    @classmethod
    def of(
        cls, recordings: Iterable[Likeness], sample_rate: int, clip_seconds: float
    ) -> TrainingRange | None:
        """Return the record of recordings; None where there are none."""
        listed = list(recordings)
        if not listed:
            return None
        lowest, highest = (
            Likeness(*(end(getattr(one, part.name) for one in listed) for part in _PARTS))
            for end in (min, max)
        )
        return cls(lowest, highest, sample_rate, clip_seconds)

    def to_json(self) -> dict[str, Any]:
        """Return it as an index keeps it."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> TrainingRange:
        """Return what :meth:`to_json` gave."""
        ends = {key: Likeness(**values[key]) for key in ("lowest", "highest")}
        return cls(**{**values, **ends})

    @classmethod
    def of_index(cls, record: Path) -> TrainingRange | None:
        """Return that of the record of an index; None where there is none, or it tells nothing."""
        from asd.artifact import read_record
        from asd.errors import AsdError

        try:
            return cls.of_json(read_record(record).facts["training"])
        except (AsdError, LookupError, TypeError):
            return None


def remarks(facts: Likeness, training: TrainingRange | None) -> tuple[Remark, ...]:
    """Say in what a recording is unlike all training recordings that is not the machine.

    Args:
        facts: of the recording.
        training: of the training recordings; without, only what is odd by itself is said.

    Returns:
        Remarks with the codes ``quieter``, ``louder``, ``full_scale``, ``clipped``, ``offset``,
        ``narrow``, ``wide``, ``channels`` and ``short``, in this order.
    """
    found = _by_themselves(facts) if training is None else _compared(facts, training)
    return tuple(Remark(code, text) for code, text in found)


def remarks_of(
    recordings: Mapping[str, Likeness], training: Collection[str], sample_rate: int, seconds: float
) -> tuple[TrainingRange | None, dict[str, tuple[Remark, ...]]]:
    """Return the record of training recordings, and what is said of each recording.

    A training recording is compared with the others, where there are enough of them.

    Args:
        recordings: the facts of each, by name.
        training: the names of those for training.
        sample_rate, seconds: of a clip.
    """
    listed = [one for name, one in recordings.items() if name in training]
    record = TrainingRange.of(listed, sample_rate, seconds)
    others = _others(listed, sample_rate, seconds) if len(listed) >= _ENOUGH else lambda _: None
    return record, {
        name: remarks(one, others(one) if name in training else record)
        for name, one in recordings.items()
    }


def by_code(said: Mapping[str, Sequence[Remark]]) -> dict[str, Unlike]:
    """Return in which ways recordings are unlike, by code, given the remarks on each by path."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(said):
        for one in said[path]:
            found.setdefault(one.code, []).append((path, one.text))
    return {code: Unlike(len(of_code), *of_code[0]) for code, of_code in found.items()}


def _others(
    listed: Sequence[Likeness], sample_rate: int, seconds: float
) -> Callable[[Likeness], TrainingRange]:
    """Return what gives the record of all recordings but a given one of them."""
    ordered = {part.name: sorted(getattr(one, part.name) for one in listed) for part in _PARTS}

    def others(one: Likeness) -> TrainingRange:
        low, high = [], []
        for name, values in ordered.items():
            own = getattr(one, name)
            low.append(values[1] if own == values[0] else values[0])
            high.append(values[-2] if own == values[-1] else values[-1])
        return TrainingRange(Likeness(*low), Likeness(*high), sample_rate, seconds)

    return others


def _by_themselves(facts: Likeness) -> Iterator[tuple[str, str]]:
    if facts.peak > 1:
        yield (
            "full_scale",
            f"beyond full scale (peak {facts.peak:.3g}), and cut there: another unit?",
        )
    if facts.clipped > _CLIPPED:
        yield "clipped", f"{_share(facts.clipped)} of the samples are clipped"


def _compared(facts: Likeness, training: TrainingRange) -> Iterator[tuple[str, str]]:
    low, high = training.lowest, training.highest
    if facts.level < low.level - _LEVEL_DB:
        yield "quieter", f"{low.level - facts.level:.0f} dB quieter than any training recording"
    if facts.level > high.level + _LEVEL_DB:
        yield "louder", f"{facts.level - high.level:.0f} dB louder than any training recording"
    odd = dict(_by_themselves(facts))
    if "full_scale" in odd and facts.peak > 1.25 * high.peak:
        yield "full_scale", odd["full_scale"]
    if "clipped" in odd and facts.clipped > 2 * high.clipped:
        yield "clipped", odd["clipped"]
    most = max(abs(low.offset), abs(high.offset))
    if abs(facts.offset) > most + _OFFSET:
        yield (
            "offset",
            f"a constant offset of {facts.offset:.3f} of full scale, which is taken off (training"
            f" recordings: at most {most:.3f})",
        )
    yield from _of_bands(facts, training)
    if not low.channels <= facts.channels <= high.channels:
        usual = " to ".join(map(str, sorted({low.channels, high.channels})))
        yield "channels", f"{facts.channels} channels, where training recordings have {usual}"
    if facts.seconds < _SHORT * min(low.seconds, training.clip_seconds):
        yield (
            "short",
            f"{facts.seconds:.2f} s: repeated to fill a clip of {training.clip_seconds:g} s, which"
            " sounds like no training recording",
        )


def _of_bands(facts: Likeness, training: TrainingRange) -> Iterator[tuple[str, str]]:
    heard = training.sample_rate / 2

    def width(one: Likeness) -> float:
        return min(one.bandwidth, one.sample_rate / 2, heard)

    least, most = width(training.lowest), width(training.highest)
    if facts.sample_rate / 2 < _NARROWER * least:
        limit = facts.sample_rate / 2
        yield "narrow", f"{facts.sample_rate} Hz: nothing above {limit / 1000:g} kHz to compare"
    elif width(facts) < _NARROWER * least:
        yield (
            "narrow",
            f"nothing above {facts.bandwidth / 1000:.1f} kHz, where training recordings reach"
            f" {least / 1000:.1f} kHz: another microphone or codec?",
        )
    elif width(facts) > _WIDER * most:
        yield (
            "wide",
            f"sound up to {width(facts) / 1000:.1f} kHz, where training recordings end at"
            f" {most / 1000:.1f} kHz",
        )


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"


class Listening:
    """Gathers the facts of a recording block by block; memory is that of a block.

    Args:
        sample_rate: rate of the file in Hz.
        channels: channels of the file.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate, self._channels = sample_rate, channels
        self._count = 0
        self._sum = self._squares = 0.0
        self._lowest, self._highest = np.inf, -np.inf
        self._power = np.zeros(_POINTS // 2 + 1)
        self._exact = np.empty(_AT_ONCE)
        # By end of the range: the extreme so far; and of the samples how many are there, how many
        # of them in a row, and how many just below.
        self._flat = {end: (0.0, np.zeros(3, int)) for end in (1, -1)}

    def add(self, samples: np.ndarray) -> None:
        """Hear samples (n,) int16, or float of full scale 1."""
        scale = FULL_SCALE if samples.dtype == np.int16 else 1.0
        self._count += len(samples)
        for start in range(0, len(samples), _AT_ONCE):
            some = samples[start : start + _AT_ONCE]
            exact = self._exact[: len(some)]
            exact[:] = some
            self._sum += float(exact.sum()) / scale
            # A product would be shared among threads that wait for each other where cores are busy.
            self._squares += float(np.square(exact, out=exact).sum()) / scale**2
        lowest, highest = float(samples.min()) / scale, float(samples.max()) / scale
        self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
        for end, extreme in ((1, highest), (-1, -lowest)):
            self._add_flat(samples, end, extreme, scale)
        self._power += _power(samples, scale)

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest sample."""
        return self._lowest, self._highest

    @property
    def mean(self) -> float:
        """The mean of all samples."""
        return self._sum / self._count if self._count else 0.0

    @property
    def facts(self) -> Likeness:
        """What was heard, rounded to what is the same on every processor."""
        mean = self.mean
        variance = max(self._squares / max(self._count, 1) - mean**2, 1e-20)
        flat = sum(int(at) for _, (at, in_row, near) in self._flat.values() if in_row > near / 4)
        return Likeness(
            level=round(10 * float(np.log10(variance)), 2),
            peak=round(max(-self._lowest, self._highest, 0.0), 5),
            offset=round(mean, 5) + 0.0,  # -0.0 and 0.0 are equal, and written differently
            clipped=round(flat / max(self._count, 1), 5),
            bandwidth=_bandwidth(self._power, self._rate),
            sample_rate=self._rate,
            channels=self._channels,
            seconds=round(self._count / self._rate, 4),
        )

    def _add_flat(self, samples: np.ndarray, end: int, extreme: float, scale: float) -> None:
        before, counts = self._flat[end]
        if extreme < _LOUD or extreme < _AT * before:
            return

        def reaches(level: float) -> np.ndarray:
            limit = float(np.float32(level)) * scale
            if samples.dtype == np.int16:
                limit = math.ceil(limit)
            return samples >= limit if end > 0 else samples <= -limit

        places = np.flatnonzero(reaches(_AT * extreme))
        in_row = np.count_nonzero(np.diff(places) == 1)
        near = np.count_nonzero(reaches(_NEAR * extreme)) - len(places)
        kept = counts if _AT * extreme <= before else 0
        self._flat[end] = (max(extreme, before), kept + np.array([len(places), in_row, near]))


def _power(samples: np.ndarray, scale: float) -> np.ndarray:
    """Return the summed power of some segments of samples (n,), by frequency."""
    if len(samples) < _POINTS:
        samples = np.resize(samples, _POINTS) if len(samples) else np.zeros(_POINTS)
    starts = np.unique(np.linspace(0, len(samples) - _POINTS, _SEGMENTS).astype(int)).tolist()
    cut = np.empty((len(starts), _POINTS))
    for row, start in zip(cut, starts, strict=True):
        row[:] = samples[start : start + _POINTS]
    cut -= cut.mean(axis=1, keepdims=True)
    cut *= _window()
    parts = np.fft.rfft(cut).view(np.float64)  # real and imaginary in turn
    np.square(parts, out=parts)
    power: np.ndarray = parts.sum(axis=0).reshape(-1, 2).sum(axis=1)
    # So scaled that its sum is the mean square of the segments.
    return power * (2 / (_POINTS**2 * 0.375 * len(starts) * scale**2))


@cache
def _window() -> np.ndarray:
    return np.hanning(_POINTS)


def _bandwidth(power: np.ndarray, rate: int) -> float:
    """Return the frequency in Hz above which no band has power."""
    bands = np.add.reduceat(power, np.arange(0, len(power) - 1, (len(power) - 1) // _BANDS))
    filled = np.flatnonzero(bands > max(_BELOW_ALL * float(bands.sum()), _NOISE))
    last = int(filled[-1]) + 1 if len(filled) else 0
    return round(last * rate / 2 / len(bands), 1)

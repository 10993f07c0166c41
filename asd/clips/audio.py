"""Reading recordings: what a file holds, and the canonical clips made of it.

A file's bytes are read once, hashed, and decoded from memory, so that the digest is the digest of
exactly the samples that are used.

A constant offset is an affair of the converter and not of the machine: it is taken off before
anything else is done, from the whole recording where it is converted, and from each clip.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from asd.clips.channels import columns, residual
from asd.clips.decoding import (
    UNKNOWN_LENGTH,
    Data,
    Plain,
    UnusableError,
    blocks,
    check_header,
    is_float,
    open_contents,
    read_file,
    readable,
)
from asd.clips.decoding import Limits as Limits
from asd.clips.likeness import FULL_SCALE, Likeness, Listening
from asd.config import Channel
from asd.errors import JobError

REVISION = 2
"""Of how clips are made of recordings: raised whenever their samples change."""
# Share of the power of a channel that is not in the other one, below which the two are one.
_ONE_MICROPHONE = 1e-5
# Share of the samples beyond full scale from which it is another unit, and not a loud moment.
_BEYOND = 0.001


@dataclass(frozen=True)
class Signal:
    """The form in which every clip of a machine is used.

    Attributes:
        sample_rate: rate in Hz.
        length: samples of a clip; longer recordings are cut, shorter ones looped.
        channel: which channel of a recording is used, from 0, or that the residual of two is.
        full_scale: of recordings stored as floats, the value that counts as full scale.
        revision: how the samples are made; see :data:`REVISION`.
    """

    sample_rate: int
    length: int
    channel: Channel
    full_scale: float = 1.0
    revision: int = REVISION


@dataclass(frozen=True)
class Probe:
    """What a file holds.

    Attributes:
        sample_rate: rate in Hz; 0 where the header cannot be read, as for the next two.
        channels: channels.
        samples: samples a channel, as the header gives them.
        treatment: what had to be done to read it; ``""`` for nothing.
        facts: what the recording is like; None where it cannot be used.
        digest: SHA-256 of the file's bytes, hexadecimal; ``""`` where they were not read.
        problem: why the recording cannot be used; ``""`` where it can.
    """

    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    treatment: str = ""
    facts: Likeness | None = None
    digest: str = ""
    problem: str = ""


def probe(
    path: Path,
    channel: Channel,
    limits: Limits,
    full_scale: float = 1.0,
    turn: AbstractContextManager[Any] | None = None,
) -> Probe:
    """Read a file whole and say what it holds, and what is wrong with it if anything is.

    The header is judged against ``limits`` before anything is decoded, and decoding goes block by
    block: memory is bounded by the file's size, whatever its header promises.

    Args:
        path: the file.
        channel: the channel that will be used; its samples are checked.
        limits: what is too long, and too many channels.
        full_scale: of samples stored as floats.
        turn: entered once the file is read, until it is heard.

    Returns:
        The file's header, digest and problem; a file that cannot be read is a problem, no error.
    """
    found = Probe()
    try:
        data = read_file(path, limits)
        found = replace(found, digest=_digest(data))
        data, treatment = readable(data, path)
        with turn or nullcontext(), open_contents(data) as file:
            samples = file.frames if file.frames < UNKNOWN_LENGTH else 0
            found = replace(
                found, sample_rate=file.samplerate, channels=file.channels, samples=samples
            )
            check_header(file, channel, limits)
            listening = Listening(file.samplerate, file.channels)
            facts, more = listen(
                partial(blocks, file, channel, full_scale),
                listening,
                full_scale if is_float(file) else None,
            )
            steps = "; ".join(filter(None, (treatment, more)))
            return replace(found, treatment=steps, facts=facts)
    except UnusableError as reason:
        return replace(found, problem=str(reason))


def read_clip(path: Path, signal: Signal, digest: str | None = None) -> np.ndarray:
    """Read a recording as a canonical clip.

    16-bit recordings at the wanted rate are taken over as they are; others are decoded to float,
    resampled where the rate differs (soxr, high quality), rounded and clipped to 16 bits. The mean
    is taken off.

    Args:
        path: the file.
        signal: rate, length and channel wanted.
        digest: SHA-256 that the file's bytes had when they were indexed.

    Returns:
        int16 array of shape (L,) with ``L = signal.length``: the start of the recording, or the
        recording repeated from its start until it fills the length.

    Raises:
        JobError: the file cannot be used, or is not the one that was indexed.

    Example:
        >>> signal = Signal(sample_rate=8000, length=12_000, channel=0)
        >>> clip = read_clip(Path("raw/pump/id_00/train/00_00.wav"), signal)
        >>> clip.shape, clip.dtype.name  # looped, as the recording has 4,096 samples
        ((12000,), 'int16')
    """
    clip: np.ndarray = read_windows(path, signal, (0,), digest)[0]
    return clip


def read_windows(
    path: Path, signal: Signal, starts: Sequence[int], digest: str | None = None
) -> np.ndarray:
    """Read several windows of a recording as canonical clips; the file is read once.

    Args:
        path: the file.
        signal: rate, length and channel wanted.
        starts: (W,) samples at the wanted rate at which the windows begin.
        digest: SHA-256 that the file's bytes had when they were indexed.

    Returns:
        int16 array of shape (W, L) with ``L = signal.length``; see :func:`read_clip`.

    Raises:
        JobError: the file cannot be used, is not the one that was indexed, or has no such window.
    """
    return _cut(path, _samples(path, signal, digest), signal, starts)


def read_samples(path: Path, signal: Signal) -> np.ndarray:
    """Read a recording whole, whatever the length of ``signal``; errors as of :func:`read_clip`.

    Returns:
        int16 array of shape (n,), or (n, 2) where the residual of two channels is wanted, which is
        that of each clip by itself (:func:`clip_at`).
    """
    return _samples(path, signal, None).copy()  # no view of the file


class Reader:
    """Reads windows as :func:`read_windows` does, and keeps the recording that was read last.

    Batch after batch asks for windows of one long recording; it is decoded once. Threads may share
    a reader.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: tuple[Path, str | None] | None = None
        self._samples = np.zeros(0, np.int16)

    def __call__(
        self, path: Path, signal: Signal, starts: Sequence[int], digest: str | None = None
    ) -> np.ndarray:
        """Return the windows (W, L) int16."""
        if not any(starts):
            return read_windows(path, signal, starts, digest)
        with self._lock:
            if self._last != (path, digest):
                self._samples = _samples(path, signal, digest)
                self._last = path, digest
            samples = self._samples
        return _cut(path, samples, signal, starts)


def _cut(path: Path, samples: np.ndarray, signal: Signal, starts: Sequence[int]) -> np.ndarray:
    if any(start and start + signal.length > len(samples) for start in starts):
        raise JobError(f"{path}: shorter than its windows in the index; run 'asd index' again")
    return np.stack([clip_at(samples, start, signal.length) for start in starts])


def _samples(path: Path, signal: Signal, digest: str | None) -> np.ndarray:
    """Return a recording at the wanted rate: int16 (n,), or (n, 2) of a residual."""
    try:
        data = read_file(path)
        if digest is not None and _digest(data) != digest:
            raise JobError(f"{path}: changed since it was indexed; run 'asd index' again")
        return _converted(readable(data, path)[0], signal)
    except UnusableError as reason:
        raise JobError(f"{path}: {reason}; run 'asd index' again") from None


def _converted(data: Data, signal: Signal) -> np.ndarray:
    with open_contents(data) as file:
        check_header(file, signal.channel, limits=None)
        if isinstance(file, Plain) and file.samplerate == signal.sample_rate:
            return file.samples[:, columns(signal.channel)].astype(np.int16, copy=False)
        parts: Iterable[np.ndarray] = blocks(file, signal.channel, signal.full_scale)
        rate = file.samplerate
        if file.subtype == "PCM_16" and rate == signal.sample_rate:
            return np.concatenate(list(parts))
        total = sum(part.sum(axis=0, dtype=np.float64) for part in parts)
        mean = total / file.frames
        parts = blocks(file, signal.channel, signal.full_scale)
        parts = (without_mean(part, mean) for part in parts)
        if rate != signal.sample_rate:
            parts = _resampled(parts, file.frames, rate, signal.sample_rate)
        # Part by part: hours in float would take twice the memory.
        return np.concatenate([to_int16(part) for part in parts])


def without_mean(samples: np.ndarray, mean: Any) -> np.ndarray:
    """Return samples without their mean, as float32 of full scale 1, cut there."""
    exact = samples.astype(np.float64) - mean
    if samples.dtype == np.int16:
        exact /= FULL_SCALE
    return np.clip(exact, -1, 1).astype(np.float32)  # a filter's sums overflow on large floats


def announce(path: Path) -> None:
    """Tell the system that a file will be read, so that it is in memory by then."""
    if not hasattr(os, "posix_fadvise"):
        return
    with suppress(OSError):  # what is wrong with a file is for whoever reads it to say
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe would block
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(handle)


def resampled_length(samples: int, rate: int, wanted: int) -> int:
    """Return how many samples ``samples`` at ``rate`` Hz become at ``wanted`` Hz (at least 1)."""
    return max(1, (2 * samples * wanted + rate) // (2 * rate))


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Clip samples in float to full scale, 1, and round to int16; int16 passes through."""
    if samples.dtype == np.int16:
        return samples
    # Clipped first: the largest floats would overflow when scaled.
    scaled = np.rint(np.clip(samples, -1, 1) * FULL_SCALE)
    return np.minimum(scaled, 32767).astype(np.int16)


def clip_at(samples: np.ndarray, start: int, length: int) -> np.ndarray:
    """Return the clip (length,) int16 that begins at a sample of a recording.

    Args:
        samples: (n,) int16; or (n, 2), of whose stretch the residual is taken.
        start: where the clip begins.
        length: samples of the clip; a shorter rest is repeated.
    """
    stretch = samples[start : start + length]
    if samples.ndim == 2:
        stretch = to_int16(residual(*_centred(stretch).T))
    return _centred(fit(stretch, length))


def _centred(samples: np.ndarray) -> np.ndarray:
    """Take the mean, to the nearest step, off samples (n,) or (n, 2) int16."""
    steps = np.rint(samples.mean(axis=0)).astype(np.int32)
    if not steps.any():
        return samples
    return np.clip(samples - steps, -32768, 32767).astype(np.int16)


def fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut samples (L,) to their first ``length``, or repeat them from the start to fill it."""
    if len(samples) < length:
        return np.resize(samples, length)
    return np.ascontiguousarray(samples[:length])


def _digest(data: Data) -> str:
    return hashlib.sha256(data).hexdigest()


def listen(
    parts: Callable[[], Iterator[np.ndarray]], listening: Listening, full_scale: float | None
) -> tuple[Likeness, str]:
    """Hear a recording whole; return what it is like, and what will be done to it.

    Args:
        parts: gives its samples part by part, int16 or float of full scale 1: (n,), or (n, 2) where
            the residual of two channels is used.
        listening: gathers the facts; those of a residual are of the near channel.
        full_scale: what float samples were divided by; None where they cannot be beyond it.

    Raises:
        UnusableError: there is nothing to hear, or much of it would be cut off.
    """
    products = np.zeros(3)
    for part in parts():
        if part.ndim == 2:
            one, other = to_int16(part).T.astype(np.float64)
            products += [np.square(one).sum(), np.square(other).sum(), (one * other).sum()]
        listening.add(part if part.ndim == 1 else part[:, 0])
    lowest, highest = listening.range
    if (highest - lowest) * FULL_SCALE < 1:
        raise UnusableError("silent: all samples are equal")
    near, far, both = products
    if near * far and 1 - both**2 / (near * far) < _ONE_MICROPHONE:
        raise UnusableError("one microphone twice: both channels are alike, and nothing is left")
    peak = max(highest - listening.mean, listening.mean - lowest)
    if full_scale is None or peak < 1.005:  # a peak that two decimals show
        return listening.facts, ""
    beyond = count = 0
    for part in parts():
        beyond += int(np.count_nonzero(np.abs(part - listening.mean) > 1))
        count += part.size
    if beyond > _BEYOND * count:
        raise UnusableError(
            f"beyond full scale: floats up to {peak * full_scale:.4g}, {beyond / count:.0%} of them"
            f" beyond {full_scale:g}; index.full_scale says what their full scale is"
        )
    return listening.facts, f"clipped from peak {peak:.2f}"


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return samples (L,) or (L, 2), int16 or float of full scale 1, at another rate, as float.

    The mean is taken off. The result is of :func:`resampled_length`.
    """
    parts = iter([without_mean(samples, samples.mean(axis=0))])
    return np.concatenate(list(_resampled(parts, len(samples), rate, wanted)))


def _resampled(
    parts: Iterator[np.ndarray], samples: int, rate: int, wanted: int
) -> Iterator[np.ndarray]:
    """Yield a recording of so many samples, part by part, at another rate.

    The values are those of resampling it at once.
    """
    import soxr

    done, left, stream = 0, resampled_length(samples, rate, wanted), None
    for part in parts:
        if stream is None:
            stream = soxr.ResampleStream(rate, wanted, part[:1].size, "float32", "HQ")
        done += len(part)
        resampled = stream.resample_chunk(part, last=done == samples)[:left]
        left -= len(resampled)
        yield resampled
        if done == samples and left:  # soxr rounds to none what is shorter than half a sample
            yield np.zeros((left, *part.shape[1:]), np.float32)

"""Reading recordings (WAV, FLAC, OGG): what a file holds, and the canonical clip made of it.

A file's bytes are read once, hashed, and decoded from memory, so that the digest is the digest of
exactly the samples that are used.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asd.clips.channels import residual
from asd.clips.decoding import (
    UNKNOWN_LENGTH,
    UnusableError,
    blocks,
    check_header,
    check_whole,
    decode,
    open_sound,
    read_file,
)
from asd.clips.decoding import Limits as Limits
from asd.config import RESIDUAL, Channel
from asd.errors import JobError

SUFFIXES = frozenset({".wav", ".flac", ".ogg"})
_FULL_SCALE = 32768.0
# Share of the power of a channel that is not in the other one, below which the two are one.
_ONE_MICROPHONE = 1e-5


@dataclass(frozen=True)
class Signal:
    """The form in which every clip of a machine is used.

    Attributes:
        sample_rate: rate in Hz.
        length: samples of a clip; longer recordings are cut, shorter ones looped.
        channel: which channel of a recording is used, from 0, or that the residual of two is.
    """

    sample_rate: int
    length: int
    channel: Channel


@dataclass(frozen=True)
class Probe:
    """What a file holds.

    Attributes:
        sample_rate: rate in Hz; 0 where the header cannot be read, as for the next two.
        channels: channels.
        samples: samples a channel, as the header gives them.
        peak: largest absolute value of a recording stored as floats (full scale is 1), else 0.
        digest: SHA-256 of the file's bytes, hexadecimal; ``""`` where they were not read.
        problem: why the recording cannot be used; ``""`` where it can.
    """

    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    peak: float = 0.0
    digest: str = ""
    problem: str = ""


def probe(path: Path, channel: Channel, limits: Limits) -> Probe:
    """Read a file whole and say what it holds, and what is wrong with it if anything is.

    The header is judged against ``limits`` before anything is decoded, and decoding goes block by
    block: memory is bounded by the file's size, whatever its header promises.

    Args:
        path: the file.
        channel: the channel that will be used; its samples are checked.
        limits: what is too long, and too many channels.

    Returns:
        The file's header, digest and problem; a file that cannot be read is a problem, no error.
    """
    found = Probe()
    try:
        data = read_file(path, limits)
        found = replace(found, digest=_digest(data))
        with open_sound(io.BytesIO(data)) as file:
            samples = file.frames if file.frames < UNKNOWN_LENGTH else 0
            found = replace(
                found, sample_rate=file.samplerate, channels=file.channels, samples=samples
            )
            check_whole(data)
            check_header(file, channel, limits)
            return replace(found, peak=_check_samples(file, channel))
    except UnusableError as reason:
        return replace(found, problem=str(reason))


def probe_header(path: Path, channel: Channel, limits: Limits) -> Probe:
    """Say what a file's header promises, as :func:`probe` does, without reading its samples.

    A file with a good header may still hold nothing usable. The digest is that of the path.
    """
    found = Probe(digest=_digest(os.fsencode(path)))
    try:
        if not path.is_file():
            raise UnusableError("not a file")
        with open_sound(path) as file:
            check_header(file, channel, limits)
            return replace(
                found, sample_rate=file.samplerate, channels=file.channels, samples=file.frames
            )
    except UnusableError as reason:
        return replace(found, problem=str(reason))


def read_clip(path: Path, signal: Signal, digest: str | None = None) -> np.ndarray:
    """Read a recording as a canonical clip.

    16-bit recordings at the wanted rate are taken over bit for bit; others are decoded to float,
    resampled where the rate differs (soxr, high quality), rounded and clipped to 16 bits.

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

    Where the rate is the wanted one, only what lies between the first and the last window is
    decoded; otherwise the recording is resampled as a whole, so that a window has the same samples
    however many are read with it.

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
    samples, begin = _samples(path, signal, starts, digest)
    return np.stack([clip_at(samples, start - begin, signal.length) for start in starts])


def read_samples(path: Path, signal: Signal) -> np.ndarray:
    """Read a recording whole, whatever the length of ``signal``; errors as of :func:`read_clip`.

    Returns:
        int16 array of shape (n,), or (n, 2) where the residual of two channels is wanted, which is
        that of each clip by itself (:func:`clip_at`).
    """
    return _samples(path, signal, (0,), None)[0]


def _samples(
    path: Path, signal: Signal, starts: Sequence[int], digest: str | None
) -> tuple[np.ndarray, int]:
    """Return the samples that windows need, at the wanted rate, and where they begin."""
    try:
        data = read_file(path)
        if digest is not None and _digest(data) != digest:
            raise JobError(f"{path}: changed since it was indexed; run 'asd index' again")
        found = decode(data, signal.channel, partial(_stretch, signal, starts))
    except UnusableError as reason:
        raise JobError(f"{path}: {reason}; run 'asd index' again") from None
    samples = found.samples
    if found.sample_rate != signal.sample_rate:
        samples = resample(samples, found.sample_rate, signal.sample_rate)
    return to_int16(samples), found.begin


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


def _stretch(signal: Signal, starts: Sequence[int], rate: int, frames: int) -> tuple[int, int]:
    """Return which samples of a recording are needed.

    All, where it is resampled, and where only its start is wanted: a clip of a recording with
    something wrong later on is no clip.
    """
    own = resampled_length(frames, rate, signal.sample_rate)
    if any(start and start + signal.length > own for start in starts):
        raise UnusableError("shorter than its windows in the index")
    if rate != signal.sample_rate or not any(starts):
        return 0, frames
    return min(starts), min(max(starts) + signal.length, frames)


def resampled_length(samples: int, rate: int, wanted: int) -> int:
    """Return how many samples ``samples`` at ``rate`` Hz become at ``wanted`` Hz (at least 1)."""
    return max(1, (2 * samples * wanted + rate) // (2 * rate))


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Clip samples in float to full scale, 1, and round to int16; int16 passes through."""
    if samples.dtype == np.int16:
        return samples
    # Clipped first: the largest floats would overflow when scaled.
    scaled = np.rint(np.clip(samples, -1, 1) * _FULL_SCALE)
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
        stretch = to_int16(residual(*stretch.T))
    return fit(stretch, length)


def fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut samples (L,) to their first ``length``, or repeat them from the start to fill it."""
    if len(samples) < length:
        return np.resize(samples, length)
    return np.ascontiguousarray(samples[:length])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check_samples(file: Any, channel: Channel) -> float:
    """Decode what is used; return the peak of float samples, 0 for integer ones."""
    peak, lowest, highest = 0.0, 32767, -32768
    products = np.zeros((2, 2))
    for block in blocks(file, channel):
        if block.dtype != np.int16:
            peak = max(peak, float(np.abs(block).max()))
        heard = to_int16(block)
        if channel == RESIDUAL:
            pair = heard.astype(np.float64)
            products += pair.T @ pair
            heard = heard[:, 0]
        lowest, highest = min(lowest, int(heard.min())), max(highest, int(heard.max()))
    if lowest == highest:
        raise UnusableError("silent: all samples are equal")
    near, far = products.diagonal()
    if near * far and 1 - products[0, 1] ** 2 / (near * far) < _ONE_MICROPHONE:
        raise UnusableError("one microphone twice: both channels are alike, and nothing is left")
    return peak


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return samples (L,) or (L, 2), int16 or float of full scale 1, at another rate, as float.

    The result is of :func:`resampled_length`.
    """
    import soxr

    if samples.dtype == np.int16:
        samples = samples.astype(np.float32) / np.float32(_FULL_SCALE)
    samples = np.clip(samples, -1, 1)  # the filter's sums overflow on the largest floats
    resampled: np.ndarray = soxr.resample(samples, rate, wanted, quality="HQ")
    length = resampled_length(len(samples), rate, wanted)
    if len(resampled) < length:  # soxr rounds to none what is shorter than half a sample
        missing = [(0, length - len(resampled)), *[(0, 0)] * (samples.ndim - 1)]
        resampled = np.pad(resampled, missing)
    return resampled[:length]

"""Reading recordings (WAV, FLAC, OGG): what a file holds, and the canonical clip made of it.

A file's bytes are read once, hashed, and decoded from memory, so that the digest is the digest of
exactly the samples that are used.
"""

from __future__ import annotations

import hashlib
import io
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from asd.clips.container import shortfall
from asd.errors import JobError

SUFFIXES = frozenset({".wav", ".flac", ".ogg"})
FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG"})
RATES = range(100, 1_000_001)  # Hz; outside it, resampling may take minutes for a damaged header
_FULL_SCALE = 32768.0
_BLOCK_VALUES = 1 << 21  # values decoded at a time, over all channels
_LARGE_FILE = 1 << 26  # bytes from which the header is judged before the file is read
_UNKNOWN_LENGTH = 1 << 62  # from here on, what libsndfile says of a FLAC that was never closed


@dataclass(frozen=True)
class Signal:
    """The form in which every clip of a machine is used.

    Attributes:
        sample_rate: rate in Hz.
        length: samples of a clip; longer recordings are cut, shorter ones looped.
        channel: which channel of a recording is used, from 0.
    """

    sample_rate: int
    length: int
    channel: int


@dataclass(frozen=True)
class Limits:
    """What a recording's header may promise at most: seconds, and channels."""

    seconds: float
    channels: int


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


class _UnusableError(Exception):
    """A recording cannot be used; the text says why, as ``reason: details``."""


def probe(path: Path, channel: int, limits: Limits) -> Probe:
    """Read a file whole and say what it holds, and what is wrong with it if anything is.

    The header is judged against ``limits`` before anything is decoded, and decoding goes block by
    block: memory is bounded by the file's size, whatever its header promises.

    Args:
        path: the file.
        channel: the channel that will be used, from 0; its samples are checked.
        limits: what is too long, and too many channels.

    Returns:
        The file's header, digest and problem; a file that cannot be read is a problem, no error.
    """
    found = Probe()
    try:
        data = _read_file(path, limits)
        found = replace(found, digest=_digest(data))
        with _open(io.BytesIO(data)) as file:
            samples = file.frames if file.frames < _UNKNOWN_LENGTH else 0
            found = replace(
                found, sample_rate=file.samplerate, channels=file.channels, samples=samples
            )
            _check_whole(data)
            _check_header(file, channel, limits)
            return replace(found, peak=_check_samples(file, channel))
    except _UnusableError as reason:
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
    """
    try:
        data = _read_file(path)
        if digest is not None and _digest(data) != digest:
            raise JobError(f"{path}: changed since it was indexed; run 'asd index' again")
        with _open(io.BytesIO(data)) as file:
            _check_whole(data)
            _check_header(file, signal.channel, limits=None)
            samples = np.concatenate(list(_blocks(file, signal.channel)))
            rate = file.samplerate
    except _UnusableError as reason:
        raise JobError(f"{path}: {reason}; run 'asd index' again") from None
    if rate != signal.sample_rate:
        samples = _resample(samples, rate, signal.sample_rate)
    return fit(to_int16(samples), signal.length)


def resampled_length(samples: int, rate: int, wanted: int) -> int:
    """Return how many samples ``samples`` at ``rate`` Hz become at ``wanted`` Hz (at least 1)."""
    return max(1, (2 * samples * wanted + rate) // (2 * rate))


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Clip samples (L,) in float to full scale, 1, and round to int16; int16 passes through."""
    if samples.dtype == np.int16:
        return samples
    # Clipped first: the largest floats would overflow when scaled.
    scaled = np.rint(np.clip(samples, -1, 1) * _FULL_SCALE)
    return np.minimum(scaled, 32767).astype(np.int16)


def fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut samples (L,) to their first ``length``, or repeat them from the start to fill it."""
    if len(samples) < length:
        return np.resize(samples, length)
    return np.ascontiguousarray(samples[:length])


def _read_file(path: Path, limits: Limits | None = None) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a named pipe would wait for ever
            raise _UnusableError("not a file")
        if limits is not None and status.st_size > _LARGE_FILE:
            with _open(path) as file:
                _check_header(file, 0, limits)
        return path.read_bytes()
    except OSError as error:
        raise _UnusableError(f"cannot be read: {error.strerror}") from None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _open(source: io.BytesIO | Path) -> Any:
    try:
        file = soundfile.SoundFile(source)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise _UnusableError(f"not a WAV, FLAC or OGG recording: {reason}") from None
    if file.format not in FORMATS:
        found = file.format
        file.close()
        raise _UnusableError(f"not a WAV, FLAC or OGG recording: {found}")
    return file


def _check_header(file: Any, channel: int, limits: Limits | None) -> None:
    """Judge what the header says; without limits, only what reading cannot do without."""
    rate, channels, samples = file.samplerate, file.channels, file.frames
    if samples == 0:
        raise _UnusableError("no samples")
    if samples >= _UNKNOWN_LENGTH:
        raise _UnusableError("unknown length: the header does not say how many samples there are")
    if rate not in RATES:
        raise _UnusableError(f"impossible sample rate: {rate} Hz")
    if limits is not None and channels > limits.channels:
        raise _UnusableError(f"too many channels: {channels}, more than {limits.channels}")
    if channel >= channels:
        raise _UnusableError(f"channel out of range: {channel}, the channels are 0-{channels - 1}")
    if limits is not None and samples > limits.seconds * rate:
        seconds = f"{samples / rate:.2f} s, more than {limits.seconds:g} s"
        raise _UnusableError(f"too long: {seconds}")


def _check_whole(data: bytes) -> None:
    missing = shortfall(data)
    if missing:
        raise _UnusableError(f"cut short: {missing}")


def _blocks(file: Any, channel: int) -> Iterator[np.ndarray]:
    """Yield one channel's samples (n,), int16 or float32 in turn, and demand all of them."""
    kind = "int16" if file.subtype == "PCM_16" else "float32"
    size = max(1, _BLOCK_VALUES // file.channels)
    done = 0
    try:
        while done < file.frames:
            block = np.ascontiguousarray(file.read(size, dtype=kind, always_2d=True)[:, channel])
            if len(block) == 0:
                break
            if kind == "float32" and not np.isfinite(block).all():
                raise _UnusableError("NaN or infinite samples")
            done += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise _UnusableError(
            f"cut short: the header promises {file.frames} samples, decoding stopped ({reason})"
        ) from None
    if done < file.frames:
        raise _UnusableError(
            f"cut short: the header promises {file.frames} samples, {done} are there"
        )


def _check_samples(file: Any, channel: int) -> float:
    """Decode one channel; return the peak of float samples, 0 for integer ones."""
    peak, lowest, highest = 0.0, 32767, -32768
    for block in _blocks(file, channel):
        if block.dtype != np.int16:
            peak = max(peak, float(np.abs(block).max()))
        heard = to_int16(block)
        lowest, highest = min(lowest, int(heard.min())), max(highest, int(heard.max()))
    if lowest == highest:
        raise _UnusableError("silent: all samples are equal")
    return peak


def _resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    import soxr

    if samples.dtype == np.int16:
        samples = samples.astype(np.float32) / np.float32(_FULL_SCALE)
    samples = np.clip(samples, -1, 1)  # the filter's sums overflow on the largest floats
    resampled: np.ndarray = soxr.resample(samples, rate, wanted, quality="HQ")
    length = resampled_length(len(samples), rate, wanted)
    if len(resampled) < length:  # soxr rounds to none what is shorter than half a sample
        resampled = np.pad(resampled, (0, length - len(resampled)))
    return resampled[:length]

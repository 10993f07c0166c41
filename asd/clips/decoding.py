"""Decoding: from the bytes of a file to samples, or the reason why they cannot be used."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from asd.clips.container import shortfall
from asd.clips.plain import plain_samples

FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG"})
RATES = range(100, 1_000_001)  # Hz; outside it, resampling may take minutes for a damaged header
_BLOCK_VALUES = 1 << 21  # values decoded at a time, over all channels
_LARGE_FILE = 1 << 26  # bytes from which the header is judged before the file is read
# Encodings in which a sample is found without those before it; it is the same either way.
_RANDOM_ACCESS = frozenset(
    {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"}
)
UNKNOWN_LENGTH = 1 << 62  # from here on, what libsndfile says of a FLAC that was never closed


@dataclass(frozen=True)
class Limits:
    """What a recording's header may promise at most: seconds, and channels."""

    seconds: float
    channels: int


class UnusableError(Exception):
    """A recording cannot be used; the text says why, as ``reason: details``."""


def read_file(path: Path, limits: Limits | None = None) -> bytes:
    """Read a file; where limits are given, the header of a large one is judged before.

    Raises:
        UnusableError: it cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a named pipe would wait for ever
            raise UnusableError("not a file")
        if limits is not None and status.st_size > _LARGE_FILE:
            with open_sound(path) as file:
                check_header(file, 0, limits)
        return path.read_bytes()
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror}") from None


def open_sound(source: io.BytesIO | Path) -> Any:
    """Open a recording of one of the formats.

    Raises:
        UnusableError: it is none.
    """
    try:
        file = soundfile.SoundFile(source)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise UnusableError(f"not a WAV, FLAC or OGG recording: {reason}") from None
    if file.format not in FORMATS:
        found = file.format
        file.close()
        raise UnusableError(f"not a WAV, FLAC or OGG recording: {found}")
    return file


def check_header(file: Any, channel: int, limits: Limits | None) -> None:
    """Judge what the header says; without limits, only what reading cannot do without."""
    rate, channels, samples = file.samplerate, file.channels, file.frames
    if samples == 0:
        raise UnusableError("no samples")
    if samples >= UNKNOWN_LENGTH:
        raise UnusableError("unknown length: the header does not say how many samples there are")
    if rate not in RATES:
        raise UnusableError(f"impossible sample rate: {rate} Hz")
    if limits is not None and channels > limits.channels:
        raise UnusableError(f"too many channels: {channels}, more than {limits.channels}")
    if channel >= channels:
        raise UnusableError(f"channel out of range: {channel}, the channels are 0-{channels - 1}")
    if limits is not None and samples > limits.seconds * rate:
        seconds = f"{samples / rate:.2f} s, more than {limits.seconds:g} s"
        raise UnusableError(f"too long: {seconds}")


def check_whole(data: bytes) -> None:
    """Demand that nothing is missing of a file.

    Raises:
        UnusableError: it was cut short.
    """
    missing = shortfall(data)
    if missing:
        raise UnusableError(f"cut short: {missing}")


def blocks(file: Any, channel: int, begin: int = 0, end: int | None = None) -> Iterator[np.ndarray]:
    """Yield one channel's samples (n,), int16 or float32 in turn, and demand all of them."""
    kind = "int16" if file.subtype == "PCM_16" else "float32"
    size = max(1, _BLOCK_VALUES // file.channels)
    done, end = begin, file.frames if end is None else end
    try:
        if begin:
            file.seek(begin)
        while done < end:
            values = file.read(min(size, end - done), dtype=kind, always_2d=True)
            block = np.ascontiguousarray(values[:, channel])
            if len(block) == 0:
                break
            if kind == "float32" and not np.isfinite(block).all():
                raise UnusableError("NaN or infinite samples")
            done += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise UnusableError(
            f"cut short: the header promises {file.frames} samples, decoding stopped ({reason})"
        ) from None
    if done < end:
        raise UnusableError(
            f"cut short: the header promises {file.frames} samples, {done} are there"
        )


@dataclass(frozen=True)
class Decoded:
    """One channel of a recording, or a stretch of it.

    Attributes:
        sample_rate: rate in Hz.
        frames: samples that the whole recording has.
        begin: where the stretch begins.
        samples: (n,) int16 or float32.
    """

    sample_rate: int
    frames: int
    begin: int
    samples: np.ndarray


def decode(data: bytes, channel: int, stretch: Callable[[int, int], tuple[int, int]]) -> Decoded:
    """Decode one channel of a file's bytes, or only what is needed of it.

    Args:
        data: the file.
        channel: the channel, from 0.
        stretch: from the rate and the samples of the recording, which of them are needed (begin and
            end). Encodings in which a sample cannot be found by itself are decoded whole.

    Raises:
        UnusableError: the file cannot be used.
    """
    plain = plain_samples(data)
    if plain is not None and plain[0] in RATES and channel < plain[1].shape[1]:
        # Going through the decoder takes longer than a log-mel does.
        rate, values = plain
        begin, end = stretch(rate, len(values))
        samples = values[begin:end, channel].astype(np.int16, copy=False)
        return Decoded(rate, len(values), begin, samples)
    with open_sound(io.BytesIO(data)) as file:
        check_whole(data)
        check_header(file, channel, limits=None)
        begin, end = stretch(file.samplerate, file.frames)
        if file.subtype not in _RANDOM_ACCESS:
            begin, end = 0, file.frames
        samples = np.concatenate(list(blocks(file, channel, begin, end)))
        return Decoded(file.samplerate, file.frames, begin, samples)

"""Decoding: from the bytes of a file to samples, or the reason why they cannot be used.

16-bit WAV files in their plainest form are taken over from memory without a decoder. The decoder
quietly takes what it finds of a file that was cut short, so what a WAV or OGG file's own structure
promises is compared with what is there. (FLAC needs none of that: its decoder notices.)
"""

from __future__ import annotations

import io
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile

from asd.clips.channels import columns, needed
from asd.config import RESIDUAL, Channel

FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG"})
RATES = range(100, 1_000_001)  # Hz; outside it, resampling may take minutes for a damaged header
_BLOCK_VALUES = 1 << 21  # values decoded at a time, over all channels
_LARGE_FILE = 1 << 26  # bytes from which the header is judged before the file is read
# Encodings in which a sample is found without those before it; it is the same either way.
_RANDOM_ACCESS = frozenset(
    {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"}
)
UNKNOWN_LENGTH = 1 << 62  # from here on, what libsndfile says of a FLAC that was never closed
_HEADER = struct.Struct("<4sI8sIHHIIHH4sI")
_UNKNOWN = 0xFFFFFFFF  # the size that a stream writes when it does not know better
_LAST_PAGE = 0x04


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


def check_header(file: Any, channel: Channel, limits: Limits | None) -> None:
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
    if channel == RESIDUAL and channels < 2:
        raise UnusableError("channel out of range: a residual needs two, and there is one")
    if needed(channel) > channels:
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


def blocks(
    file: Any, channel: Channel, begin: int = 0, end: int | None = None
) -> Iterator[np.ndarray]:
    """Yield one channel's samples (n,), int16 or float32 in turn, and demand all of them.

    Of a residual they are those of both channels, (n, 2).
    """
    kind = "int16" if file.subtype == "PCM_16" else "float32"
    size = max(1, _BLOCK_VALUES // file.channels)
    done, end = begin, file.frames if end is None else end
    try:
        if begin:
            file.seek(begin)
        while done < end:
            values = file.read(min(size, end - done), dtype=kind, always_2d=True)
            block = np.ascontiguousarray(values[:, columns(channel)])
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
    """One channel of a recording (of a residual both that it is made of), or a stretch of it.

    Attributes:
        sample_rate: rate in Hz.
        frames: samples that the whole recording has.
        begin: where the stretch begins.
        samples: (n,) or (n, 2), int16 or float32.
    """

    sample_rate: int
    frames: int
    begin: int
    samples: np.ndarray


def decode(
    data: bytes, channel: Channel, stretch: Callable[[int, int], tuple[int, int]]
) -> Decoded:
    """Decode one channel of a file's bytes, or only what is needed of it.

    Args:
        data: the file.
        channel: the channel.
        stretch: from the rate and the samples of the recording, which of them are needed (begin and
            end). Encodings in which a sample cannot be found by itself are decoded whole.

    Raises:
        UnusableError: the file cannot be used.
    """
    plain = plain_samples(data)
    if plain is not None and plain[0] in RATES and needed(channel) <= plain[1].shape[1]:
        # Going through the decoder takes longer than a log-mel does.
        rate, values = plain
        begin, end = stretch(rate, len(values))
        samples = values[begin:end, columns(channel)].astype(np.int16, copy=False)
        return Decoded(rate, len(values), begin, samples)
    with open_sound(io.BytesIO(data)) as file:
        check_whole(data)
        check_header(file, channel, limits=None)
        begin, end = stretch(file.samplerate, file.frames)
        if file.subtype not in _RANDOM_ACCESS:
            begin, end = 0, file.frames
        samples = np.concatenate(list(blocks(file, channel, begin, end)))
        return Decoded(file.samplerate, file.frames, begin, samples)


def plain_samples(data: bytes) -> tuple[int, np.ndarray] | None:
    """Return the sample rate in Hz and the samples (L, channels) int16 of a whole WAV file.

    Args:
        data: the file's bytes.

    Returns:
        None unless the file is a header of 44 bytes that agrees with itself and with what follows,
        and 16-bit samples to the end: all else, damaged files too, is the decoder's to judge. The
        samples are a view of ``data``.
    """
    if len(data) <= _HEADER.size:
        return None
    riff, whole, form, size, kind, channels, rate, speed, align, bits, chunk, rest = (
        _HEADER.unpack_from(data)
    )
    named = (riff, form, chunk) == (b"RIFF", b"WAVEfmt ", b"data")
    if not named or (size, kind, bits) != (16, 1, 16) or channels == 0:
        return None
    if align != 2 * channels or speed != rate * align:
        return None
    if whole != len(data) - 8 or rest != len(data) - _HEADER.size or rest % align:
        return None
    return rate, np.frombuffer(data, "<i2", offset=_HEADER.size).reshape(-1, channels)


def shortfall(data: bytes) -> str:
    """Say what is missing of a recording's bytes; ``""`` where nothing is.

    Args:
        data: the whole file; formats other than RIFF WAV and OGG are not judged.
    """
    if data[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return _wav_shortfall(data)
    if data[:4] == b"OggS":
        return _ogg_shortfall(data)
    return ""


def _wav_shortfall(data: bytes) -> str:
    """Compare the size of the ``data`` chunk with the bytes that follow it."""
    order: Literal["big", "little"] = "big" if data[:4] == b"RIFX" else "little"
    position, long_size = 12, _UNKNOWN
    while position + 8 <= len(data):
        chunk = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], order)
        position += 8
        if chunk == b"ds64":  # RF64 keeps the size of its data here: 8 bytes after the RIFF size
            long_size = int.from_bytes(data[position + 8 : position + 16], order)
        if chunk == b"data":
            promised = long_size if size == _UNKNOWN else size
            there = len(data) - position
            if promised != _UNKNOWN and promised > there:
                return f"the header promises {promised} bytes of samples, {there} are there"
            return ""
        position += size + size % 2
    return ""


def _ogg_shortfall(data: bytes) -> str:
    """Demand that the last page is marked as the last and is there to its end (RFC 3533)."""
    page = data.rfind(b"OggS")
    header = data[page : page + 27]
    if len(header) < 27 or not header[5] & _LAST_PAGE:
        return "the last page of the OGG stream is missing"
    sizes = data[page + 27 : page + 27 + header[26]]
    if page + 27 + header[26] + sum(sizes) > len(data):
        return "the last page of the OGG stream is not whole"
    return ""

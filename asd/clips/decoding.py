"""Decoding: from the bytes of a file to samples, or the reason why they cannot be used.

16-bit WAV files in their plainest form are taken over from memory without a decoder. The decoder
quietly takes what it finds of a file that was cut short, so what the file's own structure promises
is compared with what is there. (FLAC needs none of that: its decoder notices. An MP3 promises
nothing.) A size that stands for "not known yet" promises nothing either: a recorder that lost its
power never came back to write the true one, and all that is there is read.

What libsndfile does not read, FFmpeg does where it is installed.
"""

from __future__ import annotations

import io
import mmap
import shutil
import stat
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import soundfile

from asd.clips.channels import columns, needed
from asd.config import RESIDUAL, Channel

FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64"})
_OWN = "wav wave rf64 w64 flac ogg oga opus mp3 aif aiff aifc au snd caf"
_FFMPEG = "3gp aac ac3 amr ape m4a mka mp4 wma webm wv"
SUFFIXES = frozenset(f".{name}" for name in _OWN.split(" "))
"""What libsndfile reads."""
FFMPEG_SUFFIXES = frozenset(f".{name}" for name in _FFMPEG.split(" "))
"""What FFmpeg reads, where it is installed."""
READABLE = "WAV, FLAC, OGG or MP3"
RATES = range(100, 1_000_001)  # Hz; outside it, resampling may take minutes for a damaged header
_BLOCK_VALUES = 1 << 21  # values decoded at a time, over all channels
_LARGE_FILE = 1 << 26  # bytes from which the header is judged before the file is read
UNKNOWN_LENGTH = 1 << 62  # from here on, what libsndfile says of a FLAC that was never closed
_HEADER = struct.Struct("<4sI8sIHHIIHH4sI")
# From here on a size is what a recorder writes while it does not know better.
_PLACEHOLDER, _UNKNOWN = 0x7FFFF000, 0xFFFFFFFF
_LAST_PAGE = 0x04
_NO_FILE = "not a file"  # to read a named pipe would wait for ever

Data = bytes | bytearray | mmap.mmap
"""The contents of a file: in memory, or mapped into it where it is large."""


@dataclass(frozen=True)
class Limits:
    """What a recording's header may promise at most: seconds, and channels."""

    seconds: float
    channels: int


class UnusableError(Exception):
    """A recording cannot be used; the text says why, as ``reason: details``."""


def read_file(path: Path, limits: Limits | None = None) -> Data:
    """Read a file; where limits are given, the header of a large one is judged before.

    A large file is mapped and not read, so that hours of sound do not fill the memory.

    Raises:
        UnusableError: it cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnusableError(_NO_FILE)
        if status.st_size <= _LARGE_FILE:
            return path.read_bytes()
        with path.open("rb") as opened:
            data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
        found = _sample_chunk(data)
        is_open = found is not None and found.is_open(data)
        if limits is not None and not is_open and path.suffix.lower() in SUFFIXES:
            with open_contents(data) as file:
                check_header(file, 0, limits)
        return data
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror}") from None


def readable(data: Data, path: Path) -> tuple[Data, str]:
    """Return a file's contents as libsndfile takes them, and what had to be done; ``""`` if none.

    Raises:
        UnusableError: FFmpeg is needed and missing, or cannot read the file; or it was cut short.
    """
    if path.suffix.lower() in FFMPEG_SUFFIXES:
        return _to_end(_converted(path))[0], "converted by FFmpeg"
    data, unclosed = _to_end(data)
    missing = shortfall(data)
    if missing:
        raise UnusableError(f"cut short: {missing}")
    return data, "never closed, read to its end" if unclosed else ""


def _converted(path: Path) -> bytes:
    """Return what FFmpeg makes of a file: a WAV of 16 bits."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise UnusableError(without_ffmpeg(path.suffix))
    command = [ffmpeg, "-nostdin", "-v", "error", "-i", f"file:{path}", "-vn", "-f", "wav"]
    done = subprocess.run([*command, "-c:a", "pcm_s16le", "-"], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise UnusableError(f"FFmpeg cannot read it: {reason[-1] if reason else 'no sound'}")
    return done.stdout


def without_ffmpeg(suffix: str) -> str:
    """Say what to do about a format that only FFmpeg reads, as ``reason: details``."""
    return f"format not read: {suffix.lower()} needs FFmpeg; install it, or convert to WAV or FLAC"


def open_sound(source: io.IOBase | Path) -> Any:
    """Open a recording of one of the formats.

    Raises:
        UnusableError: it is none.
    """
    if isinstance(source, Path) and not source.is_file():
        raise UnusableError(_NO_FILE)
    try:
        file = soundfile.SoundFile(source)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise UnusableError(f"not a {READABLE} recording: {reason}") from None
    if file.format not in FORMATS:
        found = file.format
        file.close()
        raise UnusableError(f"not a {READABLE} recording: {found}")
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


def blocks(file: Any, channel: Channel, full_scale: float = 1.0) -> Iterator[np.ndarray]:
    """Yield one channel's samples (n,), int16 or float32 in turn, and demand all of them.

    Of a residual they are those of both channels, (n, 2). What is stored as floats is divided by
    ``full_scale``.
    """
    kind = "int16" if file.subtype == "PCM_16" else "float32"
    size = max(1, _BLOCK_VALUES // file.channels)
    scaled = is_float(file) and full_scale != 1
    done = 0
    try:
        if file.tell():
            file.seek(0)
        while done < file.frames:
            values = file.read(min(size, file.frames - done), dtype=kind, always_2d=True)
            block = np.ascontiguousarray(values[:, columns(channel)])
            if len(block) == 0:
                break
            if kind == "float32" and not np.isfinite(block).all():
                raise UnusableError("NaN or infinite samples")
            done += len(block)
            yield block / np.float32(full_scale) if scaled else block
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise UnusableError(
            f"cut short: the header promises {file.frames} samples, decoding stopped ({reason})"
        ) from None
    if done < file.frames:
        raise UnusableError(
            f"cut short: the header promises {file.frames} samples, {done} are there"
        )


def is_float(file: Any) -> bool:
    """Return whether samples are stored as floats, whose full scale is whatever was meant."""
    return file.subtype in ("FLOAT", "DOUBLE")


class Plain:
    """A 16-bit WAV file in its plainest form, read as libsndfile reads it but without a copy.

    Args:
        rate: sample rate in Hz.
        samples: (L, channels) int16, a view of the file's contents.
    """

    format, subtype = "WAV", "PCM_16"

    def __init__(self, rate: int, samples: np.ndarray) -> None:
        self.samplerate, self.samples = rate, samples
        self.frames, self.channels = samples.shape
        self._at = 0

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self) -> int:
        return self._at

    def seek(self, place: int) -> None:
        self._at = place

    def read(self, count: int, dtype: str = "int16", always_2d: bool = True) -> np.ndarray:
        """Return the next samples (count, channels) int16."""
        self._at += count
        return self.samples[self._at - count : self._at]


def open_contents(data: Data) -> Any:
    """Open the contents of a file; see :func:`open_sound`.

    Going through the decoder takes longer than a log-mel does, so a plain file does not.
    """
    plain = plain_samples(data)
    if plain is not None:
        return Plain(*plain)
    return open_sound(_Mapped(data) if isinstance(data, mmap.mmap) else io.BytesIO(data))


class _Mapped(io.RawIOBase):
    """A mapped file from its beginning, which may be looked for beyond its end.

    The decoder does so where a header promises more; a map itself refuses, and what refuses in the
    decoder's callback is printed.
    """

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the beginning, from here or from the end."""
        self._at = max(0, offset + (0, self._at, len(self._data))[whence])
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes there were."""
        found = self._data[self._at : self._at + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def plain_samples(data: Data) -> tuple[int, np.ndarray] | None:
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


def shortfall(data: Data) -> str:
    """Say what is missing of a recording's bytes; ``""`` where nothing is.

    Args:
        data: the whole file; FLAC and MP3 are not judged.
    """
    if data[:4] == b"OggS":
        return _ogg_shortfall(data)
    found = _sample_chunk(data)
    if found is None or found.is_open(data) or found.size <= len(data) - found.start:
        return ""
    there = len(data) - found.start
    return f"the header promises {found.size} bytes of samples, {there} are there"


class _Chunk(NamedTuple):
    """Where the samples of a file are: their first byte, and the size that the header gives."""

    start: int
    size: int

    def is_open(self, data: Data) -> bool:
        """Return whether the size only stands for one that was to be written later."""
        there = len(data) - self.start
        if self.size == 0:  # a file without samples may have other chunks behind them
            return there > 0 and not _are_chunks(data, self.start)
        return self.size >= _PLACEHOLDER and self.size > there


def _to_end(data: Data) -> tuple[Data, bool]:
    """Return a file whose samples go on to its end, and whether that had to be written into it."""
    found = _sample_chunk(data)
    if found is None or not found.is_open(data):
        return data, False
    there = len(data) - found.start
    if data[:4] in (b"RIFF", b"RF64") and len(data) < _UNKNOWN:
        # RF64 is RIFF with its sizes elsewhere. (The decoder knows the placeholders of others.)
        mended = data if isinstance(data, mmap.mmap) else bytearray(data)
        mended[:4], mended[4:8] = b"RIFF", struct.pack("<I", len(data) - 8)
        mended[found.start - 4 : found.start] = struct.pack("<I", there)
        return mended, True
    return data, True


# By the first bytes of a file: where its chunks begin; the bytes of a chunk's name and of its size,
# and their order; what the chunks are aligned to; and the name of the one with the samples.
_CHUNKED: dict[bytes, tuple[int, int, int, Literal["little", "big"], int, bytes]] = {
    b"RIFF": (12, 4, 4, "little", 2, b"data"),
    b"RF64": (12, 4, 4, "little", 2, b"data"),
    b"RIFX": (12, 4, 4, "big", 2, b"data"),
    b"FORM": (12, 4, 4, "big", 2, b"SSND"),
    b"caff": (8, 4, 8, "big", 1, b"data"),
    b"riff": (40, 16, 8, "little", 8, b"data"),  # W64, whose sizes count name and size too
}


def _sample_chunk(data: Data) -> _Chunk | None:
    """Return the chunk of the samples; None where the format has none or it is missing."""
    form = bytes(data[:4])
    if form == b".snd":  # AU
        return _Chunk(*(int.from_bytes(data[at : at + 4], "big") for at in (4, 8)))
    if form not in _CHUNKED:
        return None
    position, of_name, of_size, order, align, wanted = _CHUNKED[form]
    long_size = 0
    while position + of_name + of_size <= len(data):
        name, start = data[position : position + 4], position + of_name + of_size
        size = int.from_bytes(data[start - of_size : start], order)
        if form == b"riff":
            size = max(0, size - of_name - of_size)
        if name == b"ds64":  # RF64 keeps the size of its data here: 8 bytes after the RIFF size
            long_size = int.from_bytes(data[start + 8 : start + 16], "little")
        if name == wanted:
            return _Chunk(start, long_size if form == b"RF64" and size == _UNKNOWN else size)
        position = start + size + -size % align
    return None


def _are_chunks(data: Data, position: int) -> bool:
    """Return whether chunks of RIFF follow one another from a place to the end of the file."""
    while position + 8 <= len(data):
        if not bytes(data[position : position + 4]).isalnum():
            return False
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return position == len(data)


def _ogg_shortfall(data: Data) -> str:
    """Demand that the last page is marked as the last and is there to its end (RFC 3533)."""
    page = data.rfind(b"OggS")
    header = data[page : page + 27]
    if len(header) < 27 or not header[5] & _LAST_PAGE:
        return "the last page of the OGG stream is missing"
    sizes = data[page + 27 : page + 27 + header[26]]
    if page + 27 + header[26] + sum(sizes) > len(data):
        return "the last page of the OGG stream is not whole"
    return ""

"""16-bit WAV files in their plainest form, taken over from memory without a decoder."""

from __future__ import annotations

import struct

import numpy as np

_HEADER = struct.Struct("<4sI8sIHHIIHH4sI")


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

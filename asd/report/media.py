"""Sounds and pictures as data URIs, so that the report is one file."""

from __future__ import annotations

import base64
import io
import struct
import wave
import zlib
from collections.abc import Sequence

import numpy as np

_FRAMES = 640  # of a picture: more than a screen shows of it


def wav_uri(samples: np.ndarray, sample_rate: int) -> str:
    """Return a clip, int16 (L,), as the data URI of a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(samples, "<i2").tobytes())
    return _uri("audio/wav", buffer.getvalue())


def png_uri(picture: bytes) -> str:
    """Return a PNG file as a data URI."""
    return _uri("image/png", picture)


def wav_uri_size(samples: int) -> int:
    """Return how many characters :func:`wav_uri` makes of so many samples, to within a few."""
    return (44 + 2 * samples) * 4 // 3


def spectrogram_uris(pictures: Sequence[np.ndarray]) -> list[str]:
    """Return log-mel spectrograms (F, T) as data URIs of PNG pictures, low frequencies below.

    All share one scale of colours, so that they can be compared by eye.
    """
    if not pictures:
        return []
    values = [_narrowed(np.nan_to_num(picture.astype(np.float32))) for picture in pictures]
    low, high = np.percentile(np.concatenate([v.ravel() for v in values]), [1.0, 99.9])
    span = max(float(high - low), 1e-6)
    levels = [np.clip((v[::-1] - low) / span * 255, 0, 255).astype(np.uint8) for v in values]
    palette = _palette()
    return [_uri("image/png", _png(level, palette)) for level in levels]


def _narrowed(picture: np.ndarray) -> np.ndarray:
    """Return (F, T) with neighbouring frames averaged where there are more than are shown."""
    together = -(-picture.shape[1] // _FRAMES)
    whole = picture.shape[1] // together * together
    return picture[:, :whole].reshape(len(picture), -1, together).mean(axis=2)


def _palette() -> bytes:
    """Return 256 colours, dark to bright, of equal steps to the eye."""
    from matplotlib import colormaps

    return bytes(colormaps["magma"](np.arange(256), bytes=True)[:, :3].tobytes())


def _png(levels: np.ndarray, palette: bytes) -> bytes:
    """Return a PNG of indices (H, W) into a palette: a third of the size of one with colours."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    height, width = levels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"PLTE", palette),
            chunk(b"IDAT", zlib.compress(rows, 9)),
            chunk(b"IEND", b""),
        )
    )


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

"""Sounds and pictures as data URIs, so that the report is one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

_FRAMES = 640  # of a picture: more than a screen shows of it
_COMPRESSION = 0.3  # of sounds: about 45 kbit/s at 16 kHz
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # what MP3 knows


def encoded(samples: np.ndarray, sample_rate: int) -> bytes:
    """Return int16 (L,) as an MP3 file, which every browser plays: a sixth of the samples."""
    import soundfile
    from scipy import signal

    rate = next((one for one in _RATES if one >= sample_rate), _RATES[-1])
    if rate != sample_rate:
        samples = signal.resample_poly(samples.astype(np.float64), rate, sample_rate)
        samples = np.clip(np.rint(samples), -(2**15), 2**15 - 1).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        samples,
        rate,
        format="MP3",
        bitrate_mode="VARIABLE",
        compression_level=_COMPRESSION,
    )
    return buffer.getvalue()


def sound_uri(file: bytes) -> str:
    """Return an encoded sound as a data URI."""
    return _uri("audio/mpeg", file)


def spectrogram_uris(
    pictures: Sequence[np.ndarray], frames: int = _FRAMES, bands: int = 0
) -> list[str]:
    """Return log-mel spectrograms (F, T) as data URIs of PNG pictures, low frequencies below.

    All share one scale of colours, so that they can be compared by eye.

    Args:
        pictures: the log-mels.
        frames: of a picture at most; neighbours are averaged.
        bands: the same for bands; 0 for all.
    """
    if not pictures:
        return []
    values = [np.nan_to_num(picture.astype(np.float32)) for picture in pictures]
    values = [_narrowed(_narrowed(v, frames).T, bands or v.shape[0]).T for v in values]
    low, high = np.percentile(np.concatenate([v.ravel() for v in values]), [1.0, 99.9])
    span = max(float(high - low), 1e-6)
    levels = [np.clip((v[::-1] - low) / span * 255, 0, 255).astype(np.uint8) for v in values]
    return [_uri("image/png", _png(level)) for level in levels]


def _narrowed(picture: np.ndarray, most: int) -> np.ndarray:
    """Return (F, T) with neighbouring columns averaged where there are more than ``most``."""
    together = -(-picture.shape[1] // most)
    whole = picture.shape[1] // together * together
    return picture[:, :whole].reshape(len(picture), -1, together).mean(axis=2)


def _png(levels: np.ndarray) -> bytes:
    """Return a PNG of indices (H, W) into a palette: a third of the size of one with colours.

    Its 256 colours go from dark to bright in equal steps to the eye.
    """
    from matplotlib import colormaps
    from PIL import Image

    picture, file = Image.fromarray(levels), io.BytesIO()
    picture.putpalette(colormaps["magma"](np.arange(256), bytes=True)[:, :3].tobytes())
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

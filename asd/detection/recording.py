"""Recordings of any length, and the clips (windows) that are cut from them."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asd.artifact import stamp_of
from asd.clip_table import window_place
from asd.clips.audio import (
    Limits,
    Signal,
    clip_at,
    listen,
    probe,
    read_samples,
    resample,
    to_int16,
    without_mean,
)
from asd.clips.decoding import UnusableError
from asd.clips.likeness import Likeness, Listening
from asd.clips.windows import window_starts as window_starts  # for whoever cuts recordings here
from asd.config import RESIDUAL
from asd.digest import sha256_bytes
from asd.errors import JobError, UsageError

# What to do about a recording that cannot be used, by how the reason begins.
_WAYS_OUT = {
    "too long": "raise index.max_seconds",
    "too many channels": "raise index.max_channels",
    "channel out of range": "index.channel says which one the model hears",
}


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording at the rate of a model's clips.

    Attributes:
        name: what it is called in results.
        samples: (n,) int16, one channel; or (n, 2), both that the model hears the residual of.
        digest: SHA-256 of the file's bytes; ``""`` for samples that came from no file.
        start: the sample of the file at which it begins, where it is one window of it.
        facts: what it is like as a recording, where that is known.
    """

    name: str
    samples: np.ndarray
    digest: str = ""
    start: int = 0
    facts: Likeness | None = None


class SilentError(JobError):
    """There is no sound in a recording."""


def read_recording(path: Path, signal: Signal, limits: Limits) -> Recording:
    """Read a recording whole, with the checks, the channel and the resampling of the index.

    Of ``long.wav#t=70``, where there is no file of that name, the one clip from 70 s on is read.

    Raises:
        JobError: it cannot be used; the message says why.
    """
    if not path.exists():
        file, second = window_place(str(path))
        if second is not None:
            return _window(read_recording(Path(file), signal, limits), second, signal)
    before = stamp_of((path,))
    try:
        recording = _read(path, signal, limits)
    except JobError:
        if stamp_of((path,)) in (before, ()):
            raise
    else:
        # It is read more than once, and its digest is to be that of its samples.
        if stamp_of((path,)) in (before, ()):
            return recording
    raise JobError(f"{path}: changed while it was read; give it again when it is written")


def _read(path: Path, signal: Signal, limits: Limits) -> Recording:
    found = probe(path, signal.channel, limits, signal.full_scale)
    if found.problem:
        way_out = _WAYS_OUT.get(found.problem.partition(":")[0], "")
        raise _unusable(str(path), found.problem + (f"; {way_out}" if way_out else ""))
    return Recording(str(path), read_samples(path, signal), found.digest, facts=found.facts)


def _unusable(name: str, reason: str) -> JobError:
    kind = SilentError if reason.startswith("silent") else JobError
    return kind(f"{name}: {reason}")


def _window(whole: Recording, second: float, signal: Signal) -> Recording:
    start = round(second * signal.sample_rate)
    if start >= len(whole.samples):
        seconds = len(whole.samples) / signal.sample_rate
        raise JobError(f"{whole.name}#t={second:g}: the recording ends at {seconds:g} s")
    name, samples = f"{whole.name}#t={second:g}", whole.samples[start : start + signal.length]
    return replace(whole, name=name, samples=samples, start=start)


def recordings_of(waves: Any, signal: Signal, limits: Limits) -> list[Recording]:
    """Return the recordings that a caller gave: paths, waves (n, L), or waves of any lengths.

    Args:
        waves: a path; or a sequence, or an array, of paths, of waves (n,), int16 or float with full
            scale 1, at the rate of ``signal``, and of pairs (wave, rate in Hz). Where the model
            hears the residual of two channels, a wave is (n, 2).
        signal: the form of the model's clips.
        limits: what is too long, and too many channels.

    Raises:
        UsageError: something is no wave.
        JobError: a file cannot be used; or a wave, for it is silent, or beyond full scale.
    """
    if isinstance(waves, str | os.PathLike):
        waves = [waves]
    if isinstance(waves, np.ndarray) and waves.dtype.kind in "OU" and waves.ndim == 1:
        waves = waves.tolist()
    axes = 2 if signal.channel == RESIDUAL else 1
    if isinstance(waves, np.ndarray) and waves.ndim != axes + 1:
        raise UsageError(
            f"waves of shape {waves.shape}: give {'(n, L)' if axes == 1 else '(n, L, 2)'}, or a"
            " list of waves or paths; a single wave as [wave]"
        )
    if _is_with_rate(waves, axes):
        waves = [waves]
    return [_recording(wave, number, signal, limits) for number, wave in enumerate(waves)]


def _recording(wave: Any, number: int, signal: Signal, limits: Limits) -> Recording:
    if isinstance(wave, Recording):
        return wave
    if isinstance(wave, str | os.PathLike):
        return read_recording(Path(wave), signal, limits)
    axes, rate = 2 if signal.channel == RESIDUAL else 1, signal.sample_rate
    if _is_with_rate(wave, axes):
        wave, rate = wave
        if np.ndim(wave) != axes or not isinstance(rate, int | float | np.number) or not rate > 0:
            raise UsageError(f"wave {number}: give (wave, rate), the rate in Hz above 0")
    samples = _samples(wave, number, axes)
    is_float = samples.dtype != np.int16
    if is_float:
        samples = samples / signal.full_scale
    try:
        facts, _ = listen(
            lambda: iter([samples]),
            Listening(int(rate), axes),
            signal.full_scale if is_float else None,
        )
    except UnusableError as reason:
        raise _unusable(f"wave {number}", str(reason)) from None
    if rate != signal.sample_rate:
        samples = resample(samples, int(rate), signal.sample_rate)
    elif is_float:
        samples = without_mean(samples, samples.mean(axis=0))
    return Recording(str(number), to_int16(samples), facts=facts)


def _is_with_rate(wave: Any, axes: int) -> bool:
    """Return whether this is a pair (wave, rate), a wave having so many ``axes``."""
    if not (isinstance(wave, tuple) and len(wave) == 2 and np.ndim(wave[1]) == 0):
        return False
    return np.ndim(wave[0]) == axes or np.isscalar(wave[0])


def write_sound(path: Path, samples: np.ndarray, rate: int) -> None:
    """Keep samples (n,) or (n, 2) int16 as the model hears them, in a FLAC file.

    Raises:
        OSError: the file cannot be written.
    """
    import soundfile

    # Their library tells of a full disk as of a decoder that does not begin.
    content = io.BytesIO()
    soundfile.write(content, samples, rate, "PCM_16", format="FLAC")
    path.write_bytes(content.getbuffer())


def read_sound(path: Path) -> np.ndarray:
    """Return what :func:`write_sound` kept, sample by sample.

    Raises:
        OSError: the file cannot be read.
    """
    import soundfile

    # Their library reports a file that is gone by an error of its own.
    with path.open("rb") as file:
        return soundfile.read(file, dtype="int16")[0]


def identified(recording: Recording) -> Recording:
    """Return a recording with a digest: that of its samples where it came from no file."""
    if recording.digest:
        return recording
    return replace(recording, digest=sha256_bytes(recording.samples.tobytes()))


def windows(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut samples (n,) or (n, 2) into clips (W, length) int16, as the index cuts recordings."""
    starts = window_starts(len(samples), length)
    return np.stack([clip_at(samples, start, length) for start in starts])


def expand(recordings: Sequence[Recording], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows (n, length) of all recordings, and whose (n,) each of them is."""
    cut = [windows(recording.samples, length) for recording in recordings]
    owner = np.repeat(np.arange(len(cut)), [len(one) for one in cut])
    return np.concatenate(cut), owner


def _samples(wave: Any, number: int, axes: int) -> np.ndarray:
    try:
        samples = np.asarray(wave)
    except ValueError:
        raise UsageError(f"wave {number}: no array of samples, and no (wave, rate)") from None
    if samples.ndim != axes or not len(samples) or samples.shape[1:] != (2,) * (axes - 1):
        form = "(n,)" if axes == 1 else "(n, 2)"
        raise UsageError(f"wave {number}: of shape {samples.shape}, not {form} with n > 0")
    if samples.dtype != np.int16 and samples.dtype.kind != "f":
        raise UsageError(f"wave {number}: of type {samples.dtype}; give int16, or float up to 1")
    if not np.isfinite(samples).all():
        raise UsageError(f"wave {number}: NaN or infinite samples")
    return samples

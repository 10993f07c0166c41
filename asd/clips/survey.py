"""What a folder of recordings holds, in words for whoever has just pointed at it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd.clips.decoding import UnusableError, blocks, is_float, open_sound
from asd.clips.index import Indexed
from asd.clips.likeness import by_code
from asd.clips.record import Clip
from asd.clips.scan import find_recordings, folder_of
from asd.config import RESIDUAL, Channel, IndexConfig
from asd.progress import counted

_BEYOND = 1.1  # of half the used rate
_LOOKED_AT = 6  # recordings whose channels are compared
_POINTS = 1024
_FAR_QUIETER, _SILENT = 20.0, -100.0  # dB, and dB of full scale
_NOTHING_IN_COMMON = 0.2


def describe(clips: Sequence[Clip], sample_rate: int) -> str:
    """Return how many recordings there are, of what kind, and the clips that they become.

    Args:
        clips: a machine's index, or a preview of it.
        sample_rate: the rate of the clips in Hz.
    """
    recordings = {clip.path: clip for clip in clips}
    usable = [clip for clip in clips if clip.usable]
    of_usable = {clip.path: clip for clip in usable}.values()
    parts = [counted(len(recordings), "recording")]
    if usable:
        parts[0] += f" of {_span(clip.samples / clip.sample_rate for clip in of_usable)} s"
        parts.append(_listed(f"{clip.sample_rate} Hz" for clip in of_usable))
        channels = {clip.channels for clip in of_usable}
        if channels != {1}:
            parts.append(f"{' or '.join(map(str, sorted(channels)))} channels")
        splits = Counter(clip.split for clip in usable)
        windows = "windows" if any(clip.name != clip.recording for clip in usable) else "clips"
        parts.append(
            f"used as {len(usable):,} {windows} of {usable[0].length / sample_rate:g} s"
            f" ({splits['train']:,} train, {splits['test']:,} test)"
        )
        sections = sorted({clip.section for clip in usable})
        if len(sections) > 1:
            parts.append(f"sections {' '.join(sections)}")
        states = {clip.attributes for clip in usable if clip.attributes}
        if states:
            parts.append(counted(len(states), "operating state"))
    unusable = len(recordings) - len(of_usable)
    if unusable:
        parts.append(f"{unusable:,} not used")
    return ", ".join(parts)


def left_out(clips: Sequence[Clip]) -> list[str]:
    """Return why recordings are not used: of each reason how many, and which is the first."""
    paths: dict[str, list[str]] = {}
    for clip in clips:
        if not clip.usable:
            paths.setdefault(clip.status, []).append(clip.path)
    return [
        f"{found[0]}{f' and {len(found) - 1:,} more' if len(found) > 1 else ''}: {reason}"
        for reason, found in sorted(paths.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def odd(found: Indexed, index: IndexConfig) -> Iterator[str]:
    """Yield what is odd in a machine's recordings, and the key of the params that is about it."""
    for one in by_code(found.remarks).values():
        more = f" and {one.recordings - 1:,} more" if one.recordings > 1 else ""
        yield f"{one.first}{more}: {one.text}"
    widths = [facts.bandwidth for facts in found.facts.values()]
    heard = index.sample_rate / 2
    if widths and median(widths) > _BEYOND * heard:
        yield (
            f"sound up to {median(widths) / 1000:.1f} kHz, of which what is above {heard / 1000:g}"
            f" kHz is not heard; index.sample_rate, {index.sample_rate}, says how far it is"
        )


def suggest(
    raw: Path, machines: Sequence[str], index: IndexConfig, warn: Callable[[str], object]
) -> dict[str, Any]:
    """Return what of the index is to be another than by default: channel and full scale.

    The channel, where another carries the machine and the one that would be used does not; full
    scale, where most recordings that are stored as floats are in another unit.
    """
    files = {
        machine: [one.file for one in find_recordings(folder_of(raw, machine)) if not one.problem]
        for machine in machines
    }
    chosen: dict[str, Any] = {}
    carrying = {name: _carrying(of, index.channel) for name, of in files.items()}
    told = {name: channel for name, channel in carrying.items() if channel is not None}
    agreed = len(set(told.values())) == 1 and len(told) == sum(map(_has_several, files.values()))
    for name, channel in told.items():
        warn(
            f"{name}: channel {index.channel} carries no machine, and channel {channel} does:"
            f" index.channel: {channel}{'' if agreed else ' would hear it'}"
        )
    if agreed:
        chosen["channel"] = next(iter(told.values()))
    peaks = [peak for of in files.values() for file in of if (peak := _float_peak(file))]
    if peaks and median(peaks) > index.full_scale:
        chosen["full_scale"] = float(2.0 ** math.ceil(math.log2(2 * max(peaks))))
        warn(
            f"{len(peaks):,} recordings hold floats up to {max(peaks):.4g}, in a unit of their own:"
            f" all are divided by index.full_scale: {chosen['full_scale']:g}"
        )
    return chosen


def _opened(file: Path) -> Any:
    """Open a recording that can be opened as it is; else None."""
    try:
        return open_sound(file)
    except (UnusableError, OSError):
        return None


def _has_several(files: Sequence[Path]) -> bool:
    """Return whether the recordings have several channels, as far as the first few tell."""
    opened = [sound for file in files[:_LOOKED_AT] if (sound := _opened(file)) is not None]
    return any(sound.channels > 1 for sound in opened)


def _float_peak(file: Path) -> float:
    """Return the largest deviation from the mean of a recording in floats; 0 of another."""
    sound = _opened(file)
    if sound is None or not is_float(sound):
        return 0.0
    low, high = math.inf, -math.inf
    with suppress(UnusableError):
        for block in blocks(sound, 0):
            low, high = min(low, float(block.min())), max(high, float(block.max()))
    return (high - low) / 2 if high > low else 0.0


def _carrying(files: Sequence[Path], channel: Channel) -> int | None:
    """Return the channel that carries the machine, where the one that is used does not.

    One carries nothing if it is silent, or if it is far quieter than the strongest and has nothing
    in common with it.
    """
    if channel == RESIDUAL:
        return None
    step = max(1, len(files) // _LOOKED_AT)
    levels: list[NDArray] = []
    common: list[NDArray] = []
    for file in files[::step][:_LOOKED_AT]:
        sound = _opened(file)
        if sound is None or sound.channels <= max(1, channel):
            continue
        samples = sound.read(20 * sound.samplerate, dtype="float32", always_2d=True)
        samples = samples - samples.mean(axis=0)
        level = 10 * np.log10(np.mean(np.square(samples), axis=0) + 1e-15)
        levels.append(level)
        common.append(_coherence(samples, int(level.argmax())))
    shape = {len(level) for level in levels}
    if len(shape) != 1:
        return None
    level, coherence = np.median(levels, axis=0), np.median(common, axis=0)
    quiet = level < level.max() - _FAR_QUIETER
    dead = (quiet & (coherence < _NOTHING_IN_COMMON)) | (level < _SILENT)
    return int(level.argmax()) if dead[channel] and not dead.all() else None


def _coherence(samples: NDArray, strongest: int) -> NDArray:
    """Return what each channel of samples (n, channels) has in common with one of them, 0 to 1.

    Magnitude-squared coherence, weighted by that channel's power.
    """
    count = len(samples) // _POINTS
    if count < 8:
        return np.ones(samples.shape[1])
    frames = samples[: count * _POINTS].reshape(count, _POINTS, -1)
    spectra = np.fft.rfft(frames * np.hanning(_POINTS)[:, None], axis=1)
    power = np.mean(np.abs(spectra) ** 2, axis=0) + 1e-20
    cross = np.abs(np.mean(spectra * spectra[:, :, [strongest]].conj(), axis=0)) ** 2
    coherence = cross / (power * power[:, [strongest]])
    weights = power[:, strongest] / power[:, strongest].sum()
    found: NDArray = weights @ coherence
    return found


def _span(values: Iterable[float]) -> str:
    """Return one value, or the least, the middle and the greatest."""
    found = sorted(values)
    if found[-1] - found[0] < 0.1:
        return f"{found[0]:.1f}"
    return f"{found[0]:.1f} to {found[-1]:.1f} (median {median(found):.1f})"


def _listed(values: Iterable[str]) -> str:
    """Return distinct values, the most frequent first."""
    return ", ".join(value for value, _ in Counter(values).most_common())

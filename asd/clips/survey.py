"""What a folder of recordings holds, in a line for whoever has just pointed at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from asd.clips.record import Clip


def describe(clips: Sequence[Clip], sample_rate: int) -> str:
    """Return how many recordings there are, of what kind, and the clips that they become.

    Args:
        clips: a machine's index, or a preview of it.
        sample_rate: the rate of the clips in Hz.
    """
    recordings = {clip.path: clip for clip in clips}
    usable = [clip for clip in clips if clip.usable]
    of_usable = {clip.path: clip for clip in usable}.values()
    parts = [_counted(len(recordings), "recording")]
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
            parts.append(_counted(len(states), "operating state"))
    unusable = len(recordings) - len(of_usable)
    if unusable:
        parts.append(f"{unusable:,} not usable ('asd index' says why)")
    return ", ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _span(values: Iterable[float]) -> str:
    """Return one value, or the least, the middle and the greatest."""
    found = sorted(values)
    if found[-1] - found[0] < 0.1:
        return f"{found[0]:.1f}"
    return f"{found[0]:.1f} to {found[-1]:.1f} (median {median(found):.1f})"


def _listed(values: Iterable[str]) -> str:
    """Return distinct values, the most frequent first."""
    return ", ".join(value for value, _ in Counter(values).most_common())

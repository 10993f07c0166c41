"""Windows: the consecutive clips that a long recording is cut into, in the index and by detectors.

A whole number of clips is cut without overlap; else the last window overlaps the one before. Only
recordings of plain folders are cut: in the challenge a recording is a clip, whatever its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from asd.clip_table import window_name
from asd.clips.audio import resampled_length
from asd.clips.record import Clip

LONG = 30.0
"""Seconds from which a recording is one of many clips, where the length of clips is not given."""
WINDOW = 10.0
"""Seconds of a clip where the recordings are long: the length of most clips of the challenge."""


def window_starts(samples: int, length: int) -> list[int]:
    """Return where the windows (in samples) of a recording begin.

    A recording that is no longer than a clip is one, looped where it is shorter. A longer one is
    cut into consecutive ones, the last of which ends where the recording ends, so that nothing of
    it goes unheard; a hundredth of a clip more than one is cut off, for recordings made by hand
    differ by as much.

    Example:
        >>> window_starts(10, 10), window_starts(19, 10), window_starts(25, 10)
        ([0], [0, 9], [0, 10, 15])
    """
    if samples <= length + length // 100:
        return [0]
    starts = list(range(0, samples - length + 1, length))
    if starts[-1] + length < samples:
        starts.append(samples - length)
    return starts


def cut_windows(clip: Clip, sample_rate: int) -> Iterator[Clip]:
    """Yield the windows of a recording; one that is short or cannot be used is a clip by itself.

    Args:
        clip: the recording, with the length of the clips.
        sample_rate: the used rate in Hz.
    """
    if not clip.usable:
        yield clip
        return
    samples = resampled_length(clip.samples, clip.sample_rate, sample_rate)
    starts = window_starts(samples, clip.length)
    if len(starts) == 1:
        yield clip
        return
    steps = [step for step in clip.treatment.split("; ") if step and not step.startswith("cut ")]
    for start in starts:
        cut = f"window at {start / sample_rate:.2f} s of {samples / sample_rate:.2f} s"
        yield replace(
            clip,
            name=window_name(clip.recording, start / sample_rate),
            treatment="; ".join([*steps, cut]),
            start=start,
        )


def runs(clips: Iterable[Clip]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Join neighbouring windows of one recording, which are read at once.

    Returns:
        Path, digest of the file, and starts of the windows of each run, in the order of the clips.
    """
    return [
        (path, digest, tuple(clip.start for clip in of_one))
        for (path, digest), of_one in groupby(clips, key=lambda clip: (clip.path, clip.digest))
    ]

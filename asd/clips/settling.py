"""What is settled over all recordings of a machine: their split, their names and their length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median_low

from asd.clips import names
from asd.clips.audio import resampled_length
from asd.clips.record import Clip
from asd.clips.windows import LONG, WINDOW
from asd.config import IndexConfig


def split_pools(clips: Sequence[Clip], train_share: float) -> list[Clip]:
    """Split the normal clips whose folder is neither train nor test, section by section."""
    pools: dict[str, list[str]] = {}
    for clip in clips:
        if clip.usable and not clip.split:
            pools.setdefault(clip.section, []).append(clip.digest)
    for_training = {
        section: names.choose_split(digests, train_share) for section, digests in pools.items()
    }
    return [
        replace(clip, split="train" if clip.digest in for_training[clip.section] else "test")
        if clip.usable and not clip.split
        else clip
        for clip in clips
    ]


def name_apart(clips: Sequence[Clip]) -> list[Clip]:
    """Name clips of one split that share a base name by their paths below the machine's folder."""
    shared = Counter((clip.split, clip.name) for clip in clips)
    return [
        replace(clip, name=(place := clip.path.removeprefix(f"{clip.machine}/")), recording=place)
        if shared[clip.split, clip.name] > 1
        else clip
        for clip in clips
    ]


def reject_doubles(clips: Sequence[Clip]) -> list[Clip]:
    """Reject challenge clips that share a name in one split: score files cannot tell them apart.

    The format does not tell them apart either: one recording converted is still one recording.
    """

    def key(clip: Clip) -> tuple[str, str]:
        return clip.split, Path(clip.name).stem

    shared: dict[tuple[str, str], list[str]] = {}
    for clip in clips:
        if clip.usable:
            shared.setdefault(key(clip), []).append(clip.path)
    rejected = []
    for clip in clips:
        others = [path for path in shared.get(key(clip), []) if path != clip.path]
        if clip.usable and others:
            clip = replace(clip, status=f"doubled name: also {others[0]}")
        rejected.append(clip)
    return rejected


def common_length(clips: Sequence[Clip], config: IndexConfig, cut: bool) -> int:
    """Return the samples of every clip at the wanted rate: as configured, or the most common.

    Among equally common ones the middle one is taken: a stray short or long recording among clips
    that all differ must not decide. Where recordings are ``cut`` into windows and the most common
    duration is :data:`asd.clips.windows.LONG` or more, it is that of recordings and not of clips,
    and the clips have :data:`asd.clips.windows.WINDOW`.
    """
    if config.seconds != "auto":
        return max(1, round(config.seconds * config.sample_rate))
    usable = [clip for clip in clips if clip.usable]
    judges = [clip for clip in usable if clip.split == "train"] or usable
    lengths = Counter(_own_length(clip, config.sample_rate) for clip in judges)
    most = max(lengths.values(), default=0)
    commonest = [length for length, count in lengths.items() if count == most]
    length = median_low(commonest) if commonest else 0
    is_long = length >= LONG * config.sample_rate
    return round(WINDOW * config.sample_rate) if cut and is_long else length


def fitted(clip: Clip, length: int, sample_rate: int) -> Clip:
    """Fill in a clip's length in samples at ``sample_rate`` Hz, and what is done to get there."""
    if not clip.usable:
        return replace(clip, treatment="")
    own = _own_length(clip, sample_rate)
    steps = [clip.treatment] if clip.treatment else []
    if own != length:
        seconds = clip.samples / clip.sample_rate
        steps.append(f"{'cut' if own > length else 'looped'} from {seconds:.2f} s")
    return replace(clip, length=length, treatment="; ".join(steps))


def _own_length(clip: Clip, sample_rate: int) -> int:
    return resampled_length(clip.samples, clip.sample_rate, sample_rate)

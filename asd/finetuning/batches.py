"""What fine-tuning learns from: random cuts of training clips, and the classes of the clips.

A batch is the same one whenever a run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd.clips.audio import Signal, read_windows
from asd.clips.record import Clip
from asd.config import Channel

_READERS = 4
UNKNOWN = -100  # the target that torch's cross entropy leaves out

# A section or a set of attributes means something within its machine type alone.
_KINDS: dict[str, Callable[[Clip], str]] = {
    "machine": lambda clip: clip.machine,
    "section": lambda clip: f"{clip.machine}/{clip.section}",
    "attributes": lambda clip: f"{clip.machine}/{clip.attributes}" if clip.attributes else "",
}


@dataclass(frozen=True)
class Recordings:
    """Training clips that can be read.

    Attributes:
        raw: the folder that the clips' paths begin at.
        clips: the clips, in a fixed order.
        sample_rate: the rate they are read at.
        channel: the channel that is read.
    """

    raw: Path
    clips: Sequence[Clip]
    sample_rate: int
    channel: Channel

    def read(self, number: int) -> np.ndarray:
        """Return clip ``number`` as int16 (L,), L being its machine's length."""
        clip = self.clips[number]
        signal = Signal(self.sample_rate, clip.length, self.channel, clip.full_scale)
        return read_windows(self.raw / clip.path, signal, (clip.start,), clip.digest)[0]


def random_at(seed: int, *place: int) -> np.random.Generator:
    """Return the generator of one place in a run, such as (objective, step).

    What is drawn there depends on the place and on nothing that happened before, so a run that was
    killed draws the same numbers when it goes on.
    """
    return np.random.default_rng([seed, *place])


def chosen_clips(count: int, size: int, seed: int, objective: int, batch: int) -> np.ndarray:
    """Return which of ``count`` clips are in a batch, (size,): every clip once in each pass."""
    places = np.arange(batch * size, (batch + 1) * size)
    passes = places // count
    orders = {p: random_at(seed, 0, objective, int(p)).permutation(count) for p in set(passes)}
    return np.array([orders[p][place % count] for p, place in zip(passes, places, strict=True)])


@dataclass(frozen=True)
class Batch:
    """A batch: which clips (B,), and their cuts (B, L) int16."""

    clips: np.ndarray
    waves: np.ndarray


def batches(
    recordings: Recordings, cut: int, size: int, seed: int, objective: int, numbers: range
) -> Iterator[Batch]:
    """Yield the batches ``numbers`` of one objective, each read while the one before is used.

    Args:
        recordings: the training clips.
        cut: samples of a cut, L; no clip is shorter.
        size: clips a batch.
        seed: of the order and the cuts.
        objective: which objective of the run.
        numbers: batches, counted from the objective's begin.
    """
    with ThreadPoolExecutor(_READERS) as pool:

        def begin(number: int) -> tuple[np.ndarray, list[Future[np.ndarray]]]:
            clips = chosen_clips(len(recordings.clips), size, seed, objective, number)
            return clips, [pool.submit(recordings.read, int(clip)) for clip in clips]

        coming = begin(numbers[0]) if numbers else None
        for number in numbers:
            assert coming is not None
            clips, waves = coming
            coming = begin(number + 1) if number + 1 in numbers else None
            random = random_at(seed, 1, objective, number)
            yield Batch(clips, np.stack([_cut(wave.result(), cut, random) for wave in waves]))


def _cut(wave: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    start = int(random.integers(0, len(wave) - length + 1))
    return wave[start : start + length]


@dataclass(frozen=True)
class Labels:
    """The classes of the training clips.

    Attributes:
        classes: kind of class -> its names, sorted; kinds with fewer than two classes teach
            nothing and are left out.
        targets: kind of class -> (N,) int64, :data:`UNKNOWN` for clips without such a class.
    """

    classes: dict[str, list[str]]
    targets: dict[str, np.ndarray]


def label_clips(clips: Sequence[Clip]) -> Labels:
    """Return the classes of ``clips`` (N) and which of them each clip belongs to."""
    classes, targets = {}, {}
    for kind, name_of in _KINDS.items():
        names = [name_of(clip) for clip in clips]
        known = sorted(set(names) - {""})
        if len(known) > 1:
            number = {name: i for i, name in enumerate(known)}
            classes[kind] = known
            targets[kind] = np.array([number.get(name, UNKNOWN) for name in names], np.int64)
    return Labels(classes, targets)

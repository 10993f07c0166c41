"""What is learned from: rows of stored features of the same clips, and cuts of recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from asd.clip_table import ClipTable
from asd.clips.audio import Signal, read_windows
from asd.clips.record import Clip
from asd.config import ALL, Channel
from asd.errors import JobError, UsageError
from asd.memory import kept
from asd.store import FeatureStore, Shard, ShardSpec
from asd.training.labels import held_out
from asd.training.transforms import decibel

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_READERS = 4


class StoredClips:
    """The clips of one machine and split, over all sections, with their features.

    Or those of several machines, one machine after the other, for a network over all of them.

    Nothing is read until a batch is asked for, and no batch is kept, so memory does not grow with
    the number of clips. Where clips of several machines differ in length, features with a time axis
    are read up to the end of the shortest.

    Args:
        store: the feature store.
        machine: the machine type, or several of them.
        features: the features to read, by name.
        split: ``"train"``, ``"test"`` or ``"supplemental"``, which some machines have none of.

    Attributes:
        machine: the machine type; ``"all"`` where several were asked for.
        joint: whether several were asked for.
        machines: (N,) of each clip.
        table: the clips.

    Raises:
        UsageError: a feature has no shard of this split, or the machines' clips differ in rate, or
            in length where a feature has no time axis.
        JobError: the features do not hold the same clips, or a feature is not computed in the
            same way for all machines.
    """

    def __init__(
        self,
        store: FeatureStore,
        machine: str | Sequence[str],
        features: Sequence[str],
        split: str,
    ) -> None:
        self.joint = not isinstance(machine, str)
        self.machine, self.split = machine if isinstance(machine, str) else ALL, split
        self._shards: dict[str, list[Shard]] = {name: [] for name in features}
        for one in [machine] if isinstance(machine, str) else machine:
            for name, shards in _shards_of(store, one, features, split).items():
                self._shards[name] += shards
        for shards in self._shards.values():
            _check_alike(shards)
        reference = self._shards[features[0]]
        self._starts = np.cumsum([0, *(len(shard) for shard in reference)])
        self._chosen = np.arange(self._starts[-1])
        self.machines = [s.spec.machine for s in reference for _ in range(len(s))]
        self.table = ClipTable.joined([shard.clips for shard in reference])

    def __len__(self) -> int:
        return len(self._chosen)

    def only(self, rows: np.ndarray) -> StoredClips:
        """Return some of these clips, those at ``rows`` (n,)."""
        some = copy(self)
        some._chosen = self._chosen[rows]
        some.machines = [self.machines[row] for row in rows]
        some.table = self.table.only(rows)
        return some

    def joined(self, others: StoredClips) -> StoredClips:
        """Return these clips and then others of the same features, of another split."""
        both = copy(self)
        both._shards = {name: own + others._shards[name] for name, own in self._shards.items()}
        both._starts = np.concatenate([self._starts, self._starts[-1] + others._starts[1:]])
        both._chosen = np.concatenate([self._chosen, self._starts[-1] + others._chosen])
        both.machines = [*self.machines, *others.machines]
        both.table = ClipTable.joined([self.table, others.table])
        return both

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one row of each feature."""
        return {
            name: (*shards[0].row_shape[:-1], min(shard.row_shape[-1] for shard in shards))
            for name, shards in self._shards.items()
        }

    @property
    def lengths(self) -> dict[str, int]:
        """The samples of a clip of each machine; nothing where all have as many."""
        specs = [shard.spec for shard in next(iter(self._shards.values()))]
        found = {spec.machine: spec.recipe.get("signal", {}).get("length", 0) for spec in specs}
        return found if len(set(found.values())) > 1 else {}

    @property
    def recipes(self) -> dict[str, dict[str, Any]]:
        """The recipe of each feature."""
        return {name: shards[0].spec.recipe for name, shards in self._shards.items()}

    @property
    def identities(self) -> dict[str, dict[str, str]]:
        """The identity of every shard, by feature and section: what data this is.

        Where several machines were asked for, a section is named with its machine, ``fan/00``.
        """

        def section(spec: ShardSpec) -> str:
            return f"{spec.machine}/{spec.section}" if self.joint else spec.section

        return {
            name: {section(shard.spec): shard.identity for shard in shards}
            for name, shards in self._shards.items()
        }

    @property
    def spectra(self) -> tuple[str, ...]:
        """The features whose rows are no waves and have no time axis."""
        return tuple(
            name
            for name, shards in self._shards.items()
            if len(shards[0].row_shape) == 1
            and shards[0].spec.recipe.get("extractor", "wave") != "wave"
        )

    @property
    def decibels(self) -> dict[str, float | None]:
        """How much one decibel of level adds to a value of each feature, None if not known."""
        return {name: decibel(shards[0].spec.recipe) for name, shards in self._shards.items()}

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the features (n, ...) of the clips at ``rows`` (n,), float32, by name."""
        chosen = self._chosen[rows]
        shapes = self.shapes
        return {name: self._rows(of, chosen, shapes[name]) for name, of in self._shards.items()}

    def _rows(
        self, shards: Sequence[Shard], rows: np.ndarray, shape: tuple[int, ...]
    ) -> torch.Tensor:
        import torch

        values = np.empty((len(rows), *shape), shards[0].dtype)
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        for owner in np.unique(owners):
            mine = owners == owner
            found = shards[owner].features[rows[mine] - self._starts[owner]]
            values[mine] = found[..., : shape[-1]]
        return torch.from_numpy(values).float()


def statistics(clips: StoredClips) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return mean and deviation of each feature over 512 clips, spread evenly, or all if fewer.

    Per band over clips and time for (F, T), so (F,) each; for a row (L,) the mean is 0 and the
    deviation one number: a wave has no level of its own, and a spectrum keeps its shape.
    """
    import torch

    rows = np.unique(np.linspace(0, len(clips) - 1, min(512, len(clips))).round().astype(int))
    first: dict[str, torch.Tensor] = {}
    second: dict[str, torch.Tensor] = {}
    for start in range(0, len(rows), 32):
        for name, values in clips.batch(rows[start : start + 32]).items():
            over = (0, 2) if values.dim() == 3 else (0, 1)
            values = values.double()
            first[name] = first.get(name, torch.zeros(())) + values.mean(over) * len(values)
            second[name] = second.get(name, torch.zeros(())) + (values**2).mean(over) * len(values)
    found = {}
    for name in first:
        mean = first[name] / len(rows)
        # The mean of a wave is the offset of a microphone, that of a spectrum a part of its shape.
        mean = mean if mean.dim() else torch.zeros_like(mean)
        deviation = (second[name] / len(rows) - mean**2).clamp_min(0).sqrt()
        found[name] = (mean.float(), deviation.float())
    return found


def unlearned(clips: StoredClips, classes: np.ndarray, share: float) -> np.ndarray:
    """Return which of a model's training clips (N,) it does not learn from (:func:`held_out`).

    Args:
        clips: all training clips.
        classes: (N,) the primary class of each.
        share: of each section and domain of a machine.
    """
    if not share:
        return np.zeros(len(clips), dtype=bool)
    parts = zip(clips.machines, clips.table.section, clips.table.domain, strict=True)
    groups = [" ".join(one) for one in parts]
    return held_out(groups, classes, clips.table, share)


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


@dataclass(frozen=True)
class Cuts:
    """Batches of random cuts of recordings, every clip once in each pass.

    Attributes:
        recordings: the training clips, N.
        length: samples of a cut, L; no clip is shorter.
        size: clips a batch, B.
        seed: numbers that decide the order and the cuts.
    """

    recordings: Recordings
    length: int
    size: int
    seed: tuple[int, int]

    def chosen(self, number: int) -> np.ndarray:
        """Return which clips are in batch ``number``, (B,)."""
        passes, places = np.divmod(
            np.arange(number * self.size, (number + 1) * self.size), len(self.recordings.clips)
        )
        orders = {
            p: self._random(0, p).permutation(len(self.recordings.clips))
            for p in np.unique(passes).tolist()
        }
        return np.array([orders[p][place] for p, place in zip(passes, places, strict=True)])

    def batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which clips are in batch ``number``, (B,), and their cuts (B, L) int16."""
        clips, random = self.chosen(number), self._random(1, number)
        with ThreadPoolExecutor(_READERS) as pool:
            waves = list(pool.map(self.recordings.read, clips.tolist()))
        starts = [int(random.integers(0, len(wave) - self.length + 1)) for wave in waves]
        cuts = [wave[at : at + self.length] for wave, at in zip(waves, starts, strict=True)]
        return clips, np.stack(cuts)

    def _random(self, what: int, place: int) -> np.random.Generator:
        seed, objective = self.seed
        return np.random.default_rng([seed, what, objective, place])


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items of an iterator that a thread advances one step ahead; none may be None.

    Memory that is freed between items is kept for the next (:func:`asd.memory.kept`).
    """
    source = iter(items)
    with kept(), ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, source, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield item


def _shards_of(
    store: FeatureStore, machine: str, features: Sequence[str], split: str
) -> dict[str, list[Shard]]:
    """Open the shards of one machine, by feature, and check that they hold the same clips."""
    found = {name: store.shards(machine, name, split) for name in features}
    reference = [shard.clips for shard in found[features[0]]]
    for name, shards in found.items():
        if [shard.clips for shard in shards] != reference:
            raise JobError(
                f"{store.root / machine}: {name} and {features[0]} hold different {split}"
                f" clips; run 'asd extract --machine {machine}'"
            )
    return found


def _check_alike(shards: Sequence[Shard]) -> None:
    """Check that a feature is the same one for all machines."""
    first = shards[0].spec
    for shard in shards:
        spec = shard.spec
        if spec.machine == first.machine or spec.recipe == first.recipe:
            continue
        here, there = (one.recipe.get("signal", {}) for one in (first, spec))
        timed = len(first.row_shape) == 2 and first.row_shape[0] == spec.row_shape[0]
        as_long = {"signal": {**there, "length": here.get("length")}}
        if timed and {**spec.recipe, **as_long} == first.recipe:
            continue
        if here != there or spec.row_shape != first.row_shape:
            raise UsageError(
                f"{first.machine} has clips of {_form(here)}, {spec.machine} of {_form(there)}:"
                " a joint model needs one rate, and one length where it reads waves or spectra; set"
                " index.seconds to a number and run 'asd index' and 'asd extract'"
            )
        raise JobError(
            f"{shards[0].path} and {shard.path}: not computed with the same settings;"
            " run 'asd extract'"
        )


def _form(signal: Mapping[str, Any]) -> str:
    length, rate = signal.get("length", 0), signal.get("sample_rate", 1)
    return f"{length / rate:g} s at {rate} Hz"

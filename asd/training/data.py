"""Rows of several features of the same clips, read from shards as they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch

from asd.errors import JobError
from asd.store import FeatureStore, Shard
from asd.training.transforms import decibel

T = TypeVar("T")


class StoredClips:
    """The clips of one machine and split, over all sections, with their features.

    Nothing is read until a batch is asked for, and no batch is kept, so memory does not grow with
    the number of clips.

    Args:
        store: the feature store.
        machine: the machine type.
        features: the features to read, by name.
        split: ``"train"`` or ``"test"``.

    Raises:
        UsageError: a feature has no shard of this split.
        JobError: the features do not hold the same clips.
    """

    def __init__(
        self, store: FeatureStore, machine: str, features: Sequence[str], split: str
    ) -> None:
        self.machine, self.split = machine, split
        self._shards = {name: store.shards(machine, name, split) for name in features}
        reference = self._shards[features[0]]
        for name, shards in self._shards.items():
            if [_clips(shard) for shard in shards] != [_clips(shard) for shard in reference]:
                raise JobError(
                    f"{store.root / machine}: {name} and {features[0]} hold different {split}"
                    f" clips; run 'asd extract --machine {machine}'"
                )
        self._starts = np.cumsum([0, *(len(shard) for shard in reference)])
        self.sections = [s.section for s in reference for _ in range(len(s))]

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one row of each feature."""
        return {name: shards[0].row_shape for name, shards in self._shards.items()}

    @property
    def recipes(self) -> dict[str, dict[str, Any]]:
        """The recipe of each feature."""
        return {name: shards[0].config for name, shards in self._shards.items()}

    @property
    def identities(self) -> dict[str, dict[str, str]]:
        """The identity of every shard, by feature and section: what data this is."""
        return {
            name: {shard.section: shard.identity for shard in shards}
            for name, shards in self._shards.items()
        }

    @property
    def decibels(self) -> dict[str, float | None]:
        """How much one decibel of level adds to a value of each feature, None if not known."""
        return {name: decibel(shards[0].config) for name, shards in self._shards.items()}

    def column(self, name: str) -> list[str]:
        """Return one column of the clips table, (N,)."""
        reference = next(iter(self._shards.values()))
        return [value for shard in reference for value in shard.column(name)]

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the features (n, ...) of the clips at ``rows`` (n,), float32, by name."""
        return {name: self._rows(shards, rows) for name, shards in self._shards.items()}

    def _rows(self, shards: Sequence[Shard], rows: np.ndarray) -> torch.Tensor:
        values = np.empty((len(rows), *shards[0].row_shape), shards[0].dtype)
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        for owner in np.unique(owners):
            mine = owners == owner
            values[mine] = shards[owner].features[rows[mine] - self._starts[owner]]
        return torch.from_numpy(values).float()


def statistics(
    clips: StoredClips, at_most: int = 512
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return mean and deviation of each feature over (up to) ``at_most`` clips, spread evenly.

    Per band over clips and time for (F, T), so (F,) each; for a wave the mean is 0 and the
    deviation one number.
    """
    rows = np.unique(np.linspace(0, len(clips) - 1, min(at_most, len(clips))).round().astype(int))
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
        # A wave has no level of its own but the offset of a microphone.
        mean = mean if mean.dim() else torch.zeros_like(mean)
        deviation = (second[name] / len(rows) - mean**2).clamp_min(0).sqrt()
        found[name] = (mean.float(), deviation.float())
    return found


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items of an iterator that a thread advances one step ahead; none may be None."""
    source = iter(items)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, source, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield item


def _clips(shard: Shard) -> tuple[str, list[str], list[str]]:
    return shard.section, shard.column("name"), shard.column("content")

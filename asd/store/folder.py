"""The folder of a feature store: which shard lies where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asd.errors import JobError, UsageError
from asd.store.shard import Shard


@dataclass(frozen=True)
class FeatureStore:
    """A folder of shards ``<machine>/<feature>/section_<NN>_<split>.h5``.

    Example:
        >>> store = FeatureStore("data/features")
        >>> store.path("pump", "logmel", "00", "train").as_posix()
        'data/features/pump/logmel/section_00_train.h5'
        >>> shard = store.open("pump", "logmel", "00", "train")
        >>> shard.features.shape, shard.dtype.name, shard.clips.name[0]
        ((9, 16, 33), 'float16', '00_00.wav')
    """

    root: Path

    def __init__(self, root: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "root", Path(root))

    def path(self, machine: str, feature: str, section: str, split: str) -> Path:
        """Return where a shard lies."""
        return self.root / machine / feature / f"section_{section}_{split}.h5"

    def open(self, machine: str, feature: str, section: str, split: str) -> Shard:
        """Open one shard; see :meth:`Shard.open` for the errors."""
        return Shard.open(self.path(machine, feature, section, split))

    def paths(self, machine: str, feature: str, split: str | None = None) -> list[Path]:
        """Return the files of a machine's feature, sorted by section and split."""
        pattern = f"section_*_{split or '*'}.h5"
        return sorted((self.root / machine / feature).glob(pattern))

    def shards(self, machine: str, feature: str, split: str | None = None) -> list[Shard]:
        """Open the shards of a machine's feature, sorted by section and split.

        Raises:
            UsageError: there are none.
        """
        found = [Shard.open(path) for path in self.paths(machine, feature, split)]
        if not found:
            which = f"{split} shard" if split else "shard"
            if split and self.paths(machine, feature):
                raise UsageError(
                    f"{self.root / machine / feature}: no {which}: no {split} clip of {machine} is"
                    f" usable (data/index/{machine}.csv says why); add recordings, or take it out"
                    " of dataset.machines"
                )
            raise UsageError(
                f"{self.root / machine / feature}: no {which};"
                f" run 'asd extract --machine {machine} --feature {feature}' first"
            )
        return found

    def dask(self, machine: str, feature: str, split: str | None = None, rows: int = 64) -> Any:
        """Return a machine's feature as a lazy dask array (N, ...), for notebooks.

        Its rows are those of :meth:`shards`, one shard after the other (sections sorted, and in a
        section ``test`` before ``train``). A chunk is a block of rows of one shard, read from its
        file by whoever computes it, in any thread, process or worker that sees the same folder.

        Args:
            machine: the machine type.
            feature: the feature's name.
            split: ``"train"``, ``"test"`` or ``"supplemental"``; None for all.
            rows: at most how many rows a chunk has.

        Raises:
            UsageError: there are none.
            JobError: the shards do not hold rows of one shape and type.

        Example:
            >>> logmel = store.dask("fan", "logmel", "train")  # doctest: +SKIP
            >>> logmel.astype("float32").mean(axis=(0, 2)).compute()  # (F,)  # doctest: +SKIP
        """
        import dask.array as da

        shards = self.shards(machine, feature, split)
        if len({(shard.row_shape, shard.dtype) for shard in shards}) > 1:
            raise JobError(
                f"{self.root / machine / feature}: its shards hold rows of several shapes; run"
                f" 'asd extract --machine {machine} --feature {feature}'"
            )
        return da.concatenate([_lazy(shard, rows) for shard in shards])


def _lazy(shard: Shard, rows: int) -> Any:
    """Return a shard's rows as a dask array whose chunks are read when they are computed."""
    import dask.array as da

    stops = (*range(rows, len(shard), rows), len(shard))
    sizes = tuple(stop - start for start, stop in zip((0, *stops), stops, strict=False))
    return da.map_blocks(
        partial(_block, shard.path, shard.dtype, shard.offset, (len(shard), *shard.row_shape)),
        # What data this is: a shard that was extracted again is another array.
        name=f"{shard.spec.feature}-{shard.identity}-{rows}",
        chunks=(sizes, *((size,) for size in shard.row_shape)),
        dtype=shard.dtype,
        meta=np.empty((0,) * (1 + len(shard.row_shape)), shard.dtype),
    )


def _block(
    path: Path, dtype: np.dtype, offset: int, shape: tuple[int, ...], block_info: Any
) -> np.ndarray:
    """Read the rows (n, ...) of one chunk of the rows (N, ...) at an offset of a file."""
    start, stop = block_info[None]["array-location"][0]
    return np.array(np.memmap(path, dtype, "r", offset, shape)[start:stop])

"""The format of a shard, and its reader.

A shard is an HDF5 file with exactly two contiguous datasets:

- ``features`` (N, ...): one row a clip, int16, float16 or float32;
- ``clips`` (N,): the clip table (:mod:`asd.clip_table`) with the digest of each row as ``row``;

and the fields of a record (:mod:`asd.artifact`) as attributes: ``kind``, ``schema``, ``request`` as
canonical JSON (machine, feature, section, split, and the recipe of the feature), ``digest`` of the
recipe, and the shard's ``identity`` (a digest of all of this and of the table, which holds a digest
of every row); and ``complete``, set last.

Rows are read through ``numpy.memmap``: no HDF5 handle stays open, so a :class:`Shard` can be sent
to any worker and read there by any number of processes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from asd.clip_table import COLUMNS as CLIP_COLUMNS
from asd.clip_table import ClipTable
from asd.digest import canonical_json, sha256_json
from asd.errors import JobError, UnreadableError, UsageError, one_line
from asd.hdf5 import REFUSED, UNREADABLE, checked_dataset

KIND, SCHEMA = "shard", 2
DTYPES = ("int16", "float16", "float32")
COLUMNS = (*CLIP_COLUMNS, "row")


@dataclass(frozen=True)
class ShardSpec:
    """What a shard holds.

    Attributes:
        machine, feature, section, split: its place in the store.
        recipe: everything that decides the values of a row: the extractor's name, version and
            config, the signal, and the digest of the checkpoint it uses.
        row_shape: the shape of one row.
        dtype: the NumPy name of the type of the values.
    """

    machine: str
    feature: str
    section: str
    split: str
    recipe: dict[str, Any]
    row_shape: tuple[int, ...]
    dtype: str

    @property
    def digest(self) -> str:
        """The feature digest: SHA-256 of the canonical JSON of the recipe."""
        return sha256_json(self.recipe)

    @property
    def request(self) -> dict[str, Any]:
        """What the shard's file says that was asked for."""
        asked = ("machine", "feature", "section", "split", "recipe")
        return {key: getattr(self, key) for key in asked}

    @property
    def row_bytes(self) -> int:
        """The size of one row in bytes."""
        return prod(self.row_shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Shard:
    """A finished shard, opened for reading.

    Attributes:
        path: the file.
        spec: what it holds.
        identity: what data this is: the digest of the spec and of the table, row digests included.
        table: the ``clips`` table, a structured array (N,).
        offset: where the rows begin in the file, in bytes.
    """

    path: Path
    spec: ShardSpec
    identity: str
    table: np.ndarray
    offset: int

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Read what a shard says of itself and check that it can be read safely.

        Raises:
            UsageError: there is no such file.
            JobError: the file is no shard of this schema, is unfinished or is damaged; or it cannot
                be read (UnreadableError).
        """
        try:
            with h5py.File(path, "r", locking=False) as file:
                return cls(path, *_read(path, file))
        except FileNotFoundError:
            raise UsageError(f"{path}: no such shard; run 'asd extract' first") from None
        except UNREADABLE as error:
            if isinstance(error, OSError) and error.errno in REFUSED:
                reason = os.strerror(error.errno)
                raise UnreadableError(f"{path}: cannot be read: {reason}") from None
            raise damaged(path, str(error)) from None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self.spec.row_shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        return np.dtype(self.spec.dtype)

    @cached_property
    def clips(self) -> ClipTable:
        """The clip of each row."""
        return ClipTable(self.table)

    @cached_property
    def features(self) -> np.memmap:
        """The rows (N, ...), mapped read-only."""
        shape = (len(self), *self.row_shape)
        return np.memmap(self.path, self.dtype, mode="r", offset=self.offset, shape=shape)

    def row(self, content: str) -> np.ndarray | None:
        """Return the row of the clip of this content; None where none is, or it is not intact."""
        row = self._row_of.get(content, -1)
        if row < 0 or not self.intact_rows([(row, self.table["row"][row])]):
            return None
        return np.array(self.features[row])

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {content: row for row, content in enumerate(self.clips.content)}

    def intact_rows(self, digests: Iterable[tuple[int, bytes]]) -> list[int]:
        """Return those of the rows whose bytes have the given SHA-256 (hexadecimal).

        The file is read, not mapped: a mapped row that a failing disk does not give back ends the
        process, whereas here it is not intact.
        """
        found = []
        with self.path.open("rb", buffering=0) as file:
            for row, digest in digests:
                with suppress(OSError):
                    if self._row_digest(file.fileno(), row) == digest:
                        found.append(row)
        return found

    def damaged_rows(self) -> list[int]:
        """Read every row and return those whose bytes are not the ones that were written.

        Raises:
            OSError: the system does not give a row.
        """
        with self.path.open("rb", buffering=0) as file:
            rows = enumerate(self.table["row"])
            return [row for row, digest in rows if self._row_digest(file.fileno(), row) != digest]

    def _row_digest(self, handle: int, row: int) -> bytes:
        size = self.spec.row_bytes
        data = os.pread(handle, size, self.offset + row * size)
        return hashlib.sha256(data).hexdigest().encode()

    def __getstate__(self) -> dict[str, Any]:
        # A memmap would be pickled as a copy of all rows.
        return {field.name: getattr(self, field.name) for field in fields(self)}


def identity_of(spec: ShardSpec, table: np.ndarray) -> str:
    """Return the identity of a shard with this spec and this finished table."""
    # Not the type's own description: h5py adds notes of its own to it.
    columns = [[column, table.dtype[column].str] for column in COLUMNS]
    header = canonical_json([SCHEMA, asdict(spec), columns])
    return hashlib.sha256(header.encode() + table.tobytes()).hexdigest()


def damaged(path: Path, why: str) -> JobError:
    """Return the error for a shard that cannot be used."""
    return JobError(
        f"{path}: not a readable shard ({one_line(why)}); delete it and run 'asd extract'"
    )


def _read(path: Path, file: h5py.File) -> tuple[ShardSpec, str, np.ndarray, int]:
    attributes = file.attrs
    schema = int(attributes["schema"])
    if schema != SCHEMA:
        raise ValueError(f"schema {schema}, this version reads {SCHEMA}")
    if int(attributes["complete"]) != 1:
        raise ValueError("unfinished")
    features, clips = datasets(path, file)
    request, digest, identity = (
        bytes(attributes[key]).decode() for key in ("request", "digest", "identity")
    )
    spec = ShardSpec(**json.loads(request), row_shape=features.shape[1:], dtype=features.dtype.name)
    if not all(isinstance(getattr(spec, key), str) for key in ("machine", "feature", "section")):
        raise ValueError("its request is of another form")
    if spec.digest != digest:
        raise ValueError("its digest is not that of its recipe")
    table = clips[...]
    if identity_of(spec, table) != identity:
        raise ValueError("its table is not the one that was written")
    return spec, identity, table, int(features.id.get_offset())


def datasets(path: Path, file: h5py.File) -> tuple[h5py.Dataset, h5py.Dataset]:
    """Return the two datasets, after checking that nothing in the file points elsewhere."""
    names = sorted(file)
    if names != ["clips", "features"]:
        raise ValueError(f"holds {names}, not clips and features")
    size = path.stat().st_size
    clips, features = (checked_dataset(file, name, size) for name in names)
    rows, columns = features.dtype, clips.dtype
    if rows.name not in DTYPES:
        raise ValueError(f"features are {rows} of rank {features.ndim}")
    if columns.names != COLUMNS or any(
        columns[c].kind != ("i" if c == "start" else "S") for c in COLUMNS
    ):
        raise ValueError("the clips table has other columns")
    if clips.shape != features.shape[:1]:
        raise ValueError(f"clips are {clips.shape}, rows are {features.shape}")
    return features, clips

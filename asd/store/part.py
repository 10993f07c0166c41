"""The file of a shard that is still being written: its layout, its space, what can be salvaged."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from asd.store.digest import canonical_json
from asd.store.hollow import HollowFile
from asd.store.shard import COLUMNS, SCHEMA, UNREADABLE, Shard, ShardSpec, datasets, identity_of


def table_type(names: int, domains: int, labels: int, attributes: int) -> np.dtype:
    """Return the type of the clips table, given the widths of its texts in bytes."""
    widths = zip(COLUMNS, (names, domains, labels, attributes, 64, 64), strict=True)
    return np.dtype([(column, f"S{max(width, 1)}") for column, width in widths])


@dataclass(frozen=True)
class Frame:
    """All of a shard's file but the bytes of its rows.

    The same spec, table and state give the same frame.

    Attributes:
        head: what comes before the rows.
        rows: how many bytes the rows take.
        tail: what comes after them.
    """

    head: bytes
    rows: int
    tail: bytes

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return len(self.head) + self.rows + len(self.tail)

    def write(self, handle: int) -> None:
        """Write the frame around rows that may be there already."""
        write_at(handle, self.head, 0)
        write_at(handle, self.tail, len(self.head) + self.rows)

    def is_around(self, path: Path) -> bool:
        """Return whether a file consists of this frame and any rows."""
        if path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            if file.read(len(self.head)) != self.head:
                return False
            file.seek(self.rows, os.SEEK_CUR)
            return file.read() == self.tail


def frame(spec: ShardSpec, table: np.ndarray, complete: bool) -> Frame:
    """Lay out a shard.

    Args:
        spec: what it holds.
        table: its clips table, with the digests of the rows if it is complete.
        complete: whether all rows are there.
    """
    file = HollowFile()
    identity = identity_of(spec, table) if complete else "0" * 64
    with h5py.File(file, "w") as hdf5:
        for key, value in _attributes(spec, identity, complete).items():
            hdf5.attrs[key] = value
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.CONTIGUOUS)
        # Otherwise the rows get their place with the first write, and HDF5 writes none.
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plist.set_obj_track_times(False)
        for name, shape, dtype in (
            ("clips", (len(table),), table.dtype),
            ("features", (len(table), *spec.row_shape), np.dtype(spec.dtype)),
        ):
            space = h5py.h5s.create_simple(shape)
            h5py.h5d.create(hdf5.id, name.encode(), h5py.h5t.py_create(dtype), space, plist)
        hdf5["clips"][...] = table
        offset = int(hdf5["features"].id.get_offset())
    rows = len(table) * spec.row_bytes
    return Frame(file.span(0, offset), rows, file.span(offset + rows, file.size))


def take_space(handle: int, size: int) -> None:
    """Make a file ``size`` bytes long, and have the disk give all of them.

    So a full disk is met before anything is computed, and not in the middle of a row.
    """
    os.ftruncate(handle, size)
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # file systems without it
            raise


def write_at(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of ``data`` at an offset of a file."""
    written = 0
    while written < len(data):
        written += os.pwrite(handle, data[written:], offset + written)


def open_unchecked(path: Path, spec: ShardSpec) -> Shard | None:
    """Open a shard of the same recipe that may be unfinished or have a damaged table, or None."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            if bytes(file.attrs["digest"]).decode() != spec.digest:
                return None
            features, clips = datasets(path, file)
            if features.shape[1:] != spec.row_shape or features.dtype != spec.dtype:
                return None
            offset = int(features.id.get_offset())
            return Shard(path, spec, spec.digest, "", clips[...], offset)
    except UNREADABLE:
        return None


def _attributes(spec: ShardSpec, identity: str, complete: bool) -> dict[str, Any]:
    texts = {
        "machine": spec.machine,
        "feature": spec.feature,
        "section": spec.section,
        "split": spec.split,
        "recipe": canonical_json(spec.recipe),
        "digest": spec.digest,
        "identity": identity,
    }
    return {
        "schema": np.uint32(SCHEMA),
        **{key: np.bytes_(text.encode()) for key, text in texts.items()},
        "complete": np.uint8(complete),
    }

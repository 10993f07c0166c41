"""Writing a shard so that a kill at any moment costs at most the rows in flight.

Rows go into ``.<name>.part`` beside the shard; after each batch the digests of its rows are
appended to ``.<name>.journal``, which names the recipe and tells rows apart by the content of their
clips, so that it says nothing wrong of another part. The next run opens both, keeps every row whose
bytes still have the digest that the journal gives, and goes on from there. When all rows are there
the part takes the place of the shard in one rename. A finished shard is never opened for writing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from asd.atomic import is_at, sync
from asd.clip_table import COLUMNS as CLIP_COLUMNS
from asd.clip_table import ClipTable
from asd.digest import canonical_json
from asd.errors import JobError, refusal
from asd.hdf5 import UNREADABLE, HollowFile
from asd.store.shard import KIND, SCHEMA, Shard, ShardSpec, datasets, identity_of

_COPIED_AT_ONCE = 64
_RECORD = np.dtype([("content", "S64"), ("digest", "S64")])


class ShardWriter:
    """Write the rows of one shard, keeping those that are already valid.

    Use as a context manager; leaving it without :meth:`finish` keeps the part for the next run.

    Args:
        path: where the shard will be.
        spec: what it holds.
        clips: the clip of each row.

    Attributes:
        pending: indices of the rows that have to be computed, ascending.
        reused: how many rows were valid already.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, spec: ShardSpec, clips: ClipTable) -> None:
        self.path, self.spec, self.table = path, spec, _table(clips)
        self._part = path.with_name(f".{path.name}.part")
        self._journal = path.with_name(f".{path.name}.journal")
        self._copied = path.with_name(f".{path.name}.new.journal")
        self._digests = np.zeros(len(clips), "S64")
        self._casing = _casing(spec, self.table, complete=False)
        self._handle = -1
        try:
            with _explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = self._lock()
                if self._casing.is_around(self._part):
                    self._resume()
                else:
                    self._begin()
        except BaseException:
            # An open handle would keep the lock as long as this process lives.
            self._close()
            raise

    @property
    def pending(self) -> np.ndarray:
        """Indices of the rows that have to be computed, ascending."""
        return np.flatnonzero(self._digests == b"")

    def write(self, rows: Sequence[int] | np.ndarray, values: np.ndarray) -> None:
        """Write ``values`` (n, ...) at ``rows`` (n,)."""
        if values.dtype != self.spec.dtype or values.shape[1:] != self.spec.row_shape:
            raise ValueError(f"rows are {values.dtype}{values.shape[1:]}, not {self.spec}")
        with _explained(self.path):
            records = np.empty(len(rows), _RECORD)
            for i, (row, value) in enumerate(zip(rows, values, strict=True)):
                data = memoryview(np.ascontiguousarray(value)).cast("B")
                offset = len(self._casing.head) + int(row) * self.spec.row_bytes
                _write_at(self._handle, data, offset)
                digest = hashlib.sha256(data).hexdigest().encode()
                records[i] = (self.table["content"][row], digest)
            # Nothing waits for the disk here: a row that a power cut takes does not have the
            # digest that the journal tells of, and is computed again.
            with self._journal.open("ab") as journal:
                journal.write(records.tobytes())
            self._digests[np.asarray(rows)] = records["digest"]

    def finish(self) -> None:
        """Put the shard in its place.

        Raises:
            JobError: rows are missing, or the disk is full.
        """
        if len(self.pending):
            raise JobError(f"{self.path}: {len(self.pending)} rows are missing")
        with _explained(self.path):
            table = self.table.copy()
            table["row"] = self._digests
            _casing(self.spec, table, complete=True).write(self._handle)
            os.fsync(self._handle)
            # Before the rename: afterwards nobody would look for it. The part has all digests.
            for journal in (self._journal, self._copied):
                journal.unlink(missing_ok=True)
            self._part.replace(self.path)
            sync(self.path.parent)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _lock(self) -> int:
        """Open the part and take its lock; wait while another run holds it."""
        while True:
            handle = os.open(self._part, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                print(f"{self.path}: another run is writing it; waiting", file=sys.stderr)
                fcntl.flock(handle, fcntl.LOCK_EX)
            # The other run may have renamed the part away while this one waited.
            if is_at(handle, self._part):
                return handle
            os.close(handle)

    def _resume(self) -> None:
        """Keep the journalled rows of a part that was made for the same rows."""
        offset = len(self._casing.head)
        kept = Shard(self._part, self.spec, "", self.table, offset)
        digests = dict(_read_journal(self._journal, kept))
        for row in kept.intact_rows(digests.items()):
            self._digests[row] = digests[row]
        if not digests:  # none, or one of another recipe, to which nothing may be added
            self._journal.write_bytes(_heading(self.spec))

    def _begin(self) -> None:
        """Put a fresh part in the place of the old one, with the valid rows of what is there."""
        fresh = self._part.with_name(f"{self._part.name}.new")
        old, self._handle = self._handle, os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        journal, self._journal = self._journal, self._copied
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            _take_space(self._handle, self._casing.size)
            self._casing.write(self._handle)
            self._journal.write_bytes(_heading(self.spec))
            self._copy(self.path)
            self._copy(self._part, journal)
            # Only now: a kill while rows are copied must not lose those that are not yet.
            fresh.replace(self._part)
            self._journal.replace(journal)
        finally:
            fresh.unlink(missing_ok=True)
            self._journal.unlink(missing_ok=True)
            self._journal = journal
            os.close(old)

    def _copy(self, path: Path, journal: Path | None = None) -> None:
        """Take over the valid rows of a shard, or of a part made for other clips.

        A damaged table is no reason to drop all rows: an entry that still names the digest of its
        row and the content of a clip of ours was not hit. A part that was only to be renamed has
        no journal any more, but a whole table.
        """
        found = _open_unchecked(path, self.spec)
        if found is None:
            return
        journalled = _read_journal(journal, found) if journal else ()
        intact = found.intact_rows([*journalled, *enumerate(found.table["row"])])
        row_of = {found.table["content"][row]: row for row in intact}
        rows = [row for row in self.pending if self.table["content"][row] in row_of]
        for start in range(0, len(rows), _COPIED_AT_ONCE):
            block = rows[start : start + _COPIED_AT_ONCE]
            theirs = [row_of[self.table["content"][row]] for row in block]
            self.write(block, np.stack([found.features[row] for row in theirs]))


def is_current(path: Path, spec: ShardSpec, clips: ClipTable) -> bool:
    """Return whether the shard at ``path`` holds exactly these rows of this recipe."""
    if not path.exists():
        return False
    try:
        found = Shard.open(path)
    except JobError:
        return False
    return found.spec == spec and found.clips == clips


def _table(clips: ClipTable) -> np.ndarray:
    """Return the table of a shard's file (N,), the digests of the rows still empty."""
    rows = clips.rows
    layout = [(column, rows.dtype[column].str) for column in CLIP_COLUMNS]
    table = np.zeros(len(rows), np.dtype([*layout, ("row", "S64")]))
    for column in CLIP_COLUMNS:
        table[column] = rows[column]
    return table


def _heading(spec: ShardSpec) -> bytes:
    """Return what a journal begins with."""
    return spec.digest.encode()


def _read_journal(path: Path, part: Shard) -> Iterator[tuple[int, bytes]]:
    """Yield the rows of a part that its journal tells of, each with its digest."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    heading = _heading(part.spec)
    if not data.startswith(heading):
        return
    count = (len(data) - len(heading)) // _RECORD.itemsize
    records = np.frombuffer(data, _RECORD, count, len(heading))
    digest_of = {bytes(one["content"]): bytes(one["digest"]) for one in records}
    for row, content in enumerate(part.table["content"]):
        if bytes(content) in digest_of:
            yield row, digest_of[bytes(content)]


@dataclass(frozen=True)
class _Casing:
    """All of a shard's file but the bytes of its rows.

    The same spec, table and state give the same casing.

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
        """Write the casing around rows that may be there already."""
        _write_at(handle, self.head, 0)
        _write_at(handle, self.tail, len(self.head) + self.rows)

    def is_around(self, path: Path) -> bool:
        """Return whether a file consists of this casing and any rows."""
        if path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            if file.read(len(self.head)) != self.head:
                return False
            file.seek(self.rows, os.SEEK_CUR)
            return file.read() == self.tail


def _casing(spec: ShardSpec, table: np.ndarray, complete: bool) -> _Casing:
    """Lay out a shard.

    Args:
        spec: what it holds.
        table: its clips table, with the digests of the rows if it is complete.
        complete: whether all rows are there.
    """
    file = HollowFile()
    identity = identity_of(spec, table) if complete else "0" * 64
    texts = {
        "kind": KIND,
        "request": canonical_json(spec.request),
        "digest": spec.digest,
        "identity": identity,
    }
    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["schema"] = np.uint32(SCHEMA)
        for key, text in texts.items():
            hdf5.attrs[key] = np.bytes_(text.encode())
        hdf5.attrs["complete"] = np.uint8(complete)
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
    return _Casing(file.span(0, offset), rows, file.span(offset + rows, file.size))


def _take_space(handle: int, size: int) -> None:
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


def _write_at(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of ``data`` at an offset of a file."""
    written = 0
    while written < len(data):
        written += os.pwrite(handle, data[written:], offset + written)


def _open_unchecked(path: Path, spec: ShardSpec) -> Shard | None:
    """Open a shard of the same recipe that may be unfinished or have a damaged table, or None."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            if bytes(file.attrs["digest"]).decode() != spec.digest:
                return None
            features, clips = datasets(path, file)
            if features.shape[1:] != spec.row_shape or features.dtype != spec.dtype:
                return None
            offset = int(features.id.get_offset())
            return Shard(path, spec, "", clips[...], offset)
    except UNREADABLE:
        return None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line that names the shard."""
    try:
        yield
    except OSError as error:
        raise JobError(
            f"{path}: cannot be written: {refusal(error)}; what was there is valid"
        ) from error

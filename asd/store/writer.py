"""Writing a shard so that a kill at any moment costs at most the rows in flight.

Rows go into ``.<name>.part`` beside the shard; after each batch the digests of its rows are
appended to ``.<name>.journal``. The next run opens both, keeps every row whose bytes still have the
digest that the journal gives, and goes on from there. When all rows are there the part takes the
place of the shard in one rename. A finished shard is never opened for writing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from asd.errors import JobError
from asd.store import shard as layout
from asd.store.atomic import sync_folder
from asd.store.shard import Shard, ShardSpec

_COPIED_AT_ONCE = 64
_RECORD = np.dtype([("row", "<u4"), ("digest", "S64")])


class ShardWriter:
    """Write the rows of one shard, keeping those that are already valid.

    Use as a context manager; leaving it without :meth:`finish` keeps the part for the next run.

    Args:
        path: where the shard will be.
        spec: what it holds.
        table: its clips table (see :func:`clips_table`), the ``row`` column still empty.

    Attributes:
        pending: indices of the rows that have to be computed, ascending.
        reused: how many rows were valid already.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, spec: ShardSpec, table: np.ndarray) -> None:
        self.path, self.spec, self.table = path, spec, table
        self._part = path.with_name(f".{path.name}.part")
        self._journal = path.with_name(f".{path.name}.journal")
        self._digests = np.zeros(len(table), "S64")
        self._handle = -1
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self._lock()
            self._offset = self._prepare()

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
                data = np.ascontiguousarray(value).tobytes()
                self._pwrite(data, self._offset + int(row) * self.spec.row_bytes)
                records[i] = (row, hashlib.sha256(data).hexdigest().encode())
            # The journal may only tell of rows that are on the disk.
            os.fdatasync(self._handle)
            with self._journal.open("ab") as journal:
                journal.write(records.tobytes())
            self._digests[records["row"]] = records["digest"]

    def finish(self) -> None:
        """Put the shard in its place.

        Raises:
            JobError: rows are missing, or the disk is full.
        """
        if len(self.pending):
            raise JobError(f"{self.path}: {len(self.pending)} rows are missing")
        with _explained(self.path):
            layout.finish(self._part, self.spec, self._digests)
            os.fsync(self._handle)
            self._part.replace(self.path)
            self._journal.unlink(missing_ok=True)
            sync_folder(self.path.parent)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _lock(self) -> int:
        """Open the part and take its lock; wait while another run holds it."""
        while True:
            handle = os.open(self._part, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                print(f"{self.path}: another run is writing it; waiting", file=sys.stderr)
                fcntl.flock(handle, fcntl.LOCK_EX)
            # The other run may have renamed the part away while this one waited.
            if _same_file(handle, self._part):
                return handle
            os.close(handle)

    def _prepare(self) -> int:
        """Fill the part with what is valid already, and return the offset of its rows."""
        kept = self._resume()
        if kept is not None:
            return kept
        sources = [self._finished(), self._stale()]
        self._journal.unlink(missing_ok=True)
        # A fresh inode: the stale part may be mapped as a source.
        beside = self._part.with_name(f"{self._part.name}.new")
        try:
            offset = layout.create(beside, self.spec, self.table)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        fresh = os.open(beside, os.O_RDWR)
        fcntl.flock(fresh, fcntl.LOCK_EX)
        beside.replace(self._part)
        os.close(self._handle)
        self._handle = fresh
        self._offset = offset
        for source in sources:
            self._copy(source)
        return offset

    def _resume(self) -> int | None:
        """Keep the journalled rows of a part that was made for the same rows."""
        part = _open_part(self._part, self.spec)
        if part is None or part.table.dtype != self.table.dtype:
            return None
        if not np.array_equal(part.table, self.table):
            return None
        for row, digest in self._verified(part):
            self._digests[row] = digest
        return part.offset

    def _verified(self, part: Shard) -> Iterator[tuple[int, bytes]]:
        for row, digest in _read_journal(self._journal, len(part)):
            if part.has_digest(row, digest):
                yield row, digest

    def _finished(self) -> tuple[Shard, dict[bytes, int]] | None:
        """Return the finished shard and its valid rows by clip content, if of the same recipe."""
        try:
            found = Shard.open(self.path) if self.path.exists() else None
        except JobError:
            return None
        if found is None or found.digest != self.spec.digest:
            return None
        damaged = set(found.damaged_rows())
        rows = {content: i for i, content in enumerate(found.table["content"]) if i not in damaged}
        return found, rows

    def _stale(self) -> tuple[Shard, dict[bytes, int]] | None:
        """Return a part that was made for other clips, and its valid rows by clip content."""
        part = _open_part(self._part, self.spec)
        if part is None:
            return None
        return part, {part.table["content"][row]: row for row, _ in self._verified(part)}

    def _copy(self, source: tuple[Shard, dict[bytes, int]] | None) -> None:
        if source is None:
            return
        shard, row_of = source
        rows = [row for row in self.pending if self.table["content"][row] in row_of]
        for start in range(0, len(rows), _COPIED_AT_ONCE):
            block = rows[start : start + _COPIED_AT_ONCE]
            theirs = [row_of[self.table["content"][row]] for row in block]
            self.write(block, np.stack([shard.features[row] for row in theirs]))

    def _pwrite(self, data: bytes, offset: int) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._handle, data[written:], offset + written)


def is_current(path: Path, spec: ShardSpec, table: np.ndarray) -> bool:
    """Return whether the shard at ``path`` holds exactly these rows of this recipe."""
    if not path.exists():
        return False
    try:
        found = Shard.open(path)
    except JobError:
        return False
    if found.spec != spec or len(found) != len(table):
        return False
    columns = [column for column in layout.COLUMNS if column != "row"]
    return all(np.array_equal(found.table[column], table[column]) for column in columns)


def clips_table(rows: Sequence[tuple[str, str, str, str, str]]) -> np.ndarray:
    """Return the clips table of rows (name, domain, label, attributes, content digest)."""
    encoded = [tuple(text.encode() for text in row) for row in rows]
    widths = [max((len(row[i]) for row in encoded), default=1) for i in range(4)]
    return np.array([(*row, b"") for row in encoded], layout.table_type(*widths))


def _open_part(path: Path, spec: ShardSpec) -> Shard | None:
    """Open an unfinished shard of the same recipe; ``None`` if it is not usable."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            if bytes(file.attrs["digest"]).decode() != spec.digest:
                return None
            features, clips = layout._datasets(path, file)
            if features.shape[1:] != spec.row_shape or features.dtype != spec.dtype:
                return None
            offset = int(features.id.get_offset())
            return Shard(path, spec, spec.digest, "", clips[...], offset)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        return None


def _read_journal(path: Path, rows: int) -> Iterator[tuple[int, bytes]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    whole = len(data) // _RECORD.itemsize
    for record in np.frombuffer(data[: whole * _RECORD.itemsize], _RECORD):
        if record["row"] < rows:
            yield int(record["row"]), bytes(record["digest"])


def _same_file(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(handle)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line that names the shard."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise JobError(f"{path}: cannot be written: {reason}; what was there is valid") from error

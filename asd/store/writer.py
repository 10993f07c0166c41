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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from asd.atomic import sync
from asd.errors import JobError
from asd.store import part
from asd.store.shard import COLUMNS, Shard, ShardSpec

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
        self._copied = path.with_name(f".{path.name}.new.journal")
        self._digests = np.zeros(len(table), "S64")
        self._frame = part.frame(spec, table, complete=False)
        self._handle = -1
        try:
            with _explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = self._lock()
                self._prepare()
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
                offset = len(self._frame.head) + int(row) * self.spec.row_bytes
                part.write_at(self._handle, data, offset)
                records[i] = (row, hashlib.sha256(data).hexdigest().encode())
            # Nothing waits for the disk here: a row that a power cut takes does not have the
            # digest that the journal tells of, and is computed again.
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
            table = self.table.copy()
            table["row"] = self._digests
            part.frame(self.spec, table, complete=True).write(self._handle)
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

    def _prepare(self) -> None:
        """Fill the part with what is valid already."""
        if self._frame.is_around(self._part):
            self._resume()
        else:
            self._begin()

    def _resume(self) -> None:
        """Keep the journalled rows of a part that was made for the same rows."""
        offset = len(self._frame.head)
        kept = Shard(self._part, self.spec, self.spec.digest, "", self.table, offset)
        digests = dict(_read_journal(self._journal, len(kept)))
        for row in kept.intact_rows(digests.items()):
            self._digests[row] = digests[row]

    def _begin(self) -> None:
        """Put a fresh part in the place of the old one, with the valid rows of what is there."""
        fresh = self._part.with_name(f"{self._part.name}.new")
        old, self._handle = self._handle, os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        journal, self._journal = self._journal, self._copied
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            part.take_space(self._handle, self._frame.size)
            self._frame.write(self._handle)
            self._journal.write_bytes(b"")
            self._copy(self._finished())
            self._copy(self._stale(journal))
            # Only now: a kill while rows are copied must not lose those that are not yet.
            fresh.replace(self._part)
            self._journal.replace(journal)
        finally:
            fresh.unlink(missing_ok=True)
            self._journal.unlink(missing_ok=True)
            self._journal = journal
            os.close(old)

    def _finished(self) -> tuple[Shard, dict[bytes, int]] | None:
        """Return the shard that is there and its valid rows by clip content, if of the same recipe.

        A damaged table is no reason to drop all rows: an entry that still names the digest of its
        row and the content of a clip of ours was not hit.
        """
        found = part.open_unchecked(self.path, self.spec)
        if found is None:
            return None
        return found, _by_content(found, enumerate(found.table["row"]))

    def _stale(self, journal: Path) -> tuple[Shard, dict[bytes, int]] | None:
        """Return a part that was made for other clips, and its valid rows by clip content."""
        stale = part.open_unchecked(self._part, self.spec)
        if stale is None:
            return None
        # A part that was only to be renamed has no journal any more, but a whole table.
        digests = [*_read_journal(journal, len(stale)), *enumerate(stale.table["row"])]
        return stale, _by_content(stale, digests)

    def _copy(self, source: tuple[Shard, dict[bytes, int]] | None) -> None:
        if source is None:
            return
        shard, row_of = source
        rows = [row for row in self.pending if self.table["content"][row] in row_of]
        for start in range(0, len(rows), _COPIED_AT_ONCE):
            block = rows[start : start + _COPIED_AT_ONCE]
            theirs = [row_of[self.table["content"][row]] for row in block]
            self.write(block, np.stack([shard.features[row] for row in theirs]))


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
    columns = [column for column in COLUMNS if column != "row"]
    return all(np.array_equal(found.table[column], table[column]) for column in columns)


def clips_table(rows: Sequence[tuple[str, str, str, str, str]]) -> np.ndarray:
    """Return the clips table of rows (name, domain, label, attributes, content digest)."""
    columns = [_encoded(texts) for texts in zip(*rows, strict=True)] or [_encoded(())] * 5
    table = np.zeros(len(rows), part.table_type(*(column.itemsize for column in columns[:4])))
    for name, column in zip(COLUMNS, columns, strict=False):  # the digests of the rows come last
        table[name] = column
    return table


def _encoded(texts: Sequence[str]) -> np.ndarray:
    """Return texts as UTF-8 bytes (N,)."""
    try:
        return np.array(texts, "S")  # many times faster, and knows ASCII alone
    except UnicodeEncodeError:
        return np.array([text.encode() for text in texts], "S")


def _by_content(shard: Shard, digests: Iterable[tuple[int, bytes]]) -> dict[bytes, int]:
    """Return the rows that have the given digests, by the content of their clips."""
    return {shard.table["content"][row]: row for row in shard.intact_rows(digests)}


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

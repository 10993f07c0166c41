"""Whether the shards of a store are what was written, and lie where they say that they belong."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from asd.errors import AsdError, JobError, UnreadableError, UsageError, refusal
from asd.store.folder import FeatureStore
from asd.store.shard import Shard

LEFTOVERS = (".*.part", ".*.part.new", ".*.journal")
"""What a killed run leaves beside the files that it was writing; no reader looks at it."""

_TRIES = 8
_T = TypeVar("_T")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Damage:
    """Something that is not what was written.

    Attributes:
        path: the file.
        reason: what is wrong with it, on one line.
        rows: the damaged rows of a shard, if that is all that is damaged.
        unreadable: whether the system does not give the file, so that nobody knows what is in it.
    """

    path: Path
    reason: str
    rows: tuple[int, ...] = ()
    unreadable: bool = False

    @classmethod
    def of(cls, path: Path, error: AsdError) -> Damage:
        """Return the damage that a reader of ``path`` complained of."""
        reason = str(error).removeprefix(f"{path}: ")
        return cls(path, reason, unreadable=isinstance(error, UnreadableError))


@dataclass(frozen=True)
class Verified:
    """What a verification of shards found.

    Attributes:
        shards: the readable ones, by path.
        damaged: what is damaged, sorted by path.
    """

    shards: tuple[Shard, ...]
    damaged: tuple[Damage, ...]

    @property
    def rows(self) -> int:
        """How many rows the readable shards have."""
        return sum(map(len, self.shards))


def verify_shards(store: FeatureStore, paths: Iterable[Path]) -> Verified:
    """Check what shards say of themselves: that is, everything in them but the rows' values.

    Args:
        store: the store that they lie in.
        paths: their files.
    """
    shards, damaged = [], []
    for _, found in each(partial(_open, store), sorted(paths)):
        if isinstance(found, Shard):
            shards.append(found)
        else:
            damaged.append(found)
    return Verified(tuple(shards), tuple(damaged))


def verify_rows(
    shards: Sequence[Shard], advance: Callable[[int], object] = lambda rows: None
) -> list[Damage]:
    """Read every row of readable shards against its digest.

    Args:
        shards: the shards.
        advance: called with the number of rows that were read.
    """
    damaged = []
    for shard, found in each(_rows, shards):
        advance(len(shard))
        if found is not None:
            damaged.append(found)
    return damaged


def check_rows(shards: Sequence[Shard]) -> None:
    """Read every row of readable shards against its digest, before something is made of them.

    Raises:
        JobError: a row is not what was written.
    """
    for damage in verify_rows(shards):
        raise JobError(f"{damage.path}: {damage.reason}")


def verify_files(
    digests: Mapping[Path, str], advance: Callable[[int], object] = lambda files: None
) -> Iterator[Damage]:
    """Yield the recordings whose bytes do not have the digest that their index gives.

    Args:
        digests: SHA-256, hexadecimal, by file.
        advance: called with the number of files that were read.
    """
    for path, digest in each(_digest_of, digests):
        advance(1)
        if digest != digests[path]:
            what = "changed since it was indexed" if digest else "lost, or cannot be read"
            yield Damage(path, f"{what}; bring it back, or run 'asd index' and 'asd extract'")


def leftovers(folder: Path) -> list[Path]:
    """Return what killed runs left anywhere below a folder, sorted."""
    return sorted(path for pattern in LEFTOVERS for path in matching(folder, f"**/{pattern}"))


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return what matches a pattern below a folder, also where runs remove folders meanwhile."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):  # of a folder that was listed, and is gone
            return list(folder.glob(pattern))
    return list(folder.glob(pattern))


def each(function: Callable[[_T], _Found], items: Collection[_T]) -> Iterator[tuple[_T, _Found]]:
    """Yield each item with what ``function`` finds; digests are computed on all processors."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield from zip(items, pool.map(function, items), strict=True)
    finally:
        # Who interrupts a long verification does not wait for the rest of it.
        pool.shutdown(cancel_futures=True)


def _open(store: FeatureStore, path: Path) -> Shard | Damage:
    try:
        shard = Shard.open(path)
    except AsdError as error:
        return Damage.of(path, error)
    spec = shard.spec
    if store.path(spec.machine, spec.feature, spec.section, spec.split) != path:
        place = f"{spec.machine} {spec.feature} section {spec.section} {spec.split}"
        reason = f"lies in the wrong place: it says that it is {place}"
        return Damage(path, f"{reason}; move it, or run 'asd verify --repair'")
    return shard


def _rows(shard: Shard) -> Damage | None:
    try:
        if not shard.damaged_rows():
            return None
        # A run may have put another shard in the place of the one that was opened.
        shard = Shard.open(shard.path)
        rows = shard.damaged_rows()
    except (FileNotFoundError, UsageError):
        return None  # a run has removed it meanwhile
    except OSError as error:
        return Damage(shard.path, f"cannot be read: {refusal(error)}", unreadable=True)
    except AsdError as error:
        return Damage.of(shard.path, error)
    if not rows:
        return None
    names = [name.decode() for name in shard.table["name"][rows[:3]]]
    shown = ", ".join([*names, "..."] if rows[3:] else names)
    reason = f"{len(rows)} of {len(shard)} rows are not what was written ({shown})"
    return Damage(shard.path, f"{reason}; run 'asd verify --deep --repair'", tuple(rows))


def _digest_of(path: Path) -> str:
    if not path.is_file():  # to read a named pipe would wait for ever
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""

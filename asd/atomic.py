"""Writing a file whole or not at all, and removing one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asd.errors import JobError


def sync(path: Path) -> None:
    """Make what was written to a file, or the names in a folder, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write while the block runs into one line that names ``path``.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """
    # Their library reports a full disk by an error of its own.
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise JobError(f"{path}: cannot be written: {reason}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; on success it takes the place of ``path``.

    The file is synced before the rename, so a reader sees the old file or the new one. On an error
    the file beside is removed and ``path`` is left as it was.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            sync(beside)
            beside.replace(path)
            sync(path.parent)
    finally:
        with suppress(OSError):
            beside.unlink()


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        JobError: the folder cannot be written.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise JobError(f"{path}: cannot be removed: {error.strerror or error}") from error

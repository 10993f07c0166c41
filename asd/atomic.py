"""Writing a file or a folder whole or not at all, and removing a file."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from asd.errors import JobError, refusal
from asd.progress import note

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


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
        raise JobError(f"{path}: cannot be written: {refusal(error)}") from error


@contextmanager
def locked(path: Path, fleeting: bool = False) -> Iterator[None]:
    """Hold the lock of a file, which is made; wait while another process, or thread, holds it.

    Args:
        path: the file.
        fleeting: whether it is removed when the block ends.

    Raises:
        JobError: the file cannot be made.
    """
    while True:
        with refusals(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        with file:
            _lock(file, fcntl.LOCK_EX, path)
            # Who held it may have removed it meanwhile, and then it keeps nobody out.
            if fleeting and not is_at(file.fileno(), path):
                continue
            try:
                yield
            finally:
                if fleeting:
                    with suppress(OSError):
                        path.unlink()
            return


def wait_for(path: Path) -> None:
    """Wait while a process holds the lock of a file; it is not made, and may be another user's."""
    with suppress(OSError), path.open() as file:
        _lock(file, fcntl.LOCK_SH, path)


def _lock(file: TextIO, how: int, path: Path) -> None:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except OSError:
        note(f"{path.parent}: another run is writing there; waiting")
        fcntl.flock(file, how)


def is_at(handle: int, path: Path) -> bool:
    """Return whether an open file is the one that lies at a path now."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


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
            beside.touch()
            mode = beside.stat().st_mode
            yield beside
            if beside.stat().st_mode != mode:  # some libraries write what nobody else may read
                beside.chmod(stat.S_IMODE(mode))
            sync(beside)
            beside.replace(path)
            sync(path.parent)
    finally:
        with suppress(OSError):
            beside.unlink()


def replace_folder(folder: Path, beside: Path) -> None:
    """Let the folder ``beside`` take the place of ``folder``, whose contents are then gone.

    A reader sees the old folder or the new one, and so does whoever comes after a kill or a power
    cut. Where the system cannot exchange two folders at one moment, the old one is set aside under
    a name of its own meanwhile, and :func:`restore` puts it back after a kill.

    Args:
        folder: the place; it may be empty.
        beside: the new folder, its files synced, on the same disk.

    Raises:
        OSError: the system refuses; ``folder`` is as it was.
    """
    sync(beside)
    folder.parent.mkdir(parents=True, exist_ok=True)
    restore(folder)
    if not folder.exists():
        beside.rename(folder)
    elif not _exchange(folder, beside):
        aside = _aside(folder)
        if aside.exists():  # of a run that was killed when its new folder was in place
            shutil.rmtree(aside)
        folder.rename(aside)
        try:
            beside.rename(folder)
        finally:
            restore(folder)
        # Under its own name a half-removed folder would be put back where the new one is deleted.
        aside.rename(beside)
    sync(folder.parent)
    sync(beside.parent)
    shutil.rmtree(beside, ignore_errors=True)


def restore(folder: Path) -> None:
    """Put a folder back that :func:`replace_folder` was killed over, if there is one.

    Every reader of such a folder calls this first; where it cannot be written, nothing is done.
    """
    with suppress(OSError):
        if not folder.exists():
            _aside(folder).rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders at one moment; False where the system or the disk has no such call."""
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(_RENAME_EXCHANGE)) == 0


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        JobError: the folder cannot be written.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise JobError(f"{path}: cannot be removed: {refusal(error)}") from error

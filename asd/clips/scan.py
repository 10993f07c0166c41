"""Finding machines and their recordings in a raw folder."""

from __future__ import annotations

import errno
import os
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asd.clips.decoding import FFMPEG_SUFFIXES, READABLE, SUFFIXES, without_ffmpeg
from asd.errors import UsageError, unknown_name

_SHOWN = 8


@dataclass(frozen=True)
class Found:
    """A recording found below a machine's folder.

    Attributes:
        file: where it is.
        folders: names of the folders between the machine's folder and the file, in characters
            that can be written.
        name: its base name, likewise.
        problem: why it is not to be read, as ``reason: details``; ``""`` where it is.
    """

    file: Path
    folders: tuple[str, ...]
    name: str
    problem: str = ""

    @property
    def place(self) -> str:
        """The path below the machine's folder, with forward slashes."""
        return "/".join((*self.folders, self.name))


def find_machines(raw: Path) -> list[str]:
    """Return the names of the folders of ``raw`` that hold recordings, sorted.

    Raises:
        UsageError: the folder is missing, or holds no machine's folder.
    """
    if not raw.is_dir():
        raise UsageError(f"{raw}: no such folder; put one folder of recordings a machine in it")
    machines = sorted(
        entry.name for entry in raw.iterdir() if _is_shown(entry) and _holds_recordings(entry)
    )
    if not machines:
        raise UsageError(
            f"{raw}: no folder in it holds {READABLE} recordings; it holds {_listing(raw)}"
        )
    return machines


def machine_folder(raw: Path, machine: str) -> Path:
    """Return a machine's folder.

    Raises:
        UsageError: there is none, or it holds no recordings; the message lists what is there.
    """
    if not raw.is_dir():
        find_machines(raw)
    folder = raw / machine
    is_name = bool(machine) and Path(machine).name == machine  # not a path that leads elsewhere
    if not is_name or not _is_shown(folder):
        raise UsageError(f"{raw}: {unknown_name('machine', machine, find_machines(raw))}")
    if not _holds_recordings(folder):
        raise UsageError(f"{folder}: no {READABLE} recordings in it; it holds {_listing(folder)}")
    return folder


def find_recordings(folder: Path) -> list[Found]:
    """Return the recordings below a machine's folder, by path.

    Hidden files and files that are not audio are passed over. Links to files are read (a cache may
    link its files from elsewhere), and the machine's folder may be a link itself; a link to a
    folder below it is listed and not followed, as it may lead anywhere, even back to where it is.
    """
    return list(_walk(folder, ()))


def _walk(folder: Path, below: tuple[str, ...]) -> Iterator[Found]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be listed ({error.strerror}); see its rights") from None
    for entry in entries:
        path = Path(entry.path)
        suffix = path.suffix.lower()
        if entry.name.startswith("."):
            continue
        if _leads_nowhere(path):
            if suffix in SUFFIXES:
                yield _found(path, below, "link that leads back to itself: remove it")
        elif entry.is_dir():
            if entry.is_symlink():
                yield _found(path, below, "link to a folder: link the machine's folder instead")
            else:
                yield from _walk(path, (*below, entry.name))
        elif suffix in SUFFIXES:
            yield _found(path, below)
        elif suffix in FFMPEG_SUFFIXES:
            # Listed at least, so that nobody wonders where it went.
            yield _found(path, below, "" if shutil.which("ffmpeg") else without_ffmpeg(suffix))


def _found(file: Path, folders: tuple[str, ...], problem: str = "") -> Found:
    names = (*folders, file.name)
    shown = tuple(_printable(name) for name in names)
    if shown != names:
        problem = "unprintable name: rename the file or its folder"
    return Found(file, shown[:-1], shown[-1], problem)


def _printable(name: str) -> str:
    """Write out what no table can hold: control characters, and bytes that are not UTF-8."""
    return "".join(
        ascii(mark)[1:-1] if unicodedata.category(mark) in {"Cc", "Cs"} else mark for mark in name
    )


def _leads_nowhere(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _is_shown(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _holds_recordings(folder: Path) -> bool:
    return next(_walk(folder, ()), None) is not None


def _listing(folder: Path) -> str:
    names = sorted(_printable(path.name) for path in folder.iterdir())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing"

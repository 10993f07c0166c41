"""Finding machines and their recordings in a raw folder."""

from __future__ import annotations

import errno
import os
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.clips import names
from asd.clips.decoding import FFMPEG_SUFFIXES, READABLE, SUFFIXES, without_ffmpeg
from asd.errors import UsageError, unknown_name

_SHOWN = 8
_LINK = "link to a folder"
_NO_FILE = "not a file: DVC cannot hold it; remove it"
NOT_UTF8 = "name not in UTF-8: DVC cannot hold it; rename the file or its folder"


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


def find_own(raw: Path) -> tuple[list[str], int]:
    """Find the machines of a folder that somebody points at.

    Returns:
        The machines' names, and how many recordings lie beside their folders and are of none. A
        folder that holds recordings itself, and no other folders than such as ``abnormal``, is one
        machine.

    Raises:
        UsageError: there is no machine, or the folder is the inside of one, or above what is meant.
    """
    entries = list(_walk(raw, (), deep=False)) if raw.is_dir() else []
    loose = sum(not found.problem.startswith(_LINK) for found in entries)
    machines = _folders(raw) if loose else find_machines(raw)
    inside = [name for name in machines if names.meaning(name) or names.section_of(name)]
    here = raw.resolve()
    if loose and len(inside) == len(machines):
        return [here.name], 0
    if inside:
        held = ", ".join(inside)
        if len(inside) == len(machines):
            raise UsageError(
                f"{raw}: holds {held}: that is the inside of one machine; give the folder above, in"
                f" which {here.name} is a machine: --raw {os.path.relpath(here.parent)}"
            )
        raise UsageError(
            f"{raw}: holds {held} beside machines, and no machine can be called so; move it into"
            " the machine's folder, or rename it"
        )
    return machines, loose


def looks_like_machines(found: Sequence[Found]) -> list[str]:
    """Return the folders of a machine that look like machines themselves: each with its classes."""
    outer: dict[str, bool] = {}
    for recording in found:
        if len(recording.folders) > 1:
            name, inner = recording.folders[:2]
            says = bool(names.meaning(inner) or names.section_of(inner))
            is_machine = says and not names.meaning(name) and not names.section_of(name)
            outer[name] = outer.get(name, True) and is_machine
    machines = sorted(name for name, is_machine in outer.items() if is_machine)
    return machines if len(machines) > 1 else []


def folder_of(raw: Path, machine: str) -> Path:
    """Return where a machine's recordings are: in its folder, or straight in ``raw`` itself."""
    folder = raw / machine
    straight = not folder.is_dir() and raw.resolve().name == machine
    return raw if straight else folder


def find_machines(raw: Path) -> list[str]:
    """Return the names of the folders of ``raw`` that hold recordings, sorted.

    Raises:
        UsageError: the folder is missing, or holds no machine's folder.
    """
    if not raw.is_dir():
        raise UsageError(f"{raw}: no such folder; put one folder of recordings a machine in it")
    machines = _folders(raw)
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
    folder = folder_of(raw, machine)
    is_name = bool(machine) and Path(machine).name == machine  # not a path that leads elsewhere
    if not is_name or not (folder == raw or _is_shown(folder)):
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


def _walk(folder: Path, below: tuple[str, ...], deep: bool = True) -> Iterator[Found]:
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
        if entry.is_symlink() and _leads_nowhere(path):
            if suffix in SUFFIXES:
                yield _found(path, below, "link that leads back to itself: remove it")
        elif entry.is_dir():
            if entry.is_symlink():
                yield _found(path, below, f"{_LINK}: link the machine's folder instead")
            elif deep:
                yield from _walk(path, (*below, entry.name))
        elif suffix in SUFFIXES | FFMPEG_SUFFIXES and not entry.is_file():
            yield _found(path, below, _NO_FILE)  # a link to nothing, a pipe, a device
        elif suffix in SUFFIXES or entry.name != _encodable(entry.name):
            yield _found(path, below)  # whatever it is, DVC cannot hold the latter
        elif suffix in FFMPEG_SUFFIXES:
            # Listed at least, so that nobody wonders where it went.
            yield _found(path, below, "" if shutil.which("ffmpeg") else without_ffmpeg(suffix))


def _found(file: Path, folders: tuple[str, ...], problem: str = "") -> Found:
    parts = (*folders, file.name)
    shown = tuple(printable(part) for part in parts)
    if any(part != _encodable(part) for part in parts):
        problem = NOT_UTF8
    elif shown != parts:
        problem = "unprintable name: rename the file or its folder"
    return Found(file, shown[:-1], shown[-1], problem)


def _encodable(name: str) -> str:
    """Return a name as far as it is UTF-8."""
    return name.encode(errors="ignore").decode()


def printable(name: str) -> str:
    """Write out what no table can hold: control characters, and bytes that are not UTF-8."""
    if name.isprintable():
        return name
    return "".join(
        ascii(mark)[1:-1] if unicodedata.category(mark) in {"Cc", "Cs"} else mark for mark in name
    )


def _leads_nowhere(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _folders(raw: Path) -> list[str]:
    above = {raw.resolve(), *raw.resolve().parents}  # where a link may lead round to
    return sorted(
        path.name
        for path in raw.iterdir()
        if _is_shown(path) and path.resolve() not in above and _holds_recordings(path)
    )


def _is_shown(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _holds_recordings(folder: Path) -> bool:
    return next(_walk(folder, ()), None) is not None


def _listing(folder: Path) -> str:
    held = sorted(printable(path.name) for path in folder.iterdir())
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    return ", ".join(held[:_SHOWN]) + more if held else "nothing"

"""The marker of an extracted archive: which files it gave, so that no second call fetches it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.clips.archive import Entry
from asd.clips.records import Archive

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Marker:
    """What was extracted from one archive.

    Attributes:
        record: the record that it was in.
        name: its file name.
        md5: hexadecimal digest of its bytes.
        files: what it gave, by path below the data set's folder.
    """

    record: int
    name: str
    md5: str
    files: tuple[Entry, ...]

    def is_of(self, archive: Archive) -> bool:
        """Whether it stands for this very archive."""
        return (self.record, self.name, self.md5) == (archive.record, archive.name, archive.md5)

    def intact(self, folder: Path) -> bool:
        """Whether each file is still there in its size; their bytes are not read."""
        return all(_size(folder / entry.path) == entry.size for entry in self.files)


def marker_path(state: Path, archive: Archive) -> Path:
    """Return where the marker of an archive is, in the folder of markers."""
    return state / f"{archive.record}_{archive.name}.json"


def write_marker(state: Path, archive: Archive, files: Sequence[Entry]) -> None:
    """Write the marker of an archive, whole or not at all."""
    content = {
        "schema": _SCHEMA,
        "record": archive.record,
        "name": archive.name,
        "md5": archive.md5,
        "count": len(files),
        "files": [[entry.path, entry.size, entry.crc] for entry in files],
    }
    path = marker_path(state, archive)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_marker(path: Path) -> Marker | None:
    """Return a marker, or ``None`` where it is missing or no marker of this version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(Entry(*row) for row in content["files"])
        if content["schema"] != _SCHEMA or content["count"] != len(files):
            return None
        return Marker(content["record"], content["name"], content["md5"], files)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1

"""Extraction of zip archives from outside: every entry is judged before any is written.

The marker of an extracted archive says which files it gave, so that no second call fetches it.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asd.download.zenodo import Archive
from asd.errors import JobError

_CHUNK = 1024 * 1024
_MARKER_SCHEMA = 1
# What a Mac or Windows adds to an archive of its own accord; a machine called __MACOSX is none.
_JUNK = re.compile(r"(__MACOSX/.*|(.*/)?(\.DS_Store|Thumbs\.db|desktop\.ini))")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # no decoder for it in this Python
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to.

    Attributes:
        entries: files and folders in it.
        total: bytes of all files.
        ratio: bytes of all files over bytes of the archive. Recordings come to about 1.2; deflate
            reaches 1,032.
        spare: bytes that are never too many, so that a small archive of silence passes.
    """

    entries: int = 500_000
    total: int = 64 * 1024**3
    ratio: float = 50.0
    spare: int = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive: its path with forward slashes, its bytes and their CRC-32."""

    path: str
    size: int
    crc: int


def extract(
    archive: Path,
    into: Path,
    claim: Callable[[Sequence[Entry]], None],
    check: Callable[[], None],
    limits: Limits | None = None,
) -> list[Entry]:
    """Extract an archive below a folder; each file is there whole or not at all.

    Args:
        archive: a zip archive.
        into: the folder to extract below; files of the same path are replaced.
        claim: called with the files once all are judged, before the first is written; may raise.
        check: called before each file; may raise to end the work.
        limits: what the archive may unpack to.

    Returns:
        The files written.

    Raises:
        JobError: the archive cannot be read or is damaged, is too large when unpacked, or has an
            entry that is encrypted, is neither file nor folder, has a path that leads out of the
            folder or means something else on another system, or comes twice (in any case of
            letters); or a link on disk leads out of ``into``, or the disk is full.
    """
    with _opened(archive) as package:
        judged = _judged(archive, package, limits or Limits())
        files = [entry for entry, _ in judged]
        claim(files)
        into.mkdir(parents=True, exist_ok=True)
        _check_space(archive, into, files)
        inside = into.resolve()
        for folder in {(into / entry.path).parent for entry in files}:
            if not folder.resolve().is_relative_to(inside):
                raise JobError(f"{folder}: a link that leads out of {into}; remove it")
        for entry, info in judged:
            check()
            _write(archive, package, info, into / entry.path)
    return files


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as package:
            yield package
    except _UNREADABLE as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise JobError(f"{archive}: not an archive that can be unpacked: {said}") from None
    except OSError as error:
        raise JobError(f"{error.filename or archive}: {error.strerror or error}") from None


def _judged(
    archive: Path, package: zipfile.ZipFile, limits: Limits
) -> list[tuple[Entry, zipfile.ZipInfo]]:
    infos = package.infolist()
    if len(infos) > limits.entries:
        raise JobError(f"{archive}: {len(infos)} entries, more than {limits.entries}")
    total = sum(info.file_size for info in infos)
    packed = archive.stat().st_size
    # Of the whole archive, not of each entry: entries may share the same packed bytes.
    if total > limits.total or total > max(limits.spare, limits.ratio * packed):
        raise JobError(f"{archive}: unpacks from {packed} to {total} bytes; refused as a zip bomb")
    names = _Names()
    judged = []
    for info in infos:
        path = "/".join(_parts(info.filename))
        problem = _problem(info) or names.problem(path, info.is_dir())
        if problem:
            raise JobError(f"{archive}: entry {info.orig_filename!r} {problem}; nothing extracted")
        if not info.is_dir() and not _JUNK.fullmatch(path):
            judged.append((Entry(path, info.file_size, info.CRC), info))
    return judged


def _parts(name: str) -> list[str]:
    """Return the parts of a path, composed as NFC, without the empty ones and the dots."""
    return [part for part in unicodedata.normalize("NFC", name).split("/") if part not in ("", ".")]


def _problem(info: zipfile.ZipInfo) -> str:
    """Return what is wrong with one entry, or ``""``."""
    name, parts = unicodedata.normalize("NFC", info.filename), _parts(info.filename)
    if not parts:  # first of all: zipfile cannot say of an empty name whether it is a folder
        return "has no name"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        return "is neither a file nor a folder"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if name.startswith("/"):
        return "has an absolute path"
    if ".." in parts:
        return "leads out of the folder"
    # zipfile cuts a name at a NUL, and turns backslashes where they separate folders.
    if re.search(r"[\x00-\x1f\x7f\\:]", name + info.orig_filename):
        return "has a backslash, a colon or a control character in its path"
    if any(part[-1] in ". " or _RESERVED.fullmatch(part) for part in parts):
        return "has a name that means something else on another system"
    return ""


class _Names:
    """The paths of an archive so far, told apart as a file system that ignores case would."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def problem(self, path: str, is_folder: bool) -> str:
        """Return how a further path collides with those before it, or ``""``."""
        steps = path.split("/")
        for depth in range(1, len(steps) + is_folder):
            folder = "/".join(steps[:depth])
            known = self._known.setdefault(folder.casefold(), f"{folder}/")
            if known != f"{folder}/":
                return f"collides with '{known}'"
        if is_folder:
            return ""
        if path.casefold() in self._known:
            return f"collides with '{self._known[path.casefold()]}'"
        self._known[path.casefold()] = path
        return ""


def _check_space(archive: Path, into: Path, files: Sequence[Entry]) -> None:
    needed, free = sum(entry.size for entry in files), shutil.disk_usage(into).free
    if needed > free:
        raise JobError(f"{into}: {archive.name} unpacks to {needed} bytes, only {free} are free")


def _write(archive: Path, package: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    # Not synced one by one: a power cut leaves short files, and the marker's sizes tell.
    # Named after the archive too: two that share a file may be extracted at the same time.
    beside = path.with_name(f".{path.name}.{zlib.crc32(archive.name.encode()):08x}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.unlink(missing_ok=True)
    try:
        with package.open(info) as source, beside.open("xb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
            written = file.tell()
        if written != info.file_size:
            raise JobError(f"{archive}: {info.filename}: {written} bytes, not {info.file_size}")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


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
        "schema": _MARKER_SCHEMA,
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
        if content["schema"] != _MARKER_SCHEMA or content["count"] != len(files):
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

"""Extraction of zip archives from outside: every entry is judged before any is written.

The record of an extracted archive says which files it gave, so that no second call fetches it.
"""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

from asd.artifact import Request, lack, read_record, write_record
from asd.download.zenodo import Archive
from asd.errors import AsdError, JobError, one_line, refusal

_CHUNK = 1024 * 1024
# What an archive may unpack to: all files together, and over its own bytes, which recordings
# exceed by about 1.2 and deflate by at most 1,032; a small archive of silence passes all the same.
_MOST_BYTES, _MOST_RATIO, _SPARE = 64 * 1024**3, 50, 16 * 1024**2
# What a Mac or Windows adds to an archive of its own accord; a machine called __MACOSX is none.
_JUNK = re.compile(r"(__MACOSX/.*|(.*/)?(\.DS_Store|Thumbs\.db|desktop\.ini))")
# zipfile cuts a name at a NUL, and turns backslashes where they separate folders.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\:]")
_RESERVED = re.compile(r"(.*/)?(((con|prn|aux|nul|com\d|lpt\d)(\.[^/]*)?)|[^/]*[. ])(/.*)?", re.I)
# A RuntimeError is a compression that zipfile does not know, or has no decoder for.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)
_UNREADABLE = (*_DAMAGED, EOFError, RuntimeError, ValueError)


class Entry(NamedTuple):
    """A file of an archive: its path with forward slashes, its bytes and their CRC-32."""

    path: str
    size: int
    crc: int


class DownloadRequest(Request):
    """Which archive was extracted.

    The files that it gave are facts of the record, ``[path, size, CRC-32]`` each: to hash them
    all at every call would take minutes.

    Attributes:
        record: the record on Zenodo that the archive is in.
        name: its file name.
        md5: hexadecimal digest of its bytes.
    """

    kind: ClassVar[str] = "download"
    verb: ClassVar[str] = "download"

    record: int
    name: str
    md5: str


def extract(
    archive: Path,
    into: Path,
    claim: Callable[[Sequence[Entry]], None],
    check: Callable[[], None],
) -> list[Entry]:
    """Extract an archive below a folder; each file is there whole or not at all.

    Args:
        archive: a zip archive.
        into: the folder to extract below; files of the same path are replaced.
        claim: called with the files once all are judged, before the first is written; may raise.
        check: called before each file; may raise to end the work.

    Returns:
        The files written.

    Raises:
        JobError: the archive cannot be read or is damaged, is too large when unpacked, or has an
            entry that is encrypted, is neither file nor folder, has a path that leads out of the
            folder or means something else on another system, or comes twice (in any case of
            letters); or a link on disk leads out of ``into``, or the disk is full.
    """
    with _opened(archive) as package:
        judged = _judged(archive, package)
        files = [entry for entry, _ in judged]
        claim(files)
        into.mkdir(parents=True, exist_ok=True)
        for folder in {(into / entry.path).parent for entry in files}:
            if not folder.resolve().is_relative_to(into.resolve()):
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
        said = one_line(error) or type(error).__name__
        raise JobError(
            f"{archive}: not an archive that can be unpacked: {said}; "
            "it was published so, try another --mirror"
        ) from None
    except OSError as error:
        raise JobError(f"{error.filename or archive}: {refusal(error)}") from None


def _judged(archive: Path, package: zipfile.ZipFile) -> list[tuple[Entry, zipfile.ZipInfo]]:
    infos, packed = package.infolist(), archive.stat().st_size
    total = sum(info.file_size for info in infos)
    # Of the whole archive, not of each entry: entries may share the same packed bytes.
    if total > _MOST_BYTES or total > max(_SPARE, _MOST_RATIO * packed):
        raise JobError(f"{archive}: unpacks from {packed} to {total} bytes; refused as a zip bomb")
    judged = []
    for info in infos:
        path, problem = _path(info), _problem(info)
        if problem:
            raise JobError(f"{archive}: entry {info.orig_filename!r} {problem}; nothing extracted")
        if not info.is_dir() and not _JUNK.fullmatch(path):
            judged.append((Entry(path, info.file_size, info.CRC), info))
    files = [entry.path for entry, _ in judged]
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents}
    # Told apart as a file system that ignores case would.
    for name, count in Counter(name.casefold() for name in [*files, *folders]).items():
        if count > 1:
            raise JobError(f"{archive}: entry {name!r} collides with another; nothing extracted")
    return judged


def _path(info: zipfile.ZipInfo) -> str:
    """Return the path of an entry, composed as NFC, without empty parts and dots."""
    parts = unicodedata.normalize("NFC", info.filename).split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _problem(info: zipfile.ZipInfo) -> str:
    """Return what is wrong with one entry, or ``""``."""
    path = _path(info)
    if not path:  # first of all: zipfile cannot say of an empty name whether it is a folder
        return "has no name"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        return "is neither a file nor a folder"
    if info.flag_bits & 0x1:
        return "is encrypted"
    controls = _CONTROL.search(path + info.orig_filename)
    if info.filename.startswith("/") or controls or _RESERVED.fullmatch(path):
        return "has a path that leads out of the folder or means something else on another system"
    return ""


def _write(archive: Path, package: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    # Not synced one by one: a power cut leaves short files, and the sizes in the record tell.
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


def record_path(state: Path, archive: Archive) -> Path:
    """Return where the record of an extracted archive is, in the folder of records."""
    return state / f"{archive.record}_{archive.name}.json"


def write_extracted(state: Path, archive: Archive, files: Sequence[Entry]) -> None:
    """Write the record of an extracted archive, whole or not at all."""
    facts = {"files": [list(entry) for entry in files]}
    write_record(record_path(state, archive), _request(archive), [], facts)


def read_extracted(path: Path) -> tuple[str, list[Entry]]:
    """Return the name of an extracted archive and its files; none if its record is damaged."""
    try:
        record = read_record(path, DownloadRequest)
        return record.request["name"], [Entry(*row) for row in record.facts["files"]]
    except (AsdError, KeyError, TypeError):
        return "", []


def is_extracted(state: Path, archive: Archive, folder: Path) -> bool:
    """Whether all that this very archive gave is there in its size; the bytes are not read."""
    path = record_path(state, archive)
    if lack(path, _request(archive)):
        return False
    return all(_size(folder / entry.path) == entry.size for entry in read_extracted(path)[1])


def _request(archive: Archive) -> DownloadRequest:
    return DownloadRequest(record=archive.record, name=archive.name, md5=archive.md5)


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1

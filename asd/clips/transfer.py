"""Fetching one archive: resumed where it was broken off, and checked against the record's md5."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import IO

from asd.clips.records import Archive
from asd.clips.web import PassingError, Web
from asd.errors import JobError
from asd.progress import Advance

_CHUNK = 256 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def fetch(web: Web, archive: Archive, part: Path, advance: Advance) -> None:
    """Bring ``part`` to the whole of an archive, going on from what is already there.

    What is there is hashed again, and the whole has to have the record's md5: a part of another
    file is found out and fetched afresh.

    Args:
        web: makes the requests.
        archive: what to fetch.
        part: the file that holds what has been received so far; made if it is missing.
        advance: called with bytes as they are there, and with a negative number where bytes are
            discarded.

    Raises:
        JobError: the server refuses or fails too often, or sends other bytes than the record
            says, twice.
        StoppedError: the work was asked to stop; ``part`` keeps what has been received.
    """
    with _Part(part, advance, web.check) as partial:
        for _ in range(2):
            web.retry(lambda: _complete(web, archive, partial), lambda: partial.size)
            received = partial.md5.hexdigest()
            if received == archive.md5:
                return
            partial.restart()
    raise JobError(
        f"{archive.name}: received bytes with md5 {received} where the record says "
        f"{archive.md5}, twice; try again later or from another --mirror"
    )


class _Part:
    """A file that grows, and the digest of what is in it."""

    def __init__(self, path: Path, advance: Advance, check: Callable[[], None]) -> None:
        self._path = path
        self._advance = advance
        self._check = check

    def __enter__(self) -> _Part:
        self._file: IO[bytes] = self._path.open("a+b")
        self._begin()
        try:
            self._file.seek(0)
            while data := self._file.read(_CHUNK):
                self._check()
                self._count(data)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, data: bytes) -> None:
        self._file.write(data)
        self._count(data)

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._advance(-self.size)
        self._begin()

    def _begin(self) -> None:
        self.size = 0
        self.md5 = hashlib.md5(usedforsecurity=False)

    def _count(self, data: bytes) -> None:
        self.size += len(data)
        self.md5.update(data)
        self._advance(len(data))


def _complete(web: Web, archive: Archive, part: _Part) -> None:
    """Append what is missing; where that fails, what has been received is kept."""
    if part.size > archive.size:
        part.restart()
    if part.size == archive.size:
        return
    try:
        with web.open(archive.url, part.size) as response:
            if _first_byte(response, part.size, archive) != part.size:
                part.restart()
            while part.size < archive.size:
                data = web.read(response, min(_CHUNK, archive.size - part.size))
                if not data:
                    raise PassingError(
                        f"{archive.url}: broken off after {part.size} of {archive.size} bytes"
                    )
                part.append(data)
    except PassingError as error:
        if error.status == 416:  # the server's file ends before what we have
            part.restart()
        raise


def _first_byte(response: HTTPResponse, offset: int, archive: Archive) -> int:
    """Return where the answer's bytes begin: at ``offset``, or at 0 if the server sends all.

    Raises:
        PassingError: the answer is of another range or length, so none of it may be used.
    """
    first = 0
    if response.status == 206:
        said = response.headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(said.strip())
        expected = [str(offset), str(archive.size - 1)]
        if (
            not match
            or [match[1], match[2]] != expected
            or match[3] not in ("*", str(archive.size))
        ):
            raise PassingError(
                f"{archive.url}: answers with range '{said}' where bytes {offset} to "
                f"{archive.size - 1} of {archive.size} were asked for"
            )
        first = offset
    elif response.status != 200:
        raise JobError(f"{archive.url}: answers {response.status} {response.reason}")
    missing = archive.size - first
    if response.length is not None and response.length != missing:
        raise PassingError(f"{archive.url}: offers {response.length} bytes, not {missing}")
    return first

"""Fetching over HTTP on a bad line: retried with back-off, resumed, and checked by its MD5.

A server that is not reached or is busy, and a line that breaks in the midst of an answer, are
failures of one row: each is waited for longer, and a range asks for the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLCertVerificationError
from threading import Event
from typing import IO, Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from requests.exceptions import InvalidSchema, RequestException, TooManyRedirects
from urllib3 import Retry
from urllib3.exceptions import HTTPError, InvalidHeader

from asd.download.zenodo import Archive
from asd.errors import JobError, one_line
from asd.progress import Advance

T = TypeVar("T")

_PROGRESS = 16 * 1024**2
_LONGEST = 120.0  # seconds that are waited at once
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK = 256 * 1024
_LATER = "run the same command later to go on from here"


class StoppedError(Exception):
    """The work was asked to stop; what has been received stays for the next call."""


class BrokenError(Exception):
    """No answer, one that broke off, or one of another range; asking again may mend it.

    Args:
        said: what happened.
        wait: seconds after which the server asks to be asked again, if it does.
    """

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait


class Web:
    """HTTP requests, for use from several threads.

    Args:
        attempts: failures in a row after which a request is given up; one that came after at
            least 16 MiB of new data begins a new row. The first retry comes at once, the next
            ones after 2, 4, 8, ... seconds or when the server asks for it, within two minutes.
        timeout: seconds without any data after which a connection counts as broken.
        stop: set from elsewhere to make every request raise :class:`StoppedError` soon.
    """

    def __init__(self, attempts: int = 6, timeout: float = 30.0, stop: Event | None = None) -> None:
        self.stop = stop or Event()
        self._attempts, self._timeout = attempts, timeout

    def check(self) -> None:
        """Raise :class:`StoppedError` if the work was asked to stop."""
        if self.stop.is_set():
            raise StoppedError

    def answer(self, url: str) -> bytes:
        """Return the body of a small answer.

        Raises:
            JobError: the server refuses, cannot be reached, or fails too often.
        """

        def attempt() -> bytes:
            with self.open(url) as response:
                return b"".join(iter(lambda: self.read(response, _CHUNK), b""))

        return self.persist(attempt)

    def persist(self, attempt: Callable[[], T], received: Callable[[], int] = lambda: 0) -> T:
        """Return what ``attempt`` returns, tried again while it raises :class:`BrokenError`.

        Args:
            attempt: the work.
            received: bytes received so far, to tell a slow advance from none.

        Raises:
            JobError: too many failures in a row, or the server asks to wait for too long.
            StoppedError: the work was asked to stop.
        """
        failures, before = 0, received()
        while True:
            self.check()
            try:
                return attempt()
            except BrokenError as error:
                broken = error
            failures = 1 if received() - before >= _PROGRESS else failures + 1
            before = received()
            if failures == self._attempts:
                raise JobError(f"{broken}; given up after {failures} attempts; {_LATER}")
            if broken.wait is not None and broken.wait > _LONGEST:
                raise JobError(f"{broken}; the server asks to wait {broken.wait:.0f} s; {_LATER}")
            backoff = min(2.0 ** (failures - 1), _LONGEST) if failures > 1 else 0.0
            if self.stop.wait(backoff if broken.wait is None else broken.wait):
                raise StoppedError

    @contextmanager
    def open(self, url: str, offset: int = 0) -> Iterator[requests.Response]:
        """Ask for ``url``, from byte ``offset`` on, and yield the answer (of a 2xx status, or 416).

        Raises:
            JobError: the server refuses.
            BrokenError: it cannot be reached, or is busy.
        """
        headers = {"User-Agent": "asd", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with requests.Session() as session:  # one a request, for it is not made for threads
            session.max_redirects = 10
            session.hooks["response"].append(_stay_secure)
            try:
                response = session.get(url, headers=headers, timeout=self._timeout, stream=True)
            except (RequestException, ValueError) as error:
                said = f"{url}: {_reason(error)}"
                # A ValueError is an address that is none, or of another scheme.
                lasting = isinstance(error, ValueError | TooManyRedirects)
                if lasting or isinstance(_cause(error), SSLCertVerificationError):
                    raise JobError(said) from None
                raise BrokenError(said) from None
            with response:
                status = response.status_code
                said = f"{url}: {status} {response.reason}"
                if status in _PASSING:
                    raise BrokenError(said, _wait(response))
                if status in (404, 410):
                    said += "; the server does not have it, try another --mirror"
                if status >= 300 and status != 416:
                    raise JobError(said)
                yield response

    def read(self, response: requests.Response, count: int) -> bytes:
        """Return up to ``count`` bytes of an answer, and none at its end.

        Raises:
            BrokenError: the line broke.
        """
        self.check()
        try:
            # read1 hands out what has arrived; read would lose it when the line then breaks.
            return bytes(response.raw.read1(count))
        except (HTTPError, OSError) as error:
            raise BrokenError(f"{response.url}: broken off: {_reason(error)}") from None


def _stay_secure(response: requests.Response, **_: Any) -> None:
    """Refuse a redirection from https to http; requests itself follows to these two alone."""
    target = urljoin(response.url, response.headers.get("Location", ""))
    schemes = [urlsplit(address).scheme for address in (response.url, target)]
    if response.is_redirect and schemes == ["https", "http"]:
        raise InvalidSchema(f"redirection to {target} refused")


def _wait(response: requests.Response) -> float | None:
    """Return the seconds that a server asks to wait; None where it does not, or not legibly."""
    try:
        return Retry().get_retry_after(response.raw)
    except (InvalidHeader, ValueError, OverflowError):  # neither seconds nor a date
        return None


def _cause(error: BaseException) -> BaseException:
    """Return what lies below the errors that urllib3 and requests wrap around each other."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    wrapped = error.args[0] if error.args else None
    return wrapped if isinstance(wrapped, BaseException) else error


def _reason(error: BaseException) -> str:
    cause = _cause(error)
    return one_line(cause) or type(cause).__name__


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
    with part.open("a+b") as file:
        partial = _Part(file, advance, web.check)
        for _ in range(2):
            web.persist(lambda: _complete(web, archive, partial), lambda: partial.size)
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

    def __init__(self, file: IO[bytes], advance: Advance, check: Callable[[], None]) -> None:
        self._file, self._advance = file, advance
        self._begin()
        file.seek(0)
        while data := file.read(_CHUNK):
            check()
            self._count(data)

    def append(self, data: bytes) -> None:
        self._file.write(data)
        self._count(data)

    def restart(self) -> None:
        self._file.truncate(0)
        self._advance(-self.size)
        self._begin()

    def _begin(self) -> None:
        self.size, self.md5 = 0, hashlib.md5(usedforsecurity=False)

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
    with web.open(archive.url, part.size) as response:
        try:
            if response.status_code == 416:  # the server's file ends before what we have
                part.restart()
                raise BrokenError(f"{archive.url}: has no such range")
            if _first_byte(response, part.size, archive) != part.size:
                part.restart()
            while part.size < archive.size:
                data = web.read(response, min(_CHUNK, archive.size - part.size))
                if not data:
                    raise BrokenError(f"{archive.url}: broken off")
                part.append(data)
        except BrokenError as error:
            raise BrokenError(f"{error} after {part.size} of {archive.size} bytes") from None


def _first_byte(response: requests.Response, offset: int, archive: Archive) -> int:
    """Return where the answer's bytes begin: at ``offset``, or at 0 if the whole file is to come.

    Raises:
        BrokenError: the answer is of another range or length, so none of it may be used.
    """
    status, first = response.status_code, 0
    if status == 206:
        said, wanted = response.headers.get("Content-Range"), f"bytes {offset}-{archive.size - 1}"
        if said not in (f"{wanted}/{archive.size}", f"{wanted}/*"):
            raise BrokenError(f"{archive.url}: answers with range '{said}', not {wanted}")
        first = offset
    elif status != 200:
        raise JobError(f"{archive.url}: answers {status} {response.reason}")
    offered, missing = response.raw.length_remaining, archive.size - first
    if offered not in (None, missing):
        raise BrokenError(f"{archive.url}: offers {offered} bytes, not {missing}")
    return first

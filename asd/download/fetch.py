"""Fetching over HTTP on a bad line: only http and https, retried with back-off, and resumed."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage, HTTPResponse, InvalidURL
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO, TypeVar
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from asd.download.zenodo import Archive
from asd.errors import JobError
from asd.progress import Advance

T = TypeVar("T")

_ANSWER_LIMIT = 16 * 1024**2
_PROGRESS = 16 * 1024**2
_PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
_CHUNK = 256 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class StoppedError(Exception):
    """The work was asked to stop; what has been received stays for the next call."""


class PassingError(Exception):
    """A failure that a retry may mend.

    Attributes:
        status: HTTP status of the answer, 0 where there was none.
        wait: seconds that the server asks to wait, if it does.
    """

    def __init__(self, reason: str, status: int = 0, wait: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Backoff:
    """How failures that may pass are met.

    Attributes:
        attempts: failures in a row after which a request is given up; one that came after at
            least 16 MiB of new data begins a new row.
        first: seconds before the first retry, doubled at each further one.
        longest: seconds that are waited at most; a server that asks for more is given up.
        timeout: seconds without any data after which a connection counts as broken.
        sleep: waits so many seconds; the default can be interrupted.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 120.0
    timeout: float = 30.0
    sleep: Callable[[float], None] | None = None

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return float(min(self.longest, self.first * 2 ** (failures - 1)))


class Web:
    """HTTP requests, for use from several threads.

    Args:
        backoff: how failures that may pass are met.
        stop: set from elsewhere to make every request raise :class:`StoppedError` soon.
    """

    def __init__(self, backoff: Backoff, stop: Event) -> None:
        self._backoff = backoff
        self._stop = stop
        self._opener = request.OpenerDirector()
        for handler in (  # build_opener's own set knows file:, ftp: and data: as well
            request.ProxyHandler(),
            request.HTTPHandler(),
            request.HTTPSHandler(),
            request.HTTPDefaultErrorHandler(),
            request.HTTPErrorProcessor(),
            _Redirects(),
        ):
            self._opener.add_handler(handler)

    def check(self) -> None:
        """Raise :class:`StoppedError` if the work was asked to stop."""
        if self._stop.is_set():
            raise StoppedError

    def answer(self, url: str) -> bytes:
        """Return the body of a small answer.

        Raises:
            JobError: the server refuses, does not answer, or answers more than 16 MiB.
        """

        def attempt() -> bytes:
            with self.open(url) as response:
                declared = response.length or 0
                with _broken_line(url):
                    body = response.read(_ANSWER_LIMIT + 1)
            if len(body) > _ANSWER_LIMIT:
                raise JobError(f"{url}: answers more than {_ANSWER_LIMIT} bytes")
            if len(body) < declared:
                raise PassingError(f"{url}: broken off after {len(body)} of {declared} bytes")
            return body

        return self.retry(attempt)

    def retry(self, attempt: Callable[[], T], received: Callable[[], int] = lambda: 0) -> T:
        """Return what ``attempt`` returns, tried again while it raises :class:`PassingError`.

        Args:
            attempt: the work.
            received: bytes received so far, to tell a slow advance from none.

        Raises:
            JobError: too many failures in a row, or the server asks to wait too long.
        """
        failures, before = 0, received()
        while True:
            self.check()
            try:
                return attempt()
            except PassingError as error:
                failures = 1 if received() - before >= _PROGRESS else failures + 1
                before = received()
                wait = self._backoff.delay(failures) if error.wait is None else error.wait
                if wait > self._backoff.longest:
                    raise _give_up(error, f"the server asks to wait {wait:.0f} s") from None
                if failures >= self._backoff.attempts:
                    raise _give_up(error, f"given up after {failures} attempts") from None
            (self._backoff.sleep or self._stop.wait)(wait)

    @contextmanager
    def open(self, url: str, offset: int = 0) -> Iterator[HTTPResponse]:
        """Ask for ``url``, from byte ``offset`` on, and yield the answer (of a 2xx status).

        Raises:
            PassingError: the server cannot be reached, or is busy or broken.
            JobError: the server refuses.
        """
        headers = {"User-Agent": "asd", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with _broken_line(url):
            asked = request.Request(url, headers=headers)
            response = self._opener.open(asked, timeout=self._backoff.timeout)
        with response:
            yield response

    def read(self, response: HTTPResponse, count: int) -> bytes:
        """Return up to ``count`` bytes of an answer, and none at its end.

        Raises:
            PassingError: the line broke.
        """
        self.check()
        with _broken_line(response.url):
            # read1 hands out what has arrived; read would lose it when the line then breaks.
            return response.read1(count)


class _Redirects(request.HTTPRedirectHandler):
    """Follows a redirection to http or https, and from https only to https."""

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise HTTPError(newurl, code, f"redirection to {newurl} refused", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _broken_line(url: str) -> Iterator[None]:
    """Turn what urllib raises into a failure that may pass, or into one that will not."""
    try:
        yield
    except HTTPError as error:
        with error:
            raise _refusal(url, error) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        said = f"{url}: {reason or type(error).__name__}"
        # An impossible redirection and a certificate that does not hold are both ValueErrors.
        lasting = isinstance(reason, ValueError | InvalidURL)
        raise JobError(said) if lasting else PassingError(said) from None


def _refusal(url: str, error: HTTPError) -> Exception:
    said = f"{url}: {error.code} {error.reason}"
    if error.code in _PASSING:
        return PassingError(said, error.code, _retry_after(error.headers))
    if error.code in (404, 410):
        said += "; the server does not have it, try another --mirror"
    return JobError(said)


def _give_up(error: Exception, why: str) -> JobError:
    return JobError(f"{error}; {why}; run the same command later to go on from here")


def _retry_after(headers: Message) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as seconds or as a date."""
    said = str(headers.get("Retry-After", "")).strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


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

"""HTTP requests that survive a bad line: only http and https, retried with back-off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage, HTTPResponse, InvalidURL
from threading import Event
from typing import IO, TypeVar
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from asd.errors import JobError

T = TypeVar("T")

_ANSWER_LIMIT = 16 * 1024**2
_PROGRESS = 16 * 1024**2
_PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})


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

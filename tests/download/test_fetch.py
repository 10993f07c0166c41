"""Requests, retries, and fetching over bad lines: a server on this machine that breaks off, lies,
stalls and refuses."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import struct
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from threading import Event, Timer
from time import monotonic
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.exceptions import InvalidSchema
from urllib3 import Retry
from urllib3.exceptions import MaxRetryError, SSLError

from asd.download.fetch import BrokenError, StoppedError, Web, _stay_secure, fetch
from asd.download.zenodo import Archive
from asd.errors import JobError

MIB = 1024**2


class Clock(Event):
    """A stop signal that notes how long it was to be waited for, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


def failing(web: Web, gained: list[int]) -> tuple[str, int]:
    """Retry work that gains so many bytes before each failure; return the error and the count."""
    received = 0
    left = iter(gained)

    def attempt() -> None:
        nonlocal received
        received += next(left)
        raise BrokenError("broken")

    with pytest.raises(JobError) as raised:
        web.persist(attempt, lambda: received)
    return str(raised.value), len(gained) - len(list(left))


def test_failures_count_in_a_row_without_progress() -> None:
    clock = Clock()
    gained = [0, 16 * MIB, 15 * MIB, 16 * MIB, 1, 2, 3]
    assert failing(Web(attempts=3, stop=clock), gained) == (
        "broken; given up after 3 attempts; run the same command later to go on from here",
        6,
    )
    assert clock.waits == [0.0, 0.0, 2.0, 0.0, 2.0]


def test_delay_has_a_limit() -> None:
    clock = Clock()
    failing(Web(attempts=10, stop=clock), [0] * 10)
    assert clock.waits == [0, 2, 4, 8, 16, 32, 64, 120, 120]


def test_a_wait_can_be_interrupted(zenodo: Any) -> None:
    stop = Event()
    zenodo.misbehave("/x", answers(503, b"", Retry_After="60"))
    Timer(0.2, stop.set).start()
    begin = monotonic()
    with pytest.raises(StoppedError):
        Web(stop=stop).answer(f"{zenodo.base}/x")
    assert monotonic() - begin < 10


@pytest.mark.parametrize(
    ("error", "requests_made"),
    [(ssl.SSLCertVerificationError("self-signed certificate"), 1), (ssl.SSLEOFError("cut"), 3)],
)
def test_certificate_that_does_not_hold_will_not_hold_later(
    monkeypatch: pytest.MonkeyPatch, error: ssl.SSLError, requests_made: int
) -> None:
    """A handshake that was cut may go better."""
    asked = []

    def get(*_: object, **__: object) -> None:
        asked.append(1)
        try:
            Retry(0).increment("GET", "/x", error=SSLError(error))
        except MaxRetryError as wrapped:
            raise requests.exceptions.SSLError(wrapped) from wrapped

    monkeypatch.setattr(requests.Session, "get", get)
    with pytest.raises(JobError, match=f"^https://host/x: .*{error.args[0]}"):
        Web(attempts=3, stop=Clock()).answer("https://host/x")
    assert len(asked) == requests_made


def redirect(source: str, target: str) -> None:
    response = requests.Response()
    response.status_code, response.url = 302, source
    response.headers["Location"] = target
    _stay_secure(response)


def test_redirection_keeps_to_the_security_it_has() -> None:
    redirect("http://a/x", "https://b/x")
    redirect("http://a/x", "http://b/x")
    redirect("https://a/x", "/y")
    for target in ("http://b/x", "HTTP://b/x"):
        with pytest.raises(InvalidSchema, match="refused"):
            redirect("https://a/x", target)


def test_answer_that_is_cut_short_is_asked_for_again(zenodo: Any) -> None:
    zenodo.bodies["/x"] = b"0123456789"
    zenodo.misbehave("/x", lambda handler, body: handler.send(200, b"01", {"Content-Length": "10"}))
    clock = Clock()
    assert Web(stop=clock).answer(f"{zenodo.base}/x") == b"0123456789"
    assert clock.waits == [0.0]


@pytest.mark.parametrize("url", ["http://host:port/x", "http://[bad/x"])
def test_impossible_address_is_not_retried(url: str) -> None:
    clock = Clock()
    with pytest.raises(JobError, match=f"^{re.escape(url)}: .*(Failed to parse|Invalid)"):
        Web(stop=clock).answer(url)
    assert clock.waits == []


BODY = bytes(range(256)) * 40  # 10,240 bytes, no two neighbours alike
PATH = "/x"
Zenodo = Any  # of conftest.py, which cannot be imported by name
Fetch = Callable[..., list[float]]


def broken_off(count: int) -> Callable[[Any, bytes], None]:
    """Promise the whole, send so many bytes and hang up."""

    def misdeed(handler: Any, body: bytes) -> None:
        start = handler.start()
        rest = body[start:]
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(rest)))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        handler.wfile.write(rest[:count])
        handler.close_connection = True

    return misdeed


def answers(status: int, body: bytes | None = None, **headers: str) -> Callable[[Any, bytes], None]:
    """Answer so, whatever was asked for; ``body`` of None is the right one, in full."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, right: handler.send(status, right if body is None else body, named)


@pytest.fixture
def take(zenodo: Zenodo, tmp_path: Path) -> Fetch:
    """Return a function that fetches BODY and returns the seconds it would have waited."""

    def go(have: bytes | None = None, body: bytes = BODY, **changed: Any) -> list[float]:
        zenodo.bodies.setdefault(PATH, body)
        part = tmp_path / "part"
        if have is not None:
            part.write_bytes(have)
        clock = Clock()
        web = Web(attempts=4, stop=clock, **changed)
        md5 = hashlib.md5(body).hexdigest()
        archive = Archive(1, "dev_fan.zip", "fan", len(body), md5, zenodo.base + PATH)
        counted: list[int] = []
        fetch(web, archive, part, lambda done=1, /, **_: counted.append(done))
        assert part.read_bytes() == body
        assert sum(counted) == len(body)  # the bar ends at its end, whatever was discarded
        return clock.waits

    return go


def hang_up(handler: Any, body: bytes) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def chunked(handler: Any, body: bytes) -> None:
    """Send 500 bytes, then 200 of a chunk of 500."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"1f4\r\n" + body[:500] + b"\r\n1f4\r\n" + body[500:700])
    handler.close_connection = True


def reset(handler: Any, body: bytes) -> None:
    broken_off(1000)(handler, body)
    handler.wfile.flush()
    at_once = struct.pack("ii", 1, 0)  # closing then resets instead of ending the stream
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    handler.connection.close()


HEAD, REST = BODY[:7000], "bytes=7000-"
RANGES = {
    "overlaps": "bytes 6999-10239/10240",
    "leaves a hole": "bytes 7001-10239/10240",
    "ends early": "bytes 7000-10238/10240",
    "of another file": "bytes 7000-10239/10241",
    "without a range": "bytes */10240",
    "nonsense": "nonsense",
}
NO_WAIT = ("soon", "-1", "9" * 5000, "Mon, 01 Jan 99999999999 00:00:00 GMT")
PAST = formatdate(0, usegmt=True)
# The part that is there, what the server does, the seconds waited, and the ranges asked for.
FETCHES: dict[str, tuple[bytes | None, list, list[float], list[str | None]]] = {
    "at once": (None, [], [], [None]),
    "broken off goes on from there": (
        None,
        [broken_off(1000), broken_off(500)],
        [0.0, 2.0],
        [None, "bytes=1000-", "bytes=1500-"],
    ),
    "part asks only for the rest": (HEAD, [], [], [REST]),
    "whole part asks for nothing": (BODY, [], [], []),
    "part that is too long is discarded": (BODY + b"x", [], [], [None]),
    "part of another file is discarded": (b"y" * 7000, [], [], [REST, None]),
    "server that ignores ranges": (HEAD, [answers(200)], [], [REST]),
    "range of unknown total": (
        HEAD,
        [answers(206, BODY[7000:], Content_Range="bytes 7000-10239/*")],
        [],
        [REST],
    ),
    "range not satisfiable starts again": (HEAD, [answers(416, b"")], [0.0], [REST, None]),
    "page instead of the file leaves the part": (
        HEAD,
        [answers(200, b"<html>log in here</html>")],
        [0.0],
        [REST, REST],
    ),
    "chunked and broken off": (None, [chunked], [0.0], [None, "bytes=700-"]),
    "wrong bytes are fetched once more": (
        None,
        [answers(200, b"w" * len(BODY))],
        [],
        [None, None],
    ),
    "server that hangs up at once": (None, [hang_up], [0.0], [None, None]),
    "wait that the server asks for": (
        None,
        [answers(429, Retry_After="59"), answers(503, Retry_After=PAST), answers(429)],
        [59.0, 0.0, 4.0],
        [None] * 4,
    ),
    **{
        f"wrong range that is {what}": (
            HEAD,
            [answers(206, b"z" * 3240, Content_Range=said)],
            [0.0],
            [REST, REST],
        )
        for what, said in RANGES.items()
    },
    **{
        f"length {said} that lies": (None, [answers(200, Content_Length=said)], [0.0], [None] * 2)
        for said in ("10", "10241", "999999")
    },
    **{
        f"trouble {status} that passes": (None, [answers(status)] * 2, [0.0, 2.0], [None] * 3)
        for status in (408, 425, 429, 500, 502, 503, 504)
    },
    **{
        f"wait of {said[:8]}": (None, [answers(503, Retry_After=said)] * 2, [0.0, 2.0], [None] * 3)
        for said in NO_WAIT
    },
}


@pytest.mark.parametrize("name", FETCHES)
def test_fetching(take: Fetch, zenodo: Zenodo, name: str) -> None:
    have, misdeeds, waits, ranges = FETCHES[name]
    zenodo.misbehave(PATH, *misdeeds)
    assert take(have=have) == waits
    assert zenodo.ranges(PATH) == ranges


def test_empty_file_needs_no_request(take: Fetch, zenodo: Zenodo) -> None:
    take(body=b"")
    assert zenodo.requests == []


def test_connection_reset(take: Fetch, zenodo: Zenodo) -> None:
    """However much of the thousand bytes arrived."""
    zenodo.misbehave(PATH, reset)
    assert take() == [0.0]
    assert len(zenodo.requests) == 2


def test_wrong_bytes_twice(take: Fetch, zenodo: Zenodo, tmp_path: Path) -> None:
    wrong = b"w" * len(BODY)
    zenodo.misbehave(PATH, *[answers(200, wrong)] * 2)
    expected, got = (hashlib.md5(data).hexdigest() for data in (BODY, wrong))
    with pytest.raises(JobError, match=rf"^dev_fan\.zip: .*{got}.*{expected}, twice"):
        take()
    assert (tmp_path / "part").read_bytes() == b""


def test_trouble_that_does_not_pass(take: Fetch, zenodo: Zenodo) -> None:
    zenodo.misbehave(PATH, *[answers(503)] * 9)
    with pytest.raises(JobError, match=r"/x: 503 .*given up after 4 attempts; run the same"):
        take()
    assert len(zenodo.requests) == 4


def test_retry_after_that_is_too_long(take: Fetch, zenodo: Zenodo) -> None:
    zenodo.misbehave(PATH, answers(429, Retry_After="3600"))
    with pytest.raises(JobError, match=r"429 .*asks to wait 3600 s; run the same command later"):
        take()


def test_retries_are_bounded_and_the_part_stays(
    take: Fetch, zenodo: Zenodo, tmp_path: Path
) -> None:
    zenodo.misbehave(PATH, *[broken_off(100)] * 9)
    with pytest.raises(JobError, match=r"broken off.* after 400 of 10240 .*after 4 attempts"):
        take()
    assert (tmp_path / "part").read_bytes() == BODY[:400]
    zenodo.misbehave(PATH)
    take()
    assert zenodo.ranges(PATH)[-1] == "bytes=400-"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_refusal_is_not_retried(take: Fetch, zenodo: Zenodo, status: int) -> None:
    zenodo.misbehave(PATH, answers(status))
    with pytest.raises(JobError, match=rf"^{zenodo.base}/x: {status} "):
        take()
    assert len(zenodo.requests) == 1


def test_nobody_there(take: Fetch, zenodo: Zenodo) -> None:
    zenodo.server_close()
    with pytest.raises(JobError, match=r"Connection refused.*after 4 attempts"):
        take()


def test_stalled_line(take: Fetch, zenodo: Zenodo) -> None:
    release = Event()

    def misdeed(handler: Any, body: bytes) -> None:
        broken_off(1000)(handler, body)
        handler.wfile.flush()
        release.wait(5)

    zenodo.misbehave(PATH, misdeed)
    assert take(timeout=0.1) == [0.0]
    assert zenodo.ranges(PATH) == [None, "bytes=1000-"]
    release.set()


def test_redirection_is_followed_with_its_range(take: Fetch, zenodo: Zenodo) -> None:
    zenodo.bodies["/elsewhere"] = BODY
    zenodo.misbehave(PATH, answers(302, b"", Location="/elsewhere"))
    assert take(have=BODY[:7000]) == []
    assert zenodo.ranges("/elsewhere") == ["bytes=7000-"]


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://host/x", "data:,x"])
def test_redirection_to_another_scheme(take: Fetch, zenodo: Zenodo, where: str) -> None:
    zenodo.misbehave(PATH, answers(302, b"", Location=where))
    with pytest.raises(JobError, match=rf"^{zenodo.base}/x: .*{where}"):
        take()
    assert len(zenodo.requests) == 1


def test_redirection_without_end(take: Fetch, zenodo: Zenodo) -> None:
    zenodo.misbehave(PATH, *[answers(302, b"", Location=PATH)] * 50)
    with pytest.raises(JobError, match=rf"^{zenodo.base}/x: Exceeded 10 redirects"):
        take()
    assert len(zenodo.requests) < 20


def test_asked_to_stop(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.bodies[PATH] = BODY
    stop = Event()
    web = Web(stop=stop)
    archive = Archive(1, "dev_fan.zip", "fan", len(BODY), "", zenodo.base + PATH)

    def interrupt(done: int = 1, /, **_: object) -> None:
        stop.set()

    zenodo.misbehave(PATH, broken_off(1000))
    with pytest.raises(StoppedError):
        fetch(web, archive, tmp_path / "part", interrupt)
    assert (tmp_path / "part").read_bytes() == BODY[:1000]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 4000), max_size=3), have=st.integers(0, len(BODY) + 8))
def test_any_cuts_give_the_same_bytes(
    take: Fetch, zenodo: Zenodo, cuts: list[int], have: int
) -> None:
    """Wherever the line breaks and whatever part is there, the bytes come out right."""
    zenodo.misbehave(PATH, *[broken_off(cut) for cut in cuts])
    take(have=(BODY + b"too long")[:have])

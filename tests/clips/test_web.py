"""Requests and their retries: what tests of whole downloads do not reach."""

from __future__ import annotations

from http.client import HTTPMessage
from io import BytesIO
from threading import Event, Timer
from time import monotonic
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from asd.clips.web import Backoff, PassingError, StoppedError, Web, _Redirects
from asd.errors import JobError

MIB = 1024**2


def failing(web: Web, gained: list[int]) -> tuple[str, int]:
    """Retry work that gains so many bytes before each failure; return the error and the count."""
    received = 0
    left = iter(gained)

    def attempt() -> None:
        nonlocal received
        received += next(left)
        raise PassingError("broken")

    with pytest.raises(JobError) as raised:
        web.retry(attempt, lambda: received)
    return str(raised.value), len(gained) - len(list(left))


def test_failures_count_in_a_row_without_progress() -> None:
    waits: list[float] = []
    web = Web(Backoff(attempts=3, sleep=waits.append), Event())
    gained = [0, 16 * MIB, 15 * MIB, 16 * MIB, 1, 2, 3]
    assert failing(web, gained) == (
        "broken; given up after 3 attempts; run the same command later to go on from here",
        6,
    )
    assert waits == [1.0, 1.0, 2.0, 1.0, 2.0]


def test_delay_has_a_limit() -> None:
    backoff = Backoff(first=1.0, longest=10.0)
    assert [backoff.delay(failures) for failures in (1, 2, 3, 4, 5, 50)] == [1, 2, 4, 8, 10, 10]


def test_a_wait_can_be_interrupted() -> None:
    stop = Event()
    web = Web(Backoff(first=60.0), stop)
    Timer(0.05, stop.set).start()
    begin = monotonic()

    def attempt() -> None:
        raise PassingError("busy")

    with pytest.raises(StoppedError):
        web.retry(attempt)
    assert monotonic() - begin < 10


def redirect(source: str, target: str) -> Request | None:
    return _Redirects().redirect_request(Request(source), BytesIO(), 302, "", HTTPMessage(), target)


def test_redirection_keeps_to_the_security_it_has() -> None:
    assert redirect("http://a/x", "https://b/x")
    assert redirect("http://a/x", "http://b/x")
    for source, target in (("https://a/x", "http://b/x"), ("http://a/x", "ftp://b/x")):
        with pytest.raises(HTTPError, match="refused"):
            redirect(source, target)


def test_answer_that_is_cut_short_is_asked_for_again(zenodo: Any) -> None:
    zenodo.bodies["/x"] = b"0123456789"
    zenodo.misbehave("/x", lambda handler, body: handler.send(200, b"01", {"Content-Length": "10"}))
    waits: list[float] = []
    web = Web(Backoff(sleep=waits.append), Event())
    assert web.answer(f"{zenodo.base}/x") == b"0123456789"
    assert waits == [1.0]


def test_answer_without_end(zenodo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asd.clips.web._ANSWER_LIMIT", 9)
    zenodo.bodies["/x"] = b"0123456789"
    with pytest.raises(JobError, match="answers more than 9 bytes"):
        Web(Backoff(), Event()).answer(f"{zenodo.base}/x")


@pytest.mark.parametrize("url", ["http://host:port/x", "http://[bad/x"])
def test_impossible_address_is_not_retried(url: str) -> None:
    def sleep(seconds: float) -> None:
        pytest.fail("retried")

    with pytest.raises(JobError, match="nonnumeric port|IPv6"):
        Web(Backoff(sleep=sleep), Event()).answer(url)

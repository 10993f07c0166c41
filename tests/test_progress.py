"""What long work says: a bar on a terminal, lines if asked, else nothing."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from asd.progress import NORMAL, QUIET, VERBOSE, detail, note, progress, set_verbosity


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    set_verbosity(NORMAL)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _work() -> None:
    with progress(3, "fan logmel", "epoch") as advance:
        for number in range(3):
            advance(1, loss=f"0.{number}")
        detail("done")


@pytest.mark.parametrize("level", [QUIET, NORMAL])
def test_nothing_is_said_where_nobody_looks(level: int, capsys: pytest.CaptureFixture[str]) -> None:
    set_verbosity(level)
    _work()
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal_and_none_if_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    set_verbosity(QUIET)
    _work()
    assert terminal.getvalue() == ""
    set_verbosity(NORMAL)
    _work()
    assert "fan logmel" in terminal.getvalue()


def test_lines_if_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    set_verbosity(VERBOSE)
    _work()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[:4] == [
        "fan logmel: epoch 1 of 3, loss 0.0",
        "fan logmel: epoch 2 of 3, loss 0.1",
        "fan logmel: epoch 3 of 3, loss 0.2",
        "done",
    ]
    assert err.splitlines()[4].startswith("fan logmel: 3 epochs in 0.")


def test_a_note_is_said_once_and_not_if_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    set_verbosity(QUIET)
    note("something of this test alone")
    assert capsys.readouterr().err == ""
    set_verbosity(NORMAL)
    note("something of this test alone")
    note("something of this test alone")
    assert capsys.readouterr() == ("", "note: something of this test alone\n")

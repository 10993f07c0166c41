"""The command line itself: help at once, one-line errors, the right exit codes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import click
import pytest

from asd.cli import VERBS, cli


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_command_with_help(verb: str, asd: Callable) -> None:
    assert isinstance(import_module(f"asd.cli.{verb}").command, click.Command)
    done = asd(verb, "--help")
    assert done.code == 0
    assert f"asd {verb}" in done.out or "Usage" in done.out


def test_help_lists_every_verb(asd: Callable) -> None:
    done = asd("--help")
    assert done.code == 0
    assert all(f"  {verb} " in done.out for verb in VERBS)


@pytest.mark.parametrize("words", [(), ("store",)])
def test_nothing_asked_for_is_answered_by_the_help(words: tuple[str, ...], asd: Callable) -> None:
    done = asd(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: asd ")


def test_unknown_command_suggests_the_nearest(asd: Callable) -> None:
    done = asd("exract")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("asd: unknown command 'exract' (did you mean 'extract'?)")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["index", "extract", "train", "embed", "score", "report"])
def test_outside_a_project_the_way_out_is_named(
    verb: str, asd: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = asd(verb)
    assert done.code == 2
    assert "asd init demo" in done.err
    assert done.err.count("\n") == 1


def test_unknown_option_is_wrong_use(asd: Callable) -> None:
    done = asd("extract", "--machin", "fan")
    assert done.code == 2
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_stops_it_lets_it_clean_up(
    number: signal.Signals,
    asd: Callable,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    # The tests themselves may run under nohup, or behind a shell that ignores Ctrl-C for them.
    own = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    request.addfinalizer(partial(signal.signal, number, signal.signal(number, own)))
    cleaned = []

    def work(**_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)  # its handler runs when Python comes to it
        finally:
            cleaned.append(number)

    before = signal.getsignal(number)
    monkeypatch.setattr(cli, "main", work)
    done = asd("predict")
    assert (done.code, cleaned) == (128 + number, [number])
    assert done.err == "asd: interrupted; run it again to go on from here\n"
    assert signal.getsignal(number) == before


def test_what_nohup_ignores_stays_ignored(
    asd: Callable, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    monkeypatch.setattr(cli, "main", lambda **_: os.kill(os.getpid(), signal.SIGHUP))
    assert asd("predict").code == 0

"""A fork that stands for `asd` or `dvc` is what a new process is to who calls it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forks import serving

COMMAND = """
import os, random, signal, sys, threading
import numpy as np

def main():
    print(os.getcwd(), os.environ["WORD"], sys.argv[1:], sys.stdin.read(), end=" ")
    print(threading.active_count(), random.random(), np.random.random(), flush=True)
    if "raise" in sys.argv:
        raise ValueError("of the command")
    if "end" in sys.argv:
        signal.pause()
    sys.exit("no more")
"""
Environment = dict[str, str]


@pytest.fixture(scope="module")
def forked(
    surroundings: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """An environment where `asd`, `dvc` and a command of this test, `word`, are forks."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("the system cannot wait for a process beside others")
    scripts = tmp_path_factory.mktemp("scripts")
    (scripts / "word").mkdir()
    (scripts / "word/cli.py").write_text(COMMAND)
    path = os.pathsep.join([str(scripts), surroundings["PYTHONPATH"]])
    environment = surroundings | {"PYTHONPATH": path, "WORD": "given"}
    with serving(tmp_path_factory.mktemp("served"), environment) as served:
        shutil.copy(served / "asd", served / "word")
        yield environment | {"PATH": f"{served}{os.pathsep}{environment['PATH']}"}


def _told(environment: Environment, folder: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, input="typed"
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "words",
    [("asd", "--version"), ("asd", "status"), ("asd", "no"), ("dvc", "version", "-x")],
    ids=" ".join,
)
def test_it_says_and_ends_as_a_process_does(
    surroundings: Environment, forked: Environment, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert _told(forked, tmp_path, *words) == _told(surroundings, tmp_path, *words)


def test_it_has_all_that_a_process_is_given_and_draws_of_its_own(
    forked: Environment, tmp_path: Path
) -> None:
    draws = set()
    for _ in range(2):
        code, out, err = _told(forked, tmp_path, "word", "a b")
        given, draw = out.split(" 1 ")
        assert (code, err) == (1, "no more\n")
        assert given == f"{tmp_path} given ['a b'] typed"
        draws |= set(draw.split())
    assert len(draws) == 4
    code, _, err = _told(forked, tmp_path, "word", "raise")
    assert (code, err.splitlines()[-1]) == (1, "ValueError: of the command")
    code, _, err = _told(forked | {"OMP_NUM_THREADS": "7"}, tmp_path, "word")
    assert code == 1


def test_a_signal_ends_it(forked: Environment, tmp_path: Path) -> None:
    with subprocess.Popen(
        ["word", "end"],
        cwd=tmp_path,
        env=forked,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM

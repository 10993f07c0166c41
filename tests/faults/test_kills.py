"""Extraction killed at random moments: what is stored stays valid, and the end is the same bytes.

`ASD_LONG_TESTS=1` kills it 100 times in all instead of 13 times.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

LONG = bool(os.environ.get("ASD_LONG_TESTS"))

# Extracts in a fresh process again and again, each killed after a random part of the time that a
# whole extraction takes. Everything is imported before the fork, so that the moments fall on the
# extraction and not on the start of Python. Begins with no store, or with one of half of the clips.
_KILLER = """
import os, random, shutil, signal, sys, time
from pathlib import Path
from asd.cli import cli
import asd.cli.extract, asd.cli.verify, asd.extraction.local, asd.features, asd.store.verification
import asd.store.folder, asd.store.shard, asd.store.writer
kills, feature = int(sys.argv[1]), sys.argv[2]
asd.features.EXTRACTORS[feature]
chance = random.Random(feature)

def extract():
    child = os.fork()
    if not child:
        sys.stdout = open(os.devnull, "w")
        try:
            os._exit(cli.main(["extract"], standalone_mode=False) or 0)
        finally:
            os._exit(99)
    return child

index = Path("data/index/fan.csv")
lines = index.read_text().splitlines(keepends=True)
index.write_text("".join(lines[:1] + lines[1::2]))
assert os.waitpid(extract(), 0)[1] == 0
shutil.move("data/features", "half")
index.write_text("".join(lines))
started = time.monotonic()
assert os.waitpid(extract(), 0)[1] == 0
whole = time.monotonic() - started
shutil.rmtree("data/features")
while kills:
    child = extract()
    time.sleep(chance.uniform(0, whole))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    print("killed" if status else "finished", flush=True)
    assert sys.stdin.readline() == "go on\\n"
    if status:
        kills -= 1
    else:
        shutil.rmtree("data/features")
        if chance.random() < 0.5:
            shutil.copytree("half", "data/features")
assert os.waitpid(extract(), 0)[1] == 0
"""


@pytest.mark.parametrize(
    ("feature", "kills"), [("wave", 60), ("logmel", 28)] if LONG else [("wave", 12)]
)
def test_kills_at_random_moments_lose_nothing(
    disturbed: Callable, feature: str, kills: int
) -> None:
    project = disturbed(feature)
    package = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", _KILLER, str(kills), feature],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as killer:
        assert killer.stdin is not None
        assert killer.stdout is not None
        for line in killer.stdout:
            assert project.is_valid()
            assert line == "killed\n" or project.is_finished()
            killer.stdin.write("go on\n")
            killer.stdin.flush()
    assert killer.returncode == 0
    assert project.is_finished()


def _progress(features: Path) -> set[tuple[str, int]]:
    """Return the files of a store that runs write to, with the times of the last writes."""
    found = set()
    for path in features.rglob("*section_*"):
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_mtime_ns))
    return found


def test_a_killed_cluster_loses_nothing(disturbed: Callable) -> None:
    project = disturbed("wave")
    chance = random.Random(0)
    kills = 12 if LONG else 1
    while kills:
        before = _progress(project.features)
        with project.start("extract", "--workers", "2") as process:
            # Nothing is written before the workers are there, and nothing can be lost.
            while _progress(project.features) == before and process.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.3))
            workers = []
            with suppress(psutil.NoSuchProcess):
                workers = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        assert process.returncode in (0, -signal.SIGKILL)
        assert project.is_valid()
        if process.returncode == 0:
            assert project.is_finished()
            shutil.rmtree(project.features)
            continue
        kills -= 1
        _, alive = psutil.wait_procs(workers, timeout=30)
        for worker in alive:
            worker.kill()
        assert not alive, "workers outlive the run that started them"
    assert project.run("extract")[0] == 0
    assert project.is_finished()

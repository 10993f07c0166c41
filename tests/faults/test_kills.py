"""Extraction killed at random moments: what is stored stays valid, and the end is the same bytes.

`ASD_LONG_TESTS=1` kills it 60 times in all instead of 13 times.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from asd.artifact import making, read_record
from asd.clips.record import index_text, read_index
from asd.stages.index import IndexRequest

LONG = bool(os.environ.get("ASD_LONG_TESTS"))


def _keep_half(project: Any) -> None:
    """Let runs begin with nothing, or with the store of half of the clips."""
    index = project.root / "data/index/fan.csv"
    files = {path: path.read_bytes() for path in (index, index.with_suffix(".json"))}
    request = read_record(index.with_suffix(".json"), IndexRequest).asked(IndexRequest)
    clips = read_index(index)[::2]
    with making(index.with_suffix(".json"), request) as made:
        made.text(index.name, index_text(clips))
    assert project.run("extract")[0] == 0
    for path, content in files.items():
        path.write_bytes(content)
    (project.root / "begin/nothing").mkdir(parents=True)
    (project.root / "begin/some/data").mkdir(parents=True)
    shutil.move(project.features, project.root / "begin/some/data/features")


@pytest.mark.parametrize(
    ("feature", "kills"), [("wave", 28), ("logmel", 20)] if LONG else [("wave", 12)]
)
def test_killed_extraction_loses_nothing(
    disturbed: Callable, kill: Callable, feature: str, kills: int
) -> None:
    project = disturbed(feature)
    _keep_half(project)

    def look(state: str) -> None:
        assert project.is_valid()
        assert state == "killed" or project.is_finished()

    kill(project.root, kills, "extract", ["data/features"], look)
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

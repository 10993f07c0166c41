"""The same seed gives the same bytes: the whole pipeline, run twice in two folders.

`ASD_LONG_TESTS=1` runs the demo twice as well (its recordings, fine-tuning and all models).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.made import run_verbs, tree

LONG = bool(os.environ.get("ASD_LONG_TESTS"))
STAGES = ("index", "finetune", "extract", "train", "embed", "score", "evaluate")


def _assert_same(one: Path, two: Path, systems: int) -> None:
    first, second = tree(one / "data"), tree(two / "data")
    assert sum(name.endswith("train.h5") for name in first if name.startswith("banks/")) > 0
    assert len({Path(name).parent for name in first if name.startswith("scores/")}) == systems
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_project_run_twice_has_the_same_bytes(tiny_template: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        root = tmp_path / name
        shutil.copytree(tiny_template / "pipeline", root / "pipeline")
        shutil.copytree(tiny_template / "raw", root / "raw")
        run_verbs(root, *STAGES)
    _assert_same(tmp_path / "one", tmp_path / "two", systems=3)
    for kind in ("banks", "scores"):
        earlier = {n: b for n, b in tree(tiny_template / "data").items() if n.startswith(kind)}
        assert earlier
        assert earlier.items() <= tree(tmp_path / "one/data").items()


@pytest.mark.skipif(not LONG, reason="takes minutes; ASD_LONG_TESTS=1 runs it")
def test_the_demo_run_twice_has_the_same_bytes(tmp_path: Path) -> None:
    systems = 0
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        run_verbs(root, "init demo", "synth", *STAGES)
        systems = len(list((root / "data/scores").iterdir()))
    _assert_same(tmp_path / "one", tmp_path / "two", systems)

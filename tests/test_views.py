"""DVC's own views of the demo: what differs fits a screen, and a new system is one row."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

COLUMNS = 30
OUTPUTS = ("reports/evaluate.json", "reports/metrics.json", "reports/roc/a.csv")
INPUTS = ("index/fan.csv", "scores/1/fan.csv", "reports/official/a.csv")


@pytest.fixture
def demo(tmp_path: Path, shell: Callable[..., str]) -> Path:
    """The demo's workspace under git, with figures of all its systems, which DVC keeps."""
    root = tmp_path / "demo"
    root.mkdir()
    shell(root, "git", "init", "-q")
    shell(root, "asd", "init", "demo")
    for name in (*OUTPUTS, *INPUTS):
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / name).write_text("{}")
    params = _params(root)
    _score(root, dict.fromkeys((*params["systems"], *params["fusions"]), 0.5))
    shell(root, "dvc", "commit", "-q", "-f", "evaluate")
    shell(root, "git", "add", "-A")
    shell(root, "git", "commit", "-qm", "run")
    return root


def _params(root: Path) -> Any:
    return YAML(typ="safe").load((root / "pipeline/params.yaml").read_text())


def _score(root: Path, scores: dict[str, float]) -> None:
    path = root / "data/reports/scores.json"
    path.unlink(missing_ok=True)  # DVC may have linked it
    path.write_text(json.dumps(scores))


def _edit(root: Path, line: str, new: str) -> None:
    """Put something in the place of the first line that begins so."""
    path = root / "pipeline/params.yaml"
    text, count = re.subn(rf"^{line}.*$", new, path.read_text(), count=1, flags=re.MULTILINE)
    assert count
    path.write_text(text)


@pytest.mark.slow
def test_what_differs_fits_a_screen_and_a_new_system_is_one_row(
    demo: Path, shell: Callable[..., str]
) -> None:
    scores = json.loads((demo / "data/reports/scores.json").read_text())
    _edit(demo, "    hop: 512", "    hop: 256")
    own = "mine: {model: ltp, scorer: neighbours, settings: {k: 2}}"
    _edit(demo, "systems:", f"systems:\n  {own}")
    _score(demo, {**scores, "mine": 0.6})
    shown = shell(demo, "dvc", "exp", "show", "--only-changed", "--csv")
    columns = next(csv.reader(shown.splitlines()))
    assert {"mine", "features.logmel.hop", "systems.mine.scorer"} <= set(columns)
    assert len(columns) <= COLUMNS
    diff = json.loads(shell(demo, "dvc", "metrics", "diff", "--json"))
    assert diff == {"data/reports/scores.json": {"mine": {"old": None, "new": 0.6}}}
    # One number a system is DVC's metric: intervals lie in metrics.json.
    (metrics,) = json.loads(shell(demo, "dvc", "metrics", "show", "--json")).values()
    assert list(metrics["data"]) == ["data/reports/scores.json"]

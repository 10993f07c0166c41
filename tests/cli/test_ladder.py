"""asd ladder: one change a row, with what it is worth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from asd.metrics.official import evaluate
from asd.metrics.rules import RULES
from asd.stages.evaluate import read_system, truth_of
from asd.workspace import Workspace
from tests.made import replace_in

LADDER = """
ladder:
  - {system: spread, change: log-mel alone}
  - {system: cosine, change: the wave too}
  - {system: spread, change: back again}
score:"""


def test_each_row_is_compared_with_the_one_before(project: Path, asd: Callable) -> None:
    path = Path("pipeline/params.yaml")
    replace_in(path, "\nscore:", LADDER)
    rows = json.loads(asd("ladder", "--seeds", "2", "--json").out)
    assert [row["system"] for row in rows] == ["spread", "cosine", "spread"]
    workspace = Workspace.at(".")
    truth = truth_of(workspace)
    expected = {}
    for name in ("spread", "cosine"):
        of_seeds = [
            evaluate(read_system(seeded, name, truth).sections, RULES["2020"]).score
            for seeded in (workspace, workspace.with_seed(1))
        ]
        expected[name] = sum(of_seeds) / 2
    assert rows[0]["score"] == pytest.approx(expected["spread"])
    assert rows[0]["gain"] is None
    assert rows[1]["gain"] == pytest.approx(expected["cosine"] - expected["spread"])
    assert rows[2]["gain"] == pytest.approx(-rows[1]["gain"])
    assert rows[2]["gain_low"] == pytest.approx(-rows[1]["gain_high"])
    assert all(row["low"] <= row["score"] <= row["high"] for row in rows)
    again = asd("ladder", "--seeds", "2").out
    assert "trained 0 models, reused 4; features computed 0" in again
    assert "| cosine: the wave too " in Path("data/reports/ladder.md").read_text()


def test_without_a_ladder(project: Path, asd: Callable) -> None:
    done = asd("ladder")
    assert done.code == 2
    assert "no section ladder: write one, a list of {system: NAME," in done.err

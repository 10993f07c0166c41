"""A machine whose recordings could not be indexed ended evaluation and report of all the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asd.params import load_params
from tests.made import asd, replace_in


@pytest.fixture
def project(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny project with a second machine, of which there are no recordings."""
    path = tiny / "pipeline/params.yaml"
    replace_in(path, "machines: [pump]", "machines: [fan, pump]")
    assert load_params(path).dataset.machines == ("fan", "pump")
    monkeypatch.chdir(tiny)
    return tiny


def test_the_others_are_evaluated_and_reported(project: Path) -> None:
    for verb in ("index", "extract", "train", "embed", "score"):
        code, _, err = asd(Path(), verb)
        assert code != 0
        assert "fan" in err
    told = "fan: not evaluated, as it has no index; run 'asd index --machine fan'"
    code, out, err = asd(Path(), "evaluate")
    assert (code, err) == (1, f"asd: {told}\n")
    assert "| cosine " in out
    scores = json.loads(Path("data/reports/scores.json").read_text())
    assert set(scores) == {"posterior", "cosine", "spread"}
    assert asd(Path(), "evaluate", "--machine", "pump")[0] == 0
    assert asd(Path(), "report")[0] == 0
    assert "pump" in Path("data/reports/report.html").read_text()
    rows = json.loads(asd(Path(), "status", "--json")[1])
    # For the index of the machine without recordings, and not as something of what it shows is old.
    assert {row["stage"]: row["state"] for row in rows}["report"] == "waiting"


def test_a_system_without_all_scores_is_left_out(tiny: Path, monkeypatch) -> None:
    monkeypatch.chdir(tiny)
    path = Path("pipeline/params.yaml")
    replace_in(path, "machines: [pump]", "machines: [pump, pump2]")
    Path("raw/pump2").symlink_to("pump")
    for verb in ("index", "extract", "train", "embed", "score"):
        assert asd(Path(), verb, "--machine", "pump2")[0] == 0
    Path("data/scores/cosine/pump2.json").unlink()
    code, _, err = asd(Path(), "evaluate")
    assert code == 1
    lack = "cosine: not evaluated, as pump2 has no scores of it; run 'asd score --system cosine'"
    assert err == f"asd: {lack}\n"
    assert set(json.loads(Path("data/reports/scores.json").read_text())) == {"posterior", "spread"}
    assert asd(Path(), "evaluate", "--machine", "pump")[0] == 0

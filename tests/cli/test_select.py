"""asd select, and systems that join others: scored, written down, predicted with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asd.detection import Detector
from asd.errors import UsageError
from asd.params import load_params
from asd.scoring.scored import read_scores_record
from tests.made import replace_in

SECTIONS = """
  pooled: {network: pooled, poolings: {mean: {pooling: mean}, loud: {pooling: max}}}
models:
  pooled: {features: [logmel], network: pooled}
"""
FUSIONS = """
fusions:   # by name
  both: {members: [cosine, spread], join: max}
  # Chosen for each machine.
  selected: {}

select:
  members: 2
  models: {pooled: [mean, loud]}
  scorers:
    cosine: {scorer: cosine}
    near: {scorer: neighbours, settings: {distance: standardised, k: 2}}
score:"""


@pytest.fixture
def project(project: Path, asd: Callable) -> Path:
    """The tiny project with a training-free model, a fusion, and one that is to be selected."""
    path = project / "pipeline" / "params.yaml"
    text = path.read_text().replace("\nmodels:\n", SECTIONS).replace("\nscore:", FUSIONS)
    # A mapping in braces is written on one line, and the file begins with its first key.
    path.write_text(re.sub(r",\n +", ", ", text).lstrip())
    for verb in ("train", "embed"):
        assert asd(verb, "--model", "pooled").code == 0
    return project


def test_a_fusion_is_scored_and_predicted_alike(
    project: Path, asd: Callable, scores_of: Callable
) -> None:
    out = asd("score", "--system", "both").out
    assert "both: scored 8 clips of 1 machine" in out
    sounds = sorted((project / "raw/pump/id_00/test").rglob("*.wav"))
    detector = Detector.load(project, "pump", "both")
    found = dict(zip((one.name for one in sounds), detector.score(sounds, "00"), strict=True))
    assert scores_of(project, "both", "00") == found


def test_selected_before_and_after_it_is_written_down(
    project: Path, asd: Callable, scores_of: Callable
) -> None:
    assert asd("score", "--system", "selected").code == 0
    before = scores_of(project, "selected")
    made = read_scores_record(project / "data/scores/selected/pump.json").facts
    assert made["selection"]["criterion"] == "strangers"
    assert len(made["members"]) == len(made["selection"]["chosen"]) >= 2
    text = (project / "pipeline/params.yaml").read_text()
    out = asd("select").out
    assert "| pooled/mean/cosine" in out
    written = (project / "pipeline/params.yaml").read_text()
    kept = [line for line in text.splitlines() if line != "  selected: {}"]
    assert [line for line in written.splitlines() if line in kept] == kept
    members = load_params(project / "pipeline/params.yaml").fusions["selected"].machines["pump"]
    assert [one.model_dump(mode="json") for one in members] == made["members"]
    assert asd("select").code == 0
    assert (project / "pipeline/params.yaml").read_text() == written
    assert asd("score", "--system", "selected").code == 0
    assert scores_of(project, "selected") == before
    assert "selected" in (project / "data/reports/selection.md").read_text()


def test_selected_is_the_default_of_predict(
    project: Path, asd: Callable, scores_of: Callable
) -> None:
    with pytest.raises(UsageError, match="asd score --machine pump --system selected"):
        Detector.load(project, "pump")
    assert asd("score", "--system", "selected").code == 0
    detector = Detector.load(project, "pump")
    assert detector.system == "selected"
    sound = project / "raw/pump/id_02/test/anomaly/02_12.wav"
    stored = scores_of(project, "selected", "02")
    assert detector.score([sound], "02")[0] == stored["02_12.wav"]
    assert detector.nearest([sound], "02")[0].startswith("02_")
    picture = project / "why.png"
    assert asd("explain", "--section", "02", sound, "--out", picture).code == 0
    assert picture.stat().st_size > 10_000


def test_members_named_in_the_params_stay(project: Path, asd: Callable) -> None:
    path = project / "pipeline" / "params.yaml"
    path.write_text(
        path.read_text().replace("selected: {}", "selected: {members: [cosine, spread]}")
    )
    text = path.read_text()
    out = asd("select").out
    assert "has members: kept; --replace writes the choice" in out
    assert path.read_text() == text
    out = asd("select", "--replace").out
    assert "wrote fusions.selected" in out
    assert list(load_params(path).fusions["selected"].machines) == ["pump"]


def test_the_choice_sees_no_test_clip(project: Path, asd: Callable) -> None:
    first = json.loads(asd("select", "--dry-run", "--json", "--compare").out)
    for path in (project / "data/banks/pooled/pump").glob("test.h5"):
        path.unlink()
    assert json.loads(asd("select", "--dry-run", "--json", "--compare").out) == first
    assert set(first[0]["candidates"]["pooled/mean/near"]) == {
        "strangers",
        "agreement",
        "resampled",
        "spread",
    }


def test_evaluate_takes_fusions(project: Path, asd: Callable) -> None:
    assert asd("score").code == 0
    assert asd("evaluate").code == 0
    systems = json.loads((project / "data/reports/metrics.json").read_text())["systems"]
    assert {"both", "selected", "cosine"} <= set(systems)
    assert np.isfinite(systems["selected"]["score"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[cosine, spread]", "[cosine, sprad]", "unknown system 'sprad'.*'spread'"),
        ("  both: {members", "  cosine: {members", "fusions.cosine: systems has one of this name"),
        ("{pooled: [mean, loud]}", "{pool: [mean]}", "select.models: unknown model 'pool'"),
        ("{pooled: [mean, loud]}", "{}", "fusions.selected: no members"),
        ("  members: 2\n", "  otherwise: [neer]\n", "select.otherwise: unknown .* 'neer'.*'near'"),
    ],
)
def test_wrong_params(project: Path, asd: Callable, old: str, new: str, message: str) -> None:
    path = project / "pipeline" / "params.yaml"
    replace_in(path, old, new)
    done = asd("score")
    assert done.code == 2
    assert re.search(message, done.err)


def test_fusions_on_one_line_are_not_torn(project: Path, asd: Callable) -> None:
    path = project / "pipeline" / "params.yaml"
    start, end = path.read_text().split("\nfusions:")[0], path.read_text().split("\nselect:")[1]
    path.write_text(f"{start}\nfusions: {{selected: {{}}}}\nselect:{end}")
    assert asd("score", "--system", "selected").code == 0
    made = read_scores_record(project / "data/scores/selected/pump.json").facts
    assert asd("select").code == 0
    members = load_params(path).fusions["selected"].machines["pump"]
    assert [one.model_dump(mode="json") for one in members] == made["members"]

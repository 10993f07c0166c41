"""From a profile of two microphones to a table of near, far and residual, with no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

STAGES = ("synth", "index", "finetune", "extract", "train", "embed", "score", "evaluate")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_2026_runs_on_synthesised_sound(project: Path, asd: Callable) -> None:
    assert asd("init", "dcase2026").code == 0
    path = project / "pipeline" / "params.yaml"
    seven = "[ToyCar, ToyCarEmu, bearingEmu, fan, gearboxEmu, sliderEmu, valveEmu]"
    text = path.read_text()
    assert text.count(seven) == 2
    path.write_text(text.replace(seven, "[fan]"))
    checked = asd("check")
    assert (checked.code, checked.out[:45]) == (0, "nothing is wrong with the params: 1 machine, ")
    for stage in STAGES:
        done = asd(stage)
        assert done.code == 0, done.err
    figures = json.loads((project / "data/reports/scores.json").read_text())
    assert all(f" {name} " in done.out for name in ("near", "far", "residual"))  # of one table
    assert figures["residual"] > figures["near"] > figures["far"]
    # Whoever predicts hears what the pipeline heard.
    clip = next((project / "data/raw/demo/fan/test").glob("*anomaly_0000*"))
    rows = (project / "data/scores/selected/fan.csv").read_text().splitlines()
    (score,) = (row.split(",")[4] for row in rows if clip.name in row)
    predicted = json.loads(asd("predict", clip, "--json").out)
    assert predicted[0]["score"] == pytest.approx(float(score), abs=1e-9)
    # A recording is given to systems of one channel.
    refused = asd("enroll", clip)
    assert refused.code == 1
    assert "length, rate or channel" in refused.err


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (("channel: near", "channel: left"), "features.logmel_near: channel: give a number "),
        (("channel: far", "channel: 1.5"), "features.logmel_far: channel: "),
        (
            ("features: [logmel_far]", "features: [logmel_far, logmel_near]"),
            "models.pooled_far.features: logmel_far and logmel_near hear different channels",
        ),
    ],
)
def test_a_model_hears_one_channel(
    project: Path, asd: Callable, edit: tuple[str, str], complaint: str
) -> None:
    asd("init", "dcase2026")
    path = project / "pipeline" / "params.yaml"
    text = path.read_text()
    assert edit[0] in text
    path.write_text(text.replace(*edit))
    done = asd("check")
    assert done.code == 2
    assert complaint in done.err


def test_recordings_of_one_channel_have_no_residual(project: Path, asd: Callable) -> None:
    for number in range(3):
        path = (
            project
            / f"data/raw/dcase2026/fan/train/section_00_source_train_normal_{number:04d}.wav"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, 8000), 16000)
    asd("init", "dcase2026")
    path = project / "pipeline" / "params.yaml"
    text = path.read_text()
    named = "machines: [ToyCar, ToyCarEmu, bearingEmu, fan, gearboxEmu, sliderEmu, valveEmu]"
    path.write_text(text.replace(named, "machines: [fan]"))
    done = asd("index")
    assert done.code == 1
    assert "fan: 0 clips in 0 sections (0 train, 0 test), 3 rejected" in done.out
    reason = "channel out of range: a residual needs two, and there is one"
    first = "fan/train/section_00_source_train_normal_0000.wav"
    assert f"data/index/fan.csv: no usable clip; the first, {first}: {reason}\n" in done.err
    # What is wrong with each can be read.
    assert (project / "data/index/fan.csv").read_text().count(reason) == 3

"""A system on a machine: files, decisions, thresholds, and what stays unscored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.base import Scorer
from asd.scoring.calibration import calibrations
from asd.scoring.files import read_values
from asd.scoring.fusion import FittedSystem, Member, SystemScores, fit_system
from asd.scoring.system import score_clips, unscored, write_system
from asd.scoring.thresholds import read_recording_thresholds, read_thresholds
from asd.digest import sha256_bytes


def _bank(sections: list[str], split: str, seed: int) -> Bank:
    random = np.random.default_rng(seed)
    count = len(sections)
    names = tuple(f"{split}_{i:03d}.wav" for i in range(count))
    none = ("",) * count
    return Bank(
        name=names,
        section=tuple(sections),
        domain=none,
        label=none,
        attributes=none,
        content=none,
        classes=np.array([int(s) for s in sections], np.int32),
        arrays={"embedding": random.normal(size=(count, 6)).astype(np.float32)},
        provenance={"made": split},
    )


def score_bank(system: str, scorer: Scorer, train: Bank, test: Bank) -> SystemScores:
    return score_clips(system, fit_bank(scorer, train), {"small": test})


def fit_bank(scorer: Scorer, train: Bank) -> FittedSystem:
    return fit_system([Member("small", "embedding", scorer)], {"small": train})


@pytest.fixture
def train() -> Bank:
    return _bank(["00"] * 20 + ["01"] * 20, "train", 0)


@pytest.fixture
def test() -> Bank:
    return _bank(["00", "02", "01", "00", "02"], "test", 1)


def test_sections_without_training_clips_stay_unscored(train: Bank, test: Bank) -> None:
    scores = score_bank("6", build("cosine", {}), train, test)
    assert scores.clips == (("00", "test_000.wav"), ("01", "test_002.wav"), ("00", "test_003.wav"))
    assert unscored(train, test) == {"02": 2}


def test_scores_are_those_of_each_section_alone(train: Bank, test: Bank) -> None:
    scores = score_bank("6", build("cosine", {}), train, test)
    unit = {
        name: bank.arrays["embedding"]
        / np.linalg.norm(bank.arrays["embedding"], axis=1, keepdims=True)
        for name, bank in (("train", train), ("test", test))
    }
    expected = 1 - (unit["test"][2] @ unit["train"][20:].T).max()
    # Single precision in, double precision inside.
    assert scores.scores[1] == pytest.approx(expected, abs=1e-6)


def test_files_hold_what_was_scored(tmp_path: Path, train: Bank, test: Bank) -> None:
    fitted = fit_bank(build("cosine", {}), train)
    scores = score_clips("6", fitted, {"small": test})
    deciding = calibrations(fitted, "quantile", 0.1)
    thresholds = {section: one.threshold() for section, one in deciding.items()}
    stale = tmp_path / "anomaly_score_fan_section_07_test.csv"
    other = tmp_path / "anomaly_score_valve_section_07_test.csv"
    for path in (stale, other):
        path.write_text("old.wav,1.0\n")
    anomalous = write_system(tmp_path, "fan", scores, deciding, {"seed": 0})
    assert not stale.exists()
    assert other.exists()
    values = read_values(tmp_path / "anomaly_score_fan_section_00_test.csv")
    assert list(values) == ["test_000.wav", "test_003.wav"]
    assert list(values.values()) == [scores.scores[0], scores.scores[2]]
    decided = read_values(tmp_path / "decision_result_fan_section_00_test.csv")
    limit = thresholds["00"].value
    assert decided == {name: float(value > limit) for name, value in values.items()}
    others = read_values(tmp_path / "decision_result_fan_section_01_test.csv")
    assert anomalous == sum(decided.values()) + sum(others.values())
    assert read_thresholds(tmp_path / "threshold_fan.json") == thresholds
    record = json.loads((tmp_path / "threshold_fan.json").read_text())
    for name, digest in record["provenance"]["files"].items():
        assert sha256_bytes((tmp_path / name).read_bytes()) == digest


def test_recordings_of_several_windows_have_their_own_thresholds(
    tmp_path: Path, train: Bank
) -> None:
    """A file without long recordings is the one that was written before there were any."""
    deciding = calibrations(fit_bank(build("cosine", {}), train), "quantile", 0.2)
    one, three = (deciding["00"].threshold(windows) for windows in (1, 3))
    between = (one.value + three.value) / 2
    clips = (("00", "long.wav"), ("00", "short.wav"), ("01", "short.wav"))
    path = tmp_path / "threshold_fan.json"

    def written(windows: list[int]) -> bytes:
        scores = SystemScores("6", clips, np.array([between] * 3), np.array(windows))
        write_system(tmp_path, "fan", scores, deciding, {})
        return path.read_bytes()

    assert b"recordings" not in written([1, 1, 1])
    assert read_recording_thresholds(path) == {}
    assert b"recordings" in written([3, 1, 1])
    decided = read_values(tmp_path / "decision_result_fan_section_00_test.csv")
    assert decided == {"long.wav": 0.0, "short.wav": 1.0}
    assert read_recording_thresholds(path) == {"00": {1: one, 3: three}}
    assert read_thresholds(path)["00"] == one


def test_thresholds_are_found_from_what_no_model_has_learned(train: Bank) -> None:
    fitted = fit_bank(build("cosine", {}), train)
    scores = fitted.training_scores()
    every = calibrations(fitted, "gamma", 0.1)
    assert {section: one.scores.tolist() for section, one in every.items()} == {
        "00": scores[:20].tolist(),
        "01": scores[20:].tolist(),
    }
    kept = np.arange(40) % 4 == 1
    some = calibrations(replace(fitted, calibrating=kept), "gamma", 0.1)["01"]
    assert some.scores.tolist() == scores[21::4].tolist()
    assert list(some.names) == list(train.name[21::4])

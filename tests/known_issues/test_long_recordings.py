"""Normal recordings of many windows nearly always alarmed: their maximum met a window's threshold.

And windows that were left out one by one were compared with their own recording's other windows,
which those of a recording to come are not: so every threshold was too low.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.clip_table import ClipTable
from asd.config import ScoreConfig
from asd.detection import Detector
from asd.detection.recording import recordings_of
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.calibration import calibrations
from asd.scoring.scored import read_scores_record, read_table, read_thresholds
from asd.scoring.system import FittedSystem, Member, fit_system, score_recordings
from asd.scoring.thresholds import THRESHOLDS
from asd.workspace import Workspace
from tests.made import run_verbs

RATE = 8000
PARAMS = """
dataset: {name: long, rules: '2020', raw: raw, machines: [pump]}
index: {sample_rate: 8000, seconds: 0.5}
features:
  logmel: {extractor: logmel, n_fft: 256, hop: 128, mels: 16}
networks:
  pooled: {}
models:
  pooled: {features: [logmel], network: pooled}
train: {precision: float32}
embed: {batch_size: 8, precision: float32}
systems:
  nearest: {model: pooled, embedding: mean, scorer: neighbours, settings: {distance: euclidean}}
score: {false_alarm_rate: 0.1, windows: WINDOWS}
"""


def _machine(recordings: int, windows: int, seed: int, alone: bool = False) -> Bank:
    """Return windows of normal recordings, a third of whose variance is the recording's own.

    Args:
        recordings, windows: how many, and of each.
        seed: of the draw.
        alone: let the table say that each window is a recording by itself.
    """
    random = np.random.default_rng(seed)
    embedding = random.normal(size=(recordings, 1, 12)) / np.sqrt(3)
    embedding = embedding + random.normal(size=(recordings, windows, 12)) * np.sqrt(2 / 3)
    places = [(r, w) for r in range(recordings) for w in range(windows)]
    names = [f"{seed}_{r:03d}.wav#t={10 * w}" for r, w in places]
    columns = {
        "name": names,
        "recording": names if alone else [f"{seed}_{r:03d}.wav" for r, _ in places],
        "section": ["00"] * len(names),
        "start": [0 if alone else 80_000 * w for _, w in places],
    }
    return Bank(
        clips=ClipTable.of_columns(columns),
        classes=np.zeros(len(names), np.int32),
        arrays={"embedding": embedding.reshape(len(names), 12).astype(np.float32)},
    )


def _fitted(train: Bank) -> FittedSystem:
    scorer = build("neighbours", {"distance": "euclidean", "k": 2})
    return fit_system([Member("model", "embedding", scorer)], {"model": train})


@pytest.mark.parametrize("method", sorted(THRESHOLDS))
def test_the_rate_asked_for_holds_for_long_recordings(method: str) -> None:
    """Ten percent are asked for, of recordings of 60 windows; training ones have 12."""
    before, now = [], []
    for seed in range(0, 12, 2):
        fitted = _fitted(_machine(20, 12, seed))
        test = _machine(50, 60, seed + 1)
        scores = score_recordings(fitted, {"model": test})
        deciding = calibrations(fitted, ScoreConfig(threshold=method, domains="as_found"))["00"]
        limits = [deciding.threshold(windows).value for windows in scores.windows.tolist()]
        now.append((scores.scores > limits).mean())
        before.append((scores.scores > deciding.threshold().value).mean())
    assert np.mean(before) > 0.6
    # Six machines of a deviation of 0.1 at most: two standard errors are 0.08.
    assert np.mean(now) <= 0.18


def test_windows_are_left_out_with_their_recording() -> None:
    """A tenth of the windows of new recordings are above a window's threshold; it was a fifth."""
    before, now = [], []
    for seed in range(0, 12, 2):
        new = _machine(40, 10, seed + 1, alone=True)
        # With each window a recording by itself the others of its recording stay.
        for alone, found in ((True, before), (False, now)):
            fitted = _fitted(_machine(8, 40, seed, alone))
            scores = score_recordings(fitted, {"model": new}).scores
            level = calibrations(fitted, ScoreConfig(threshold="quantile", domains="as_found"))[
                "00"
            ]
            found.append((scores > level.threshold().value).mean())
    assert np.mean(before) > 0.15
    # Six machines of a deviation of 0.05: three standard errors are 0.06.
    assert np.mean(now) == pytest.approx(0.1, abs=0.06)


@pytest.mark.parametrize("windows", ["max", "mean"])
def test_score_and_predict_decide_alike(tmp_path: Path, windows: str) -> None:
    random = np.random.default_rng(0)
    for number in range(19):
        split = "train" if number < 9 else "test/normal" if number < 17 else "test/anomaly"
        seconds = (1.5, 3.0, 0.5)[number % 3] if number >= 9 else 2.0
        time = np.arange(round(seconds * RATE)) / RATE
        wave = random.uniform(0.1, 0.3) * np.sin(2 * np.pi * 500 * time)
        wave += random.normal(scale=0.03, size=len(time))
        if number >= 17:
            wave += 0.2 * np.sin(2 * np.pi * 3100 * time)
        path = tmp_path / "raw" / "pump" / split / f"{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wave, RATE, "PCM_16")
    (tmp_path / "pipeline").mkdir()
    params = PARAMS.replace("WINDOWS", windows)
    (tmp_path / "pipeline" / "params.yaml").write_text(params)
    run_verbs(tmp_path, "index", "extract", "train", "embed", "score")
    record = read_scores_record(Workspace.at(tmp_path).score_record("nearest", "pump"))
    table = read_table(record)
    decided = dict(zip(table.name, table.anomalous.tolist(), strict=True))
    detector = Detector.load(tmp_path, "pump")
    sounds = sorted((tmp_path / "raw" / "pump" / "test").rglob("*.wav"))
    found = detector.predictions(recordings_of(sounds, detector.signal, detector.limits))
    assert {Path(one.name).name: one.anomalous for one in found} == decided
    assert decided["17.wav"]
    assert decided["18.wav"]
    stored = read_thresholds(record)["00"]
    assert {one.windows: one.threshold for one in found} == {
        count: threshold.value for count, threshold in stored.items()
    }
    assert set(stored) == {1, 3, 6}
    assert (stored[6].value > stored[1].value) == (windows == "max")
    above = detector.decision_function(sounds)
    assert (above > 0).tolist() == [one.anomalous for one in found]
    assert record.request["rule"]["windows"] == windows

"""Long recordings through the whole pipeline: many clips to learn from, one score each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from asd.clips.audio import read_windows
from asd.clips.record import read_index
from asd.detection import Detector
from asd.detection.enroll import current_detector
from asd.detection.explanation import clip_wave
from asd.scoring.bank import read_bank
from asd.scoring.scored import read_scores_record, read_thresholds
from asd.stages.material import _joined, _length_of
from asd.workspace import Workspace
from tests.made import run_verbs

RATE = 8000
PARAMS = """
dataset: {name: long, rules: '2020', raw: raw, machines: [pump]}
index: {sample_rate: 8000, seconds: 0.5}
features:
  logmel: {extractor: logmel, n_fft: 256, hop: 128, mels: 16}
networks:
  tdnn: {channels: [8, 12], kernels: [3, 1], dilations: [1, 1], embedding: 6}
models:
  mel: {features: [logmel]}
train: {epochs: 1, classes_per_batch: 2, clips_per_class: 4, precision: float32}
embed: {batch_size: 8, precision: float32}
systems:
  cosine: {model: mel, scorer: cosine}
evaluate: {bootstrap: 0}
"""
RECORDINGS = {
    "train/long.wav": (6.3, 8000, False),
    "train/resampled.flac": (3.0, 16000, False),
    "test/normal/a.wav": (1.3, 8000, False),
    "test/normal/b.wav": (0.5, 8000, False),
    "test/anomaly/c.flac": (2.0, 16000, True),
    "test/anomaly/d.wav": (1.0, 8000, True),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("long")
    (root / "pipeline").mkdir()
    (root / "pipeline" / "params.yaml").write_text(PARAMS)
    for seed, (place, (seconds, rate, odd)) in enumerate(RECORDINGS.items()):
        path = root / "raw" / "pump" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(round(seconds * rate)) / rate
        wave = 0.2 * np.sin(2 * np.pi * 500 * time)
        wave += np.random.default_rng(seed).normal(scale=0.03, size=len(time))
        if odd:
            wave += 0.3 * np.sin(2 * np.pi * 3100 * time) * (time > seconds / 2)
        soundfile.write(path, wave, rate, "PCM_16")
    run_verbs(root, "index", "extract", "train", "embed", "score", "evaluate", "report")
    return root


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_the_index_counts_clips_and_recordings(asd: Callable) -> None:
    assert asd("index").out.startswith(
        "pump: 29 clips of 6 recordings in 1 section (19 train, 10 test), 28 treated"
    )
    (row,) = json.loads(asd("index", "--json").out)
    assert (row["clips"], row["recordings"]) == (29, 6)


def test_one_score_a_recording_that_of_its_oddest_window(
    asd: Callable, scores_of: Callable[..., dict[str, float]]
) -> None:
    scores = scores_of(Path(), "cosine", "00")
    assert sorted(scores) == ["a.wav", "b.wav", "c.flac", "d.wav"]
    rows = json.loads(asd("predict", "raw/pump/test", "--json").out)
    # The detector hears the same windows, in batches of other sizes.
    assert {Path(row["name"]).name: row["score"] for row in rows} == pytest.approx(
        scores, rel=1e-3, abs=1e-6
    )
    assert {Path(row["name"]).name: row["windows"] for row in rows} == {
        "a.wav": 3,
        "b.wav": 1,
        "c.flac": 4,
        "d.wav": 2,
    }


def test_predict_says_the_threshold_of_so_many_windows(asd: Callable) -> None:
    thresholds = read_thresholds(read_scores_record(Path("data/scores/cosine/pump.json")))["00"]
    assert sorted(thresholds) == [1, 2, 3, 4]
    rows = json.loads(asd("predict", "raw/pump/test", "--json").out)
    for row in rows:
        assert row["threshold"] == pytest.approx(thresholds[row["windows"]].value, rel=1e-9)
        assert row["anomalous"] == (row["score"] > row["threshold"])
    lines = asd("predict", "raw/pump/test").out.splitlines()[1:-1]
    said = [f"{thresholds[row['windows']].value:.4f}" for row in rows]
    assert [line.split()[2] for line in lines] == said
    mean = json.loads(asd("predict", "raw/pump/test", "--json", "--pooling", "mean").out)
    assert {row["threshold"] for row in mean} == {thresholds[1].value}


def test_windows_joined_otherwise_are_another_setting(asd: Callable) -> None:
    params = Path("pipeline/params.yaml")
    text = params.read_text()
    try:
        params.write_text(text + "score: {windows: mean}\n")
        assert 'other settings (rule.windows "max" -> "mean")' in asd("status").out
    finally:
        params.write_text(text)


def test_the_bank_names_windows_by_their_content() -> None:
    bank = read_bank(Path("data/banks/mel/pump/train.h5"))
    clips = {clip.name: clip for clip in read_index(Path("data/index/pump.csv"))}
    named = zip(bank.clips.name, bank.clips.content, strict=True)
    assert len(set(bank.clips.content)) == len(bank) == 19
    assert all(clips[name].content == content for name, content in named)
    assert bank.clips.name[-1] == "resampled.flac#t=2.5"
    assert (bank.clips.recording[-1], bank.clips.start[-1]) == ("resampled.flac", 20_000)


def test_figures_and_report_know_recordings() -> None:
    metrics = json.loads(Path("data/reports/metrics.json").read_text())
    (section,) = metrics["systems"]["cosine"]["machines"]["pump"]["sections"].values()
    assert section["clips"] == 4
    page = Path("data/reports/report.html").read_text()
    for name in ("a.wav", "c.flac", "d.wav"):
        assert f"Sound of {name}" in page
    assert "Log-mel spectrogram of c.flac, 2.0 s" in page
    assert "For a recording of 4 clips, the longest here: " in page
    assert "windows of 2 training recordings only: others may differ more)" in page
    assert re.search(r"threshold [\d.e-]+ \(1 clip\) to [\d.e-]+ \(4 clips\)", page)
    assert "#t=" not in page.split("<main", 1)[1].replace("&#", "")


def test_all_is_whole_and_current(asd: Callable) -> None:
    assert asd("verify", "--deep").code == 0
    assert asd("status").out.splitlines()[-1] == "nothing to do"


def test_a_window_is_explained_by_a_window(asd: Callable, tmp_path: Path) -> None:
    done = asd("explain", "raw/pump/test/anomaly/c.flac", "--out", tmp_path / "c.png", "--json")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert "#t=" in row["normal_clip"]
    assert row["start"] >= 1.0


def test_a_window_of_the_bank_is_read_at_its_place() -> None:
    detector = Detector(".", "pump", "cosine")
    clips, place = detector.bank.clips, Path("raw/pump/train/long.wav")
    for name, start in (("long.wav#t=0", 0), ("long.wav#t=3.5", 28_000)):
        wave = clip_wave(detector, clips.content[clips.name.index(name)])
        np.testing.assert_array_equal(wave, read_windows(place, detector.signal, [start]))


def test_a_long_recording_is_enrolled_as_its_windows(asd: Callable) -> None:
    before = current_detector(Workspace.at("."), "pump", "cosine").fitted.bank.clips
    done = asd("enroll", "raw/pump/test/normal/a.wav", "raw/pump/train/long.wav")
    assert "pump mel: enrolled 3 clips in section 00, 13 there already; 22 clips" in done.out
    after = current_detector(Workspace.at("."), "pump", "cosine").fitted.bank.clips
    assert after.name[len(before) :] == ("a.wav#t=0", "a.wav#t=0.5", "a.wav#t=0.8")
    clips = {clip.name: clip for clip in read_index(Path("data/index/pump.csv"))}
    for name, content in zip(after.name[-3:], after.content[-3:], strict=True):
        assert clips[name].content == content
    assert asd("enroll", "--undo").code == 0


def test_windows_are_joined_without_their_overlap() -> None:
    whole = np.arange(26)
    windows = [SimpleNamespace(start=start, length=10) for start in (0, 10, 16)]
    rows = [whole[window.start : window.start + 10] for window in windows]
    assert _joined(rows, windows).tolist() == whole.tolist()  # type: ignore[arg-type]
    assert _length_of(windows) == 26  # type: ignore[arg-type]
    pictures = [np.stack([row, -row]) for row in rows]
    assert _joined(pictures, windows)[1].tolist() == (-whole).tolist()  # type: ignore[arg-type]

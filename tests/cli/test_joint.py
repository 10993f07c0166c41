"""One network over all machines, from the command line: trained once, a bank for each machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.artifact import RECORD, read_record
from asd.scoring.bank import read_bank
from asd.training.artifact import ModelRequest
from tests.made import run_verbs

RATE, LENGTH = 8000, 4096
PARAMS = """
dataset: {name: tiny, rules: '2020', raw: raw, machines: [pump, fan]}
index: {sample_rate: 8000, seconds: 0.512}
features:
  logmel: {extractor: logmel, n_fft: 256, hop: 128, mels: 16}
  spectrum: {extractor: spectrum}
networks:
  tdnn: {channels: [8, 12], kernels: [3, 1], dilations: [1, 1], embedding: 6}
  branches: {network: branches, spectrum: {channels: 4, embedding: 4},
             spectrogram: {channels: [2, 4], blocks: 1, embedding: 4}}
models:
  alone: {features: [logmel]}
joint:
  together: {features: [logmel], head: {kind: sub_cluster_adacos, centres: 2},
             losses: {triplet: 0}, train: {mixup: 0.5}}
  branched: {features: [logmel, spectrum], network: branches}
train: {epochs: 2, learning_rate: 0.002, classes_per_batch: 2, clips_per_class: 4,
        precision: float32}
embed: {batch_size: 8, precision: float32}
systems:
  alone: {model: alone, scorer: cosine}
  together: {model: together, scorer: cosine}
  branched: {model: branched, scorer: posterior}
score: {domains: as_found, threshold: quantile, false_alarm_rate: 0.2}
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two machines of two sections, 6 training clips each, indexed and extracted."""
    root = tmp_path_factory.mktemp("joint")
    (root / "pipeline").mkdir()
    (root / "pipeline" / "params.yaml").write_text(PARAMS)
    time = np.arange(LENGTH) / RATE
    for machine, tones in (("pump", (500.0, 1300.0)), ("fan", (700.0, 2100.0))):
        for section, tone in zip(("00", "02"), tones, strict=True):
            random = np.random.default_rng(int(tone))
            for number in range(10):
                place = "train" if number < 6 else "test/normal" if number < 8 else "test/anomaly"
                folder = root / "raw" / machine / f"id_{section}" / place
                folder.mkdir(parents=True, exist_ok=True)
                wave = 0.2 * np.sin(2 * np.pi * tone * time)
                wave += 0.2 * np.sin(2 * np.pi * 3100 * time) * (number >= 8)
                wave += random.normal(scale=0.03, size=LENGTH)
                soundfile.write(folder / f"{section}_{number:02d}.wav", wave, RATE, "PCM_16")
    run_verbs(root, "index", "extract")
    return root


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    shutil.copytree(template, root)
    monkeypatch.chdir(root)
    return root


def test_trained_once_embedded_and_scored_for_each_machine(
    project: Path, asd: Callable, scores_of: Callable
) -> None:
    trained = json.loads(asd("train", "--json").out)
    assert [(t["machine"], t["model"]) for t in trained] == [
        ("pump", "alone"),
        ("fan", "alone"),
        ("all", "together"),
        ("all", "branched"),
    ]
    folder = project / "data" / "models" / "together"
    assert [path.name for path in folder.iterdir()] == ["all"]
    request = read_record(folder / "all" / RECORD, ModelRequest).request
    assert request["classes"] == [f"{m} {s}" for m in ("fan", "pump") for s in ("00", "02")]
    assert asd("embed").code == 0
    for machine, classes in (("pump", {2, 3}), ("fan", {0, 1})):
        bank = read_bank(project / "data" / "banks" / "together" / machine / "train.h5")
        assert set(bank.classes.tolist()) == classes
        assert bank.arrays["logits"].shape == (12, 4)
    assert asd("score").code == 0
    for system in ("together", "branched"):
        for machine in ("pump", "fan"):
            for section in ("00", "02"):
                assert len(scores_of(project, system, section, machine)) == 4
    assert [t["epochs"] for t in json.loads(asd("train", "--json").out)] == [0] * 4


def test_predicting_takes_the_joint_model(
    project: Path, asd: Callable, scores_of: Callable
) -> None:
    for verb in ("train", "embed"):
        assert asd(verb, "--model", "together").code == 0
    assert asd("score", "--system", "together").code == 0
    clip = next((project / "raw" / "fan" / "id_00" / "test" / "anomaly").glob("*.wav"))
    done = asd("predict", "--machine", "fan", "--system", "together", "--json", clip)
    (found,) = json.loads(done.out)
    scores = scores_of(project, "together", "00", "fan")
    assert found["score"] == pytest.approx(scores[clip.name], rel=1e-4)


def test_a_machine_has_no_joint_model_of_its_own(project: Path, asd: Callable) -> None:
    done = asd("train", "--machine", "fan", "--model", "together")
    assert (done.code, done.out) == (2, "")
    assert "'together' is joint over all machines; leave --machine out" in done.err
    trained = json.loads(asd("train", "--machine", "fan", "--json").out)
    assert [(t["machine"], t["model"]) for t in trained] == [("fan", "alone")]


def test_machines_whose_clips_differ_in_length(
    project: Path, asd: Callable, scores_of: Callable
) -> None:
    """Learned from up to the end of the shortest; embedded, scored and predicted at their own."""
    params = project / "pipeline" / "params.yaml"
    params.write_text(PARAMS.replace("seconds: 0.512", "seconds: 0.25"))
    for verb in ("index", "extract"):
        assert asd(verb, "--machine", "fan").code == 0
    done = asd("train", "--model", "branched")
    assert done.code == 2
    assert "pump has clips of 0.512 s at 8000 Hz, fan of 0.25 s at 8000 Hz" in done.err
    assert "set index.seconds" in done.err
    for verb in ("train", "embed"):
        assert asd(verb, "--model", "together").code == 0
    record = read_record(project / "data/models/together/all" / RECORD, ModelRequest)
    assert record.request["lengths"] == {"pump": 4096, "fan": 2000}
    assert record.request["shapes"] == {"logmel": [16, 16]}
    assert asd("score", "--system", "together").code == 0
    for machine in ("pump", "fan"):
        clip = next((project / "raw" / machine / "id_00" / "test" / "anomaly").glob("*.wav"))
        done = asd("predict", "--machine", machine, "--system", "together", "--json", clip)
        (found,) = json.loads(done.out)
        score = scores_of(project, "together", "00", machine)[clip.name]
        assert found["score"] == pytest.approx(score, rel=1e-4)

"""Components of another package, installed beside this one, through the whole pipeline."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ORIGIN = "loudness-plugin"

CODE = '''
"""Loudness: a feature, a network, a scorer and a criterion that asd does not have."""

from collections import namedtuple

import numpy as np
import torch
from torch import nn

from asd.config import Settings
from asd.features.base import Extractor
from asd.scoring.base import Scorer


class LoudnessConfig(Settings):
    hop: int = 500


class Loudness(Extractor):
    """The level of each moment: (1, T)."""

    name, version, Config = "loudness", 1, LoudnessConfig

    @property
    def row_shape(self):
        return (1, self.signal.length // self.config.hop)

    def __call__(self, waves):
        moments = waves[:, : self.row_shape[1] * self.config.hop].astype(np.float64)
        moments = moments.reshape(len(waves), 1, -1, self.config.hop)
        return (20 * np.log10(moments.std(axis=3) + 1)).astype(np.float16)


class FarSettings(Settings):
    power: float = 1.0


class Model:
    def __init__(self, values, power):
        self.values, self.power = values, power

    def score(self, outputs):
        means = outputs["embedding"].astype(float).mean(axis=1)
        return np.abs(means - self.values.mean()) ** self.power


class Far(Scorer):
    """How far the mean of an embedding is from that of all training clips."""

    Config, needs = FarSettings, {"embedding": (2,)}

    def __init__(self, config):
        self.config = config

    def fit_section(self, training):
        return Model(training.arrays["embedding"].astype(float).mean(axis=1), self.config.power)
'''

PARAMS = """
dataset: {name: folder, raw: sounds, machines: [pump]}
index: {seconds: 0.5, sample_rate: 8000}
features:
  loudness: {extractor: loudness, hop: 400}
networks:
  pooled: {network: pooled, poolings: {mean: {pooling: mean}, spread: {pooling: deviation}}}
models:
  loud: {features: [loudness], network: pooled}
systems:
  far: {model: loud, embedding: mean, scorer: far, settings: {power: 2}}
  dotted: {model: loud, embedding: mean, scorer: "loudness_plugin:Far"}
  own: {model: loud, embedding: mean, scorer: neighbours}
evaluate: {bootstrap: 20}
"""


ENTRY_POINTS = """
[asd.extractors]
loudness = loudness_plugin:Loudness
[asd.scorers]
far = loudness_plugin:Far
"""


def install(site: Path, version: str) -> None:
    """Lay the plugin out as an installer does."""
    shutil.rmtree(site, ignore_errors=True)
    info = site / f"loudness_plugin-{version}.dist-info"
    info.mkdir(parents=True)
    (site / "loudness_plugin.py").write_text(CODE)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {ORIGIN}\nVersion: {version}\n")
    (info / "top_level.txt").write_text("loudness_plugin\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("plugin")
    random = np.random.default_rng(0)
    for split, label, count, level in (
        ("train", "normal", 12, 0.05),
        ("test", "normal", 5, 0.05),
        ("test", "anomaly", 5, 0.2),
    ):
        folder = root / "sounds" / "pump" / split / ("" if split == "train" else label)
        folder.mkdir(parents=True)
        for number in range(count):
            sound = random.normal(size=4000) * level * random.uniform(0.9, 1.1)
            soundfile.write(folder / f"{label}_{number:02}.wav", sound, 8000)
    (root / "pipeline").mkdir()
    (root / "pipeline" / "params.yaml").write_text(PARAMS)
    install(root / "site", "1.0")
    return root


# Commands one after the other in one process, as a process imports for long and works for moments.
RUN = """
import contextlib, io, json, sys
from asd.cli import cli
said = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        cli.main(words, standalone_mode=False)
    said.append(out.getvalue())
print(json.dumps(said))
"""


def asd_run(root, *commands):
    """Run command lines in one new process; return what each prints."""
    return json.loads(started(root, "-c", RUN, json.dumps([*map(str.split, commands)])))


def started(root, *words, code=0):
    environment = os.environ | {"PYTHONPATH": str(root / "site"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


STAGES = ("extract", "train", "embed", "score", "evaluate")
STATUS = "status --json"


def not_current(said):
    """Return the reasons of each stage that `asd status --json` calls anything but current."""
    states = json.loads(said)
    return {one["stage"]: " ".join(one["reasons"]) for one in states if one["state"] != "current"}


@pytest.mark.slow
def test_a_plugin_goes_through_the_pipeline_and_a_new_version_computes_anew(workspace):
    sound = "sounds/pump/test/anomaly/anomaly_00.wav"
    predict = f"predict --machine pump --system far --json {sound}"
    explain = f"explain --machine pump --system own {sound} --out why.png"
    checked, *_, predicted, states, _ = asd_run(
        workspace, "check", "index", *STAGES, predict, STATUS, explain
    )
    assert "nothing is wrong" in checked
    for system in ("far", "dotted"):
        with (workspace / f"data/scores/{system}/pump.csv").open() as file:
            rows = list(csv.DictReader(file))
        scores = {"anomaly": [], "normal": []}
        for row in rows:
            scores[row["name"].partition("_")[0]].append(float(row["score"]))
        assert min(scores["anomaly"]) > max(scores["normal"])
    assert json.loads(predicted)[0]["anomalous"] is True
    assert not {"extract", "score"} & not_current(states).keys()
    assert (workspace / "why.png").stat().st_size > 10_000

    install(workspace / "site", "1.1")
    before, extracted, *_, after = asd_run(workspace, STATUS, *STAGES, STATUS)
    assert "1.1" in not_current(before)["extract"]
    assert "computed 22 clips" in extracted
    assert not_current(after).keys() <= {"finetune", "report"}  # no feature is fine-tuned


def test_what_is_not_installed_is_said(workspace):
    params = workspace / "pipeline" / "params.yaml"
    text = params.read_text()
    try:
        params.write_text(
            text.replace("scorer: far", "scorer: farr").replace(
                "loudness_plugin:Far", "no_such_module:Far"
            )
        )
        told = started(workspace, "-m", "asd", "check", code=2)
    finally:
        params.write_text(text)
    assert "unknown scorer 'farr' (did you mean 'far'?)" in told
    assert "no_such_module" in told

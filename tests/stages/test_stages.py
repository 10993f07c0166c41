"""Stages, their records and DVC agree on what is current; each reads what it declares."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ruamel.yaml import YAML

from asd.cli import cli, main
from asd.errors import JobError, UsageError
from asd.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
PARAMS = """
dataset: {name: tiny, rules: '2020', raw: raw, machines: [pump]}
synth: {machines: []}
index: {sample_rate: 8000, channel: 0}
finetune: {base: 'builtin:tiny', steps: 2, accumulate: 1, seconds: 0.4, rows: 16, batch_size: 2}
extract: {workers: 0}
features:
  wave: {extractor: wave}
  logmel: {extractor: logmel, n_fft: 256, hop: 128, mels: 16}
networks:
  tdnn: {channels: [8, 12], kernels: [3, 1], dilations: [1, 1], embedding: 6,
         tgram_window: 256, tgram_hop: 128}
models:
  both: {features: [logmel, wave]}
  mel: {features: [logmel]}
joint: {}
train: {epochs: 2, learning_rate: 0.002, classes_per_batch: 2, clips_per_class: 4,
        precision: float32}
embed: {batch_size: 8, precision: float32}
systems:
  cosine: {model: both, scorer: cosine}
  spread: {model: mel, scorer: neighbours, settings: {distance: standardised, k: 2}}
fusions: {}
select: {}
score: {threshold: quantile, false_alarm_rate: 0.2}
evaluate: {bootstrap: 0}
"""
Values = dict[str, Any]
Run = Callable[..., str]


def _asd(root: Path, *arguments: str) -> tuple[int, str, str]:
    """Call `asd` in a folder; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(root),
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stopped,
    ):
        patch.setattr("sys.argv", ["asd", *arguments])
        main()
    return int(stopped.value.code or 0), out.getvalue(), err.getvalue()


def _edit(root: Path, change: Callable[[Any], object]) -> None:
    path, yaml = root / "pipeline/params.yaml", YAML()
    values = yaml.load(path.read_text())
    change(values)
    with path.open("w") as file:
        yaml.dump(values, file)


def _set(*place: str, to: object) -> Callable[[Path], None]:
    def change(values: Any) -> None:
        for key in place[:-1]:
            values = values[key]
        values[place[-1]] = to

    return partial(_edit, change=change)


def _less(*place: str) -> Callable[[Path], None]:
    def change(values: Any) -> None:
        for key in place[:-1]:
            values = values[key]
        del values[place[-1]]

    return partial(_edit, change=change)


def _louder(root: Path) -> None:
    path = root / "raw/pump/id_00/test/anomaly/00_12.wav"
    wave, rate = soundfile.read(path)
    soundfile.write(path, 0.5 * wave, rate, "PCM_16")


@pytest.fixture(scope="module")
def workspace(tiny_template: Path, tmp_path_factory: pytest.TempPathFactory, shell: Run) -> Path:
    """The tiny project as a workspace of DVC, run once."""
    root = tmp_path_factory.mktemp("stages") / "workspace"
    shutil.copytree(tiny_template / "raw", root / "raw")
    (root / "pipeline").mkdir()
    (root / "pipeline/params.yaml").write_text(PARAMS)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    shell(root, "dvc", "init", "-q", "--no-scm")
    shell(root, "dvc", "config", "core.analytics", "false")
    shell(root, "dvc", "repro")
    return root


@pytest.fixture
def copy(workspace: Path, tmp_path: Path) -> Path:
    """A copy of the workspace, with its times."""
    root = tmp_path / "workspace"
    shutil.copytree(workspace, root, copy_function=shutil.copy2)
    return root


def _stale(root: Path) -> tuple[set[str], set[str]]:
    """Return the stages that `asd status` calls stale or missing, and those it calls unused."""
    code, out, err = _asd(root, "status", "--json")
    assert code == 0, err
    rows = json.loads(out)
    return (
        {row["stage"] for row in rows if row["state"] in ("stale", "missing")},
        {row["stage"] for row in rows if row["state"] == "unused"},
    )


def _named(root: Path, shell: Run) -> set[str]:
    """Return the stages that `dvc status` names."""
    return set(json.loads(shell(root, "dvc", "status", "--json")))


def _group(place: tuple[str, ...]) -> str:
    """Return what a file below the data is a part of."""
    if place[0] == "features":
        return f"features {place[2]}"
    if place[0] in ("models", "banks", "scores"):
        return f"{place[0]} {place[1]}"
    if place[0] == "reports":
        official = place[1] in ("metrics.json", "evaluate.json", "roc", "official")
        return "figures" if official else "report"
    return place[0]


def _times(root: Path) -> dict[str, dict[Path, int]]:
    """Return when each file below the data was written, by what it is a part of."""
    found: dict[str, dict[Path, int]] = {}
    for path in sorted((root / "data").rglob("*")):
        place = path.relative_to(root / "data").parts
        if path.is_file() and not any(part[0] == "." for part in place):
            of_group = found.setdefault(_group(place), {})
            of_group[path.relative_to(root)] = path.stat().st_mtime_ns
    return found


@dataclass(frozen=True)
class Case:
    """A change, and what follows from it.

    Attributes:
        change: the params or the recordings of a workspace.
        named: the stages that `dvc status` names and `asd status` calls stale or missing.
        remade: what is written anew when the stages are run.
        early: stages that `asd status` alone names: it knows already what is to come.
        gone: what is removed.
    """

    change: Callable[[Path], None]
    named: set[str]
    remade: set[str]
    early: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)


SCORES = {"scores cosine", "scores spread"}
BANKS = {"banks both", "banks mel"}
MODELS = {"models both", "models mel"}
FIGURES = {"figures", "report"}
CASES = {
    "a recording": Case(
        _louder,
        {"index", "report"},
        {"index", "features wave", "features logmel", *BANKS, *SCORES, *FIGURES},
    ),
    "index.sample_rate": Case(
        _set("index", "sample_rate", to=4000),
        {"index", "extract", "report"},
        {"index", "features wave", "features logmel", *MODELS, *BANKS, *SCORES, *FIGURES},
    ),
    "finetune.steps": Case(_set("finetune", "steps", to=3), {"report"}, {"report"}),
    "a feature": Case(
        _set("features", "logmel", "hop", to=64),
        {"extract", "report"},
        {"features logmel", *MODELS, *BANKS, *SCORES, *FIGURES},
    ),
    "a network": Case(
        _set("networks", "tdnn", "embedding", to=5),
        {"train", "report"},
        {*MODELS, *BANKS, *SCORES, *FIGURES},
    ),
    "train.epochs": Case(
        _set("train", "epochs", to=1),
        {"train", "report"},
        {*MODELS, *BANKS, *SCORES, *FIGURES},
    ),
    "a loss": Case(
        _set("models", "mel", "losses", to={"triplet": 0.5}),
        {"train", "report"},
        {"models mel", "banks mel", "scores spread", *FIGURES},
    ),
    "embed.batch_size": Case(
        _set("embed", "batch_size", to=4), {"embed", "report"}, {*BANKS, *SCORES, *FIGURES}
    ),
    "a system's setting": Case(
        _set("systems", "spread", "settings", "k", to=3),
        {"score", "report"},
        {"scores spread", *FIGURES},
    ),
    "score.false_alarm_rate": Case(
        _set("score", "false_alarm_rate", to=0.3), {"score", "report"}, {*SCORES, *FIGURES}
    ),
    "dataset.rules": Case(_set("dataset", "rules", to="2022"), {"evaluate", "report"}, {*FIGURES}),
    "evaluate.bootstrap": Case(
        _set("evaluate", "bootstrap", to=5), {"evaluate", "report"}, {*FIGURES}
    ),
    "the ladder": Case(
        _set("ladder", to=[{"system": "cosine", "change": "all"}]), {"report"}, {"report"}
    ),
    "a model more": Case(
        _set("models", "third", to={"features": ["wave"]}),
        {"train", "report"},
        {"models third", "banks third", "report"},
        early={"embed"},
    ),
    "a system less": Case(
        _less("systems", "spread"),
        {"score", "report"},
        {*FIGURES},
        early={"evaluate"},
        gone={"scores spread"},
    ),
}
QUICK = {"the ladder", "a system less"}


@pytest.mark.parametrize(
    "name", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in CASES]
)
def test_status_and_dvc_agree_and_a_run_computes_just_that(
    copy: Path, shell: Run, name: str
) -> None:
    case = CASES[name]
    case.change(copy)
    stale, unused = _stale(copy)
    assert stale == case.named | case.early
    # DVC names a stage that nothing needs, too: its params say whether anything does.
    assert _named(copy, shell) - unused == case.named
    before = _times(copy)
    shell(copy, "dvc", "repro")
    after = _times(copy)
    assert before.keys() - after.keys() == case.gone
    remade = {group for group in after if after[group] != before.get(group)}
    assert remade == case.remade
    assert _stale(copy)[0] == set()
    assert _named(copy, shell) == set()

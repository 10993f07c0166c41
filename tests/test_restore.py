"""Versions of a project with git and DVC: pushed, cloned, pulled, and brought back bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.made import edit_params, set_params

RECORDING = "pump/id_02/test/anomaly/02_12.wav"
SMALL = {
    "finetune": {"base": "builtin:tiny", "steps": 2, "accumulate": 1, "seconds": 0.4, "rows": 16},
    "networks": {
        "tdnn": {"channels": [8, 12], "kernels": [3, 1], "dilations": [1, 1], "embedding": 6}
    },
    "train": {"epochs": 2, "precision": "float32"},
    "embed": {"precision": "float32"},
    "evaluate": {"bootstrap": 0},
}
ONE = {  # of the profile, where there are several
    "features": {"logmel": {"n_fft": 512, "hop": 256, "mels": 16}, "ptm": {"hop": 256}},
    "models": {"both": {"features": ["logmel", "ptm"]}},
    "systems": {"cosine": {"model": "both", "scorer": "cosine"}},
}
NONE = ("joint", "fusions", "select")  # what joins several of them

Run = Callable[..., str]


@pytest.fixture
def run(shell: Run, tmp_path: Path) -> Run:
    """Run a command in a folder below the test's, and return what it prints."""
    return lambda folder, *arguments: shell(tmp_path / folder, *arguments)


@pytest.fixture
def project(tiny_template: Path, tmp_path: Path, run: Run) -> Path:
    """A project under git and DVC, run and committed; its recordings alone are in no version."""
    root = tmp_path / "project"
    shutil.copytree(tiny_template / "raw", root / "data/raw")
    run("project", "git", "init", "-q")
    run("project", "asd", "init", "folder", "--raw", "data/raw")

    def only_one(params: Any) -> None:
        params.update(ONE | {section: {} for section in NONE if section in params})
        params.pop("ladder", None)

    edit_params(root, only_one)
    set_params(root, SMALL)
    run("project", "dvc", "remote", "add", "-d", "storage", tmp_path / "remote")
    run("project", "dvc", "repro")
    _commit(run, "first")
    return root


def _commit(run: Run, message: str) -> None:
    run("project", "git", "add", "-A")
    run("project", "git", "commit", "-qm", message)
    assert "Data and pipelines are up to date" in run("project", "dvc", "status")


def _contents(root: Path, *folders: str) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted((root / "data" / folder).rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_versions_restore(project: Path, run: Run, tmp_path: Path, scores_of: Callable) -> None:
    """A clone scores with what it pulled; an earlier commit brings its bank and scores back."""
    run("project", "dvc", "push")
    run(".", "git", "clone", "-q", "project", "clone")
    clone = tmp_path / "clone"
    run("clone", "dvc", "pull")
    tracked = ("index", "features", "checkpoints/ptm", "models", "banks", "scores", "reports")
    assert _contents(clone, *tracked) == _contents(project, *tracked)
    assert not list((clone / "data/raw").rglob("*.wav"))
    assert "all as written" in run("clone", "asd", "verify")
    recording = shutil.copy(project / "data/raw" / RECORDING, tmp_path / "new.wav")
    out = run(
        "clone", "asd", "predict", "--machine", "pump", "--section", "02", "--json", recording
    )
    (found,) = json.loads(out)
    # A clip alone may be multiplied by other kernels than the batch that was scored.
    expected = scores_of(project, "cosine", "02")[Path(RECORDING).name]
    assert found["score"] == pytest.approx(expected, rel=1e-5)

    before, metrics = _contents(project, "banks", "scores"), _metrics(project)
    set_params(project, {"train": {"seed": 1, "epochs": 4}})
    run("project", "dvc", "repro", "evaluate")
    after = _contents(project, "banks", "scores")
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before if name.endswith(".csv"))
    assert all(before[name] != after[name] for name in before if name.endswith(".h5"))
    run("project", "git", "commit", "-qam", "second")

    _check_differences(project, run, metrics)
    run("project", "git", "checkout", "-q", "HEAD~1")
    run("project", "dvc", "checkout")
    assert _contents(project, "banks", "scores") == before


def _check_differences(project: Path, run: Run, earlier: Any) -> None:
    """What DVC shows of two versions holds the official numbers and the ROC curves of both."""
    diff = json.loads(run("project", "dvc", "metrics", "diff", "--all", "HEAD~1", "--json"))
    changes = diff["data/reports/scores.json"]
    assert set(changes) == set(earlier["systems"])  # a row a system
    for version, metrics in (("old", earlier), ("new", _metrics(project))):
        assert changes["cosine"][version] == metrics["systems"]["cosine"]["score"]
    curves = json.loads(run("project", "dvc", "plots", "diff", "HEAD~1", "--json"))["data"]
    points = curves["data/reports/roc/cosine.csv"][0]["content"]["data"]["values"]
    assert {point["rev"] for point in points} == {"workspace", "HEAD~1"}
    assert {"fpr", "tpr", "section"} <= points[0].keys()
    run("project", "dvc", "plots", "show")
    page = (project / "dvc_plots/index.html").read_text()
    assert "ROC of each machine and section" in page


def _metrics(project: Path) -> Any:
    return json.loads((project / "data/reports/metrics.json").read_text())

"""The whole pipeline on genuine recordings, where they lie beside the repository."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asd.metrics.roc import roc_auc
from asd.scoring.files import read_values

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "real"
SEVEN = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")


def _recordings(name: str) -> Path:
    if not (REAL / name).is_dir():
        pytest.skip(f"the genuine recordings {name} are not beside the repository")
    return REAL / name


@pytest.fixture
def run(tmp_path: Path) -> object:
    """Run `asd init folder` and `dvc repro` in a fresh project, as a user does."""
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline")
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", tmp_path / ".dvc" / "config")
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": scripts + os.pathsep + os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
    }

    def command(*arguments: str | Path) -> str:
        done = subprocess.run(
            [str(a) for a in arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def repro(raw: Path) -> str:
        command("git", "init", "-q")
        command("asd", "init", "folder", "--raw", raw)
        return command("dvc", "repro")

    return repro


def test_slide_rail_without_labels(run: object, tmp_path: Path) -> None:
    """75 normal clips of one unit train a detector that tells its faults."""
    out = run(_recordings("dcase2020"))  # type: ignore[operator]
    assert "classes: 5 transformations" in out
    assert "section 02 has no training clips; 4 test clips left unscored" in out
    scores = read_values(tmp_path / "data/scores/cosine/anomaly_score_slider_section_00_test.csv")
    labels = [name.startswith("anomaly") for name in scores]
    assert (sum(labels), len(labels)) == (4, 9)
    assert roc_auc(labels, list(scores.values())) >= 0.90
    assert not list((tmp_path / "data/scores/cosine").glob("*section_02*"))
    assert (tmp_path / "data/reports/report.html").is_file()


def test_all_seven_machine_types(run: object, tmp_path: Path) -> None:
    """Official names, attributes and lengths; two training clips each, so no figure is expected."""
    run(_recordings("dcase2023"))  # type: ignore[operator]
    for machine in SEVEN:
        with (tmp_path / f"data/index/{machine}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["status"] for row in rows] == ["ok"] * 4
        assert all(row["attributes"] and row["domain"] for row in rows)
        scores = tmp_path / f"data/scores/cosine/anomaly_score_{machine}_section_00_test.csv"
        assert len(read_values(scores)) == 2
    metrics = json.loads((tmp_path / "data/reports/metrics.json").read_text())
    assert metrics["rules"] == "2022"
    assert set(metrics["systems"]["cosine"]["machines"]) == set(SEVEN)

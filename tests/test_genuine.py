"""The whole pipeline on genuine recordings, where they lie beside the repository."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from asd.metrics.roc import roc_auc
from asd.scoring.scored import read_scores_record, read_table
from asd.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "real"
SEVEN = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")


def _recordings(name: str) -> Path:
    if not (REAL / name).is_dir():
        pytest.skip(f"the genuine recordings {name} are not beside the repository")
    return REAL / name


Command = Callable[..., str]


def _scores(root: Path, system: str, machine: str) -> dict[str, dict[str, float]]:
    """Return a machine's scores by section and recording."""
    table = read_table(read_scores_record(Workspace.at(root).score_record(system, machine)))
    found: dict[str, dict[str, float]] = {}
    for section, name, score in zip(table.section, table.name, table.score, strict=True):
        found.setdefault(section, {})[name] = float(score)
    return found


@pytest.fixture
def command(shell: Command, tmp_path: Path) -> Command:
    """Run commands in a fresh project, as a user does; they return what they print."""
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline")
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", tmp_path / ".dvc" / "config")

    def run(*arguments: str | Path) -> str:
        return shell(tmp_path, *arguments)

    run("git", "init", "-q")
    return run


def test_slide_rail_without_labels(command: Command, tmp_path: Path) -> None:
    """75 normal clips of one unit train a detector that tells its faults, and shows them.

    These are the commands of the README's section on own recordings.
    """
    raw = _recordings("dcase2020")
    said = command("asd", "init", "folder", "--raw", raw)
    assert "found slider: 96 recordings of 10.0 s, 16000 Hz, used as 96 clips of 10 s" in said
    out = command("dvc", "repro")
    assert "classes: 5 transformations" in out
    assert "section 02 has no training clips; 4 test clips left unscored" in out
    least = {"selected": 0.95, "cosine": 0.9}
    least |= dict.fromkeys(("pooled_nearest", "pooled_mahalanobis", "pooled_gmm"), 0.95)
    for system, auc in least.items():
        found = _scores(tmp_path, system, "slider")
        assert set(found) == {"00"}
        scores = found["00"]
        labels = [name.startswith("anomaly") for name in scores]
        assert (sum(labels), len(labels)) == (4, 9)
        assert roc_auc(labels, list(scores.values())) >= auc, system
    assert (tmp_path / "data/reports/report.html").is_file()

    scores = _scores(tmp_path, "selected", "slider")["00"]
    odd = max((name for name in scores if name.startswith("anomaly")), key=lambda n: scores[n])
    recording = raw / "slider" / "test" / odd
    options = ("--machine", "slider")
    table = command("asd", "predict", *options, recording)
    assert table.splitlines()[1].split()[1:4:2] == [f"{scores[odd]:.4f}", "anomalous"]
    command("asd", "explain", *options, recording, "--out", "why.png")
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    assert command("asd", "status").splitlines()[-1] == "nothing to do"


def test_all_seven_machine_types(command: Command, tmp_path: Path) -> None:
    """Official names, attributes and lengths; two training clips each, so no figure is expected."""
    command("asd", "init", "folder", "--raw", _recordings("dcase2023"))
    for verb in ("index", "extract", "train", "embed", "score", "evaluate", "report"):
        command("asd", verb)
    for machine in SEVEN:
        with (tmp_path / f"data/index/{machine}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["status"] for row in rows] == ["ok"] * 4
        assert all(row["attributes"] and row["domain"] for row in rows)
        assert [*map(len, _scores(tmp_path, "cosine", machine).values())] == [2]
    metrics = json.loads((tmp_path / "data/reports/metrics.json").read_text())
    assert metrics["rules"] == "2022"
    assert set(metrics["systems"]["cosine"]["machines"]) == set(SEVEN)

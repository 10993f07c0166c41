"""The package without its checkout: a wheel, and a workspace in an empty folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "real" / "dcase2020" / "slider"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it into a folder; its dependencies are those of here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "asd", source / "asd", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder / "site")]
    subprocess.run([*pip, "install", *options, str(source)], check=True)
    return folder / "site"


@pytest.fixture
def environment(site: Path, tmp_path: Path) -> dict[str, str]:
    command = tmp_path / "bin" / "asd"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m asd "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join(
        [str(command.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    return os.environ | {"PATH": path, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}


def run(environment: dict[str, str], folder: Path, *words: str | Path) -> str:
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def recordings(folder: Path) -> Path:
    """Return genuine slide rails where they lie beside the repository, else hisses and whistles."""
    if REAL.is_dir():
        return REAL.parent
    random = np.random.default_rng(0)
    whistle = np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    for split, label, level in (
        *[("train", "normal", 0.0)] * 20,
        *[("test", "normal", 0.0)] * 4,
        *[("test", "anomaly", 0.05)] * 4,
    ):
        into = folder / "slider" / split
        into.mkdir(parents=True, exist_ok=True)
        number = len(list(into.iterdir()))
        sound = 0.05 * random.normal(size=32_000) + level * whistle
        soundfile.write(into / f"{label}_id_00_{number:08d}.wav", sound, 16_000)
    return folder


@pytest.mark.slow
def test_own_recordings_in_an_empty_folder(
    site: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    where = run(environment, workspace, "python", "-c", "import asd; print(asd.__file__)")
    assert where.startswith(str(site))
    raw = recordings(tmp_path / "sounds")
    told = run(environment, workspace, "asd", "init", "folder", "--raw", raw)
    assert "dvc repro" in told
    run(environment, workspace, "dvc", "repro")
    odd = sorted((raw / "slider" / "test").glob("anomaly_id_00_*"))
    found = json.loads(run(environment, workspace, "asd", "predict", "--json", *odd))
    assert np.mean([one["anomalous"] for one in found]) >= 0.75
    assert "are up to date" in run(environment, workspace, "dvc", "repro")

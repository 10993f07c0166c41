"""Profiles become a params file that is valid, commented and complete."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.params import load_params
from asd.stages.init import profiles

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that DVC knows already, which saves time."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _recordings(folder: Path) -> Path:
    for machine in ("pump", "fan"):
        (folder / machine / "train").mkdir(parents=True)
        (folder / machine / "train" / "a.wav").write_bytes(b"not read here")
    return folder


@pytest.mark.parametrize("profile", profiles())
def test_every_profile_is_valid_and_commented(profile: str, project: Path, asd: Callable) -> None:
    raw = ["--raw", _recordings(project / "mine")] if profile == "folder" else []
    done = asd("init", profile, *raw)
    assert done.code == 0, done.err
    path = project / "pipeline" / "params.yaml"
    params = load_params(path)
    assert params.dataset.name.removesuffix("_synthesised") == profile
    assert params.dataset.machines
    assert path.read_text().count("#") > 20


def test_params_in_the_repository_are_the_demos(project: Path, asd: Callable) -> None:
    asd("init", "demo")
    written = (project / "pipeline" / "params.yaml").read_text()
    assert written == (ROOT / "pipeline" / "params.yaml").read_text()


def test_stages_in_the_repository_are_those_of_every_workspace(
    project: Path, asd: Callable
) -> None:
    asd("init", "demo")
    assert (project / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["nowhere", "a repository", "below a repository"])
def test_a_whole_workspace_in_an_empty_folder(where: str, tmp_path: Path, shell: Callable) -> None:
    if where != "nowhere":
        shell(tmp_path, "git", "init", "-q")
    folder = tmp_path / "below" if where == "below a repository" else tmp_path
    folder.mkdir(exist_ok=True)
    told = shell(folder, "asd", "init", "demo")
    assert "dvc repro" in told
    assert {"dvc.yaml", ".gitignore", ".dvcignore", ".dvc", "pipeline"} <= {
        path.name for path in folder.iterdir()
    }
    assert "synth" in shell(folder, "dvc", "status")
    config = (folder / ".dvc" / "config").read_text()
    assert "analytics = false" in config
    assert "type = reflink,hardlink,copy" in config


def test_own_recordings_are_found(project: Path, asd: Callable) -> None:
    _recordings(project / "mine")
    done = asd("init", "folder", "--raw", "mine")
    assert "found fan: 1 recording, 1 not usable ('asd index' says why)\n" in done.out
    assert "found pump: 1 recording" in done.out
    params = load_params(project / "pipeline" / "params.yaml")
    assert params.dataset.raw == "mine"
    assert params.dataset.machines == ("fan", "pump")


def test_2026_takes_the_recordings_where_they_are_there_and_synthesises_else(
    project: Path, asd: Callable
) -> None:
    path = project / "pipeline" / "params.yaml"
    done = asd("init", "dcase2026")
    assert "data/raw/dcase2026: no recordings there, so their like is synthesised" in done.out
    params = load_params(path)
    assert (params.dataset.name, params.dataset.raw) == ("dcase2026_synthesised", "data/raw/demo")
    assert params.synth.machines == params.dataset.machines
    (project / "data" / "raw" / "dcase2026" / "fan").mkdir(parents=True)
    assert "synthesised" not in asd("init", "dcase2026").out
    params = load_params(path)
    assert (params.dataset.name, params.dataset.raw) == ("dcase2026", "data/raw/dcase2026")
    assert params.synth.machines == ()


def test_a_long_recording_is_announced_as_its_windows(project: Path, asd: Callable) -> None:
    folder = project / "mine" / "pump" / "normal"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).normal(scale=0.1, size=65 * 800)
    soundfile.write(folder / "monday.wav", noise, 800)
    done = asd("init", "folder", "--raw", "mine")
    assert done.out.startswith(
        "found pump: 1 recording of 65.0 s, 800 Hz, used as 7 windows of 10 s (7 train, 0 test)\n"
    )
    printed = json.loads(asd("init", "folder", "--raw", "mine", "--json").out)
    assert printed == [
        {
            "file": "pipeline/params.yaml",
            "profile": "folder",
            "machines": ["pump"],
            "raw": "mine",
            "before": None,
        }
    ]


def test_an_edit_is_never_lost(project: Path, asd: Callable) -> None:
    """Edit, init another profile, init a third: each file before has a number of its own."""
    _recordings(project / "mine")
    path = project / "pipeline" / "params.yaml"
    asd("init", "demo")
    edited = path.read_text().replace("seconds: 4", "seconds: 5")
    path.write_text(edited)
    done = asd("init", "ladder")
    assert "params.yaml.1" in done.out
    ladder = path.read_text()
    asd("init", "folder", "--raw", "mine")
    assert (path.parent / "params.yaml.1").read_text() == edited
    assert (path.parent / "params.yaml.2").read_text() == ladder
    folder = path.read_text()
    asd("init", "folder", "--raw", "mine")  # the same again: nothing to keep
    assert not (path.parent / "params.yaml.3").exists()
    assert path.read_text() == folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dmo"], "unknown profile 'dmo' (did you mean 'demo'?)"),
        (["common"], "unknown profile 'common'"),
        (["folder"], "asd init folder --raw DIR"),
        (["demo", "--raw", "mine"], "asd init folder --raw mine"),
        (["folder", "--raw", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, project: Path, asd: Callable
) -> None:
    done = asd("init", *arguments)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (project / "pipeline" / "params.yaml").exists()

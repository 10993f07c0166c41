"""Profiles become a params file that is valid, commented and complete."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.params import load_params

PIPELINE = Path(__file__).resolve().parents[2] / "pipeline"
PROFILES = sorted(p.stem for p in (PIPELINE / "profiles").glob("*.yaml") if p.stem != "common")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(PIPELINE / "profiles", tmp_path / "pipeline" / "profiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _recordings(folder: Path) -> Path:
    for machine in ("pump", "fan"):
        (folder / machine / "train").mkdir(parents=True)
        (folder / machine / "train" / "a.wav").write_bytes(b"not read here")
    return folder


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_valid_and_commented(profile: str, project: Path, asd: Callable) -> None:
    raw = ["--raw", _recordings(project / "mine")] if profile == "folder" else []
    done = asd("init", profile, *raw)
    assert done.code == 0, done.err
    path = project / "pipeline" / "params.yaml"
    params = load_params(path)
    assert params.dataset.name == profile
    assert params.dataset.machines
    assert path.read_text().count("#") > 20


def test_params_in_the_repository_are_the_demos(project: Path, asd: Callable) -> None:
    asd("init", "demo")
    written = (project / "pipeline" / "params.yaml").read_text()
    assert written == (PIPELINE / "params.yaml").read_text()


def test_own_recordings_are_found(project: Path, asd: Callable) -> None:
    _recordings(project / "mine")
    done = asd("init", "folder", "--raw", "mine")
    assert "found fan: 1 recording, 1 not usable ('asd index' says why)\n" in done.out
    assert "found pump: 1 recording" in done.out
    params = load_params(project / "pipeline" / "params.yaml")
    assert params.dataset.raw == "mine"
    assert params.dataset.machines == ("fan", "pump")


def test_a_long_recording_is_announced_as_its_windows(project: Path, asd: Callable) -> None:
    folder = project / "mine" / "pump" / "normal"
    folder.mkdir(parents=True)
    soundfile.write(folder / "monday.wav", np.zeros(65 * 800), 800)
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


def test_the_file_before_is_kept(project: Path, asd: Callable) -> None:
    asd("init", "demo")
    (project / "pipeline" / "params.yaml").write_text("# mine\n")
    done = asd("init", "dcase2022")
    assert "params.yaml.old" in done.out
    assert (project / "pipeline" / "params.yaml.old").read_text() == "# mine\n"


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

"""A stopped `init` left DVC's own settings for ever: each artifact was on disk twice.

Of two at once one failed, and the reason that DVC gave was kept quiet.
"""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asd.errors import JobError
from asd.stages import init


def _dvc_init(root: Path) -> None:
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc/config").write_text("[core]\n    no_scm = True\n")


@pytest.mark.parametrize("left", [(), ("tmp",), ("config",), ("config", "cache")])
def test_the_next_run_brings_it_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...]
) -> None:
    def stopped(command: Any, cwd: Path, **_: Any) -> None:
        for name in left:
            (cwd / ".dvc").mkdir(exist_ok=True)
            (cwd / ".dvc" / name).touch()
        raise KeyboardInterrupt

    def whole(command: Any, cwd: Path, **_: Any) -> subprocess.CompletedProcess[str]:
        _dvc_init(cwd)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(init.subprocess, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        init.run("demo", folder=tmp_path)
    monkeypatch.setattr(init.subprocess, "run", whole)
    assert ".dvc" in init.run("demo", folder=tmp_path).created
    config = (tmp_path / ".dvc/config").read_text()
    assert ("no_scm = True" in config) is ("cache" not in left)
    assert "type = hardlink,symlink" in config
    assert not list(tmp_path.rglob("*.part"))
    assert init.run("demo", folder=tmp_path).created == ()


def test_of_two_at_once_one_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(command: Any, cwd: Path, **_: Any) -> subprocess.CompletedProcess[str]:
        there = (cwd / ".dvc").exists()
        time.sleep(0.1)
        _dvc_init(cwd)
        return subprocess.CompletedProcess(command, int(there), "", "it exists")

    monkeypatch.setattr(init.subprocess, "run", slow)
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda _: init.run("demo", folder=tmp_path).created, range(2)))
    assert sorted(".dvc" in created for created in made) == [False, True]


def test_why_dvc_refuses_is_said(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(".dvc\n")
    with pytest.raises(JobError, match="DVC cannot be initialised here: .*is ignored by your SCM"):
        init.run("demo", folder=tmp_path)

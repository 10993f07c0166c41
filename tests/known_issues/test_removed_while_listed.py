"""A folder that a run removed while `asd verify` listed it ended the verification."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asd.store import verification


@pytest.mark.parametrize(
    "work", [verification.leftovers, lambda at: verification.matching(at, "*/*")]
)
def test_what_is_gone_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[Path], list[Path]]
) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    kept = tmp_path / "c/.x.part"
    kept.touch()
    scan = os.scandir

    def removing(path: Any) -> Any:
        if isinstance(path, str | Path) and Path(path).name == "a":
            shutil.rmtree(tmp_path / "a")
        return scan(path)

    monkeypatch.setattr(os, "scandir", removing)
    assert work(tmp_path) == [kept]

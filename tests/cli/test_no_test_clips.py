"""A project of normal recordings alone: nothing to evaluate is no failure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path


def test_figures_and_report_say_so(project: Path, asd: Callable) -> None:
    for section in ("00", "02"):
        shutil.rmtree(f"raw/pump/id_{section}/test")
    for verb in ("index", "extract", "train", "embed", "score"):
        assert asd(verb).code == 0
    done = asd("evaluate")
    assert (done.code, done.out.splitlines()[0]) == (0, "no test clips: nothing to evaluate")
    assert json.loads(Path("data/reports/metrics.json").read_text())["systems"] == {}
    # The outputs of the stage are there, empty.
    assert Path("data/reports/roc").is_dir()
    assert Path("data/reports/official").is_dir()
    done = asd("report")
    assert (done.code, done.out[:24]) == (0, "report: 0 systems on 0 m")
    page = Path("data/reports/report.html").read_text()
    assert "logmel" in page, "the store's contents are shown all the same"
    states = {row["stage"]: row for row in json.loads(asd("status", "--json").out)}
    assert states["evaluate"]["there"] == "no test clips"
    assert states["report"]["state"] == "current"

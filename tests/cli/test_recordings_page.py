"""asd report of one's own recordings: each as predict hears it, with normals only too."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from asd.detection.detector import Detector
from tests.made import run_verbs

Report = Callable[..., str]


@pytest.fixture
def report(tiny: Path) -> Report:
    """Run verbs on the tiny project, and the report with the page of recordings; return it."""
    params = tiny / "pipeline" / "params.yaml"
    params.write_text(params.read_text() + "\nreport: {page: recordings}\n")

    def page(*verbs: str) -> str:
        run_verbs(tiny, *verbs, "evaluate", "report")
        return (tiny / "data/reports/report.html").read_text(encoding="utf-8")

    return page


def rows_of(page: str) -> dict[str, dict[str, str]]:
    """Return the rows of the table by recording: their data, and their text."""
    found = {}
    for head, body in re.findall(r"<tr (data-machine[^>]*)>(.*?)</tr>", page, re.DOTALL):
        data = {k: html.unescape(v) for k, v in re.findall(r'data-([a-z]+)="([^"]*)"', head)}
        data["text"] = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())
        data["sound"] = "<audio" if "<audio" in body else ""
        found[data["recording"]] = data
    return found


def test_each_recording_is_as_it_is_predicted(tiny: Path, report: Report) -> None:
    rows = rows_of(report())
    assert len(rows) == 26
    new = [path for path in rows if "/test/" in path]
    assert list(rows)[: len(new)] == new
    margins = [float(rows[path]["margin"]) for path in new]
    assert margins == sorted(margins, reverse=True)
    detector = Detector(tiny, "pump")
    for section in ("00", "02"):
        paths = [path for path in new if f"id_{section}" in path]
        predicted = detector.predictions([str(tiny / "raw" / path) for path in paths], section)
        for path, one in zip(paths, predicted, strict=True):
            row = rows[path]
            assert float(row["margin"]) == pytest.approx(one.score - one.threshold, rel=1e-6)
            assert (row["decision"] == "1") == one.anomalous
            assert row["nearest"] == one.nearest
            assert row["sound"]
            assert bool(row["reason"]) == one.anomalous
            if "/anomaly/" in path and one.anomalous:  # a tone at 3.1 kHz
                said = re.match(r"(\S+) to (\S+) kHz, \d+ dB above normal", row["reason"])
                assert said
                assert float(said[1]) <= 3.2
                assert float(said[2]) >= 3.0


def test_normals_only_are_listed(tiny: Path, report: Report) -> None:
    for folder in sorted((tiny / "raw" / "pump").glob("*/test")):
        shutil.rmtree(folder)
    page = report("index", "extract", "train", "embed", "score")
    rows = rows_of(page)
    assert len(rows) == 18
    assert all("training" in row["text"] and row["sound"] for row in rows.values())
    assert "18 normal recordings score" in " ".join(page.split())
    assert "No new recordings were scored" in page


def test_without_recordings_and_store_the_rows_are_there(tiny: Path, report: Report) -> None:
    shutil.rmtree(tiny / "raw")
    shutil.rmtree(tiny / "data" / "features")
    page = report()
    assert len(rows_of(page)) == 26
    assert "<audio" not in page
    assert "<img" not in page


def test_the_page_is_kept_until_something_changes(tiny: Path, report: Report) -> None:
    report()
    path = tiny / "data/reports/report.html"
    before = path.stat().st_mtime_ns
    report()
    assert path.stat().st_mtime_ns == before
    assert [one.name for one in (tiny / "data/reports/figures").iterdir()] == ["scores_pump.svg"]

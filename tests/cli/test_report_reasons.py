"""The report draws why a machine's most anomalous clip scores high, where that can be told."""

from __future__ import annotations

import base64
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

from tests.made import run_verbs


def explained(root: Path) -> list[tuple[str, bytes]]:
    """Return the explained clips of a report and their pictures."""
    page = (root / "data/reports/report.html").read_text(encoding="utf-8")
    images = re.findall(r"<img[^>]*class=\"reason\"[^>]*>", page)
    names = re.findall(r"Why ([^ ]+) scores high", page)
    assert len(images) == len(names)
    pictures = [re.search(r"data:image/svg[+]xml;base64,([^\"]+)", image) for image in images]
    return [
        (name, base64.b64decode(picture[1]))
        for name, picture in zip(names, pictures, strict=True)
        if picture
    ]


def test_the_highest_clip_is_explained(tiny: Path, scores_of: Callable) -> None:
    run_verbs(tiny, "evaluate", "report")
    ((name, picture),) = explained(tiny)
    root = ET.fromstring(picture)
    assert root.tag.endswith("svg")
    # It has the colours of the page, in light and dark.
    assert b"var(--ink)" in picture
    assert b"prefers-color-scheme:dark" in picture
    assert len(picture) > 10_000
    scores = [scores_of(tiny, system) for system in ("posterior", "cosine", "spread")]
    assert any(max(of, key=lambda clip: of[clip]) == name for of in scores)


def test_without_its_model_the_report_is_written_all_the_same(tiny: Path) -> None:
    shutil.rmtree(tiny / "data/models")
    run_verbs(tiny, "evaluate", "report")
    assert explained(tiny) == []

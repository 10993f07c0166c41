"""PNG files: which there are, and that they are the same each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asd.report.material import Material
from asd.report.pictures import draw_pictures
from asd.report.results import Results

KINDS = ("roc", "scores", "training", "tsne")


@pytest.fixture(scope="module")
def fan(material: Material) -> Material:
    """One machine, since drawing takes its time."""
    keys = {key: of for key, of in material.scores["2"].items() if key[0] == "fan"}
    return replace(
        material,
        results=Results("2022", {}),
        scores={"2": keys},
        curves={"2": material.curves["2"]},
    )


def test_the_same_bytes_each_time_and_nothing_stale(fan: Material, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    (second / "roc_gone.png").write_bytes(b"old")
    drawn = draw_pictures(first, fan)
    assert [path.name for path in drawn] == [f"{kind}_fan.png" for kind in KINDS]
    draw_pictures(second, fan)
    for path in drawn:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG")
        assert b"matplotlib" not in data.lower()
        assert data == (second / path.name).read_bytes()
    assert sorted(path.name for path in second.iterdir()) == sorted(path.name for path in drawn)


def test_what_has_no_data_is_not_drawn(fan: Material, tmp_path: Path) -> None:
    bare = replace(fan, curves={}, histories={}, maps={})
    assert [path.name for path in draw_pictures(tmp_path, bare)] == ["scores_fan.png"]

"""Where everything of a project lies, as every room sees it, and what a seed moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.cli.project import Project
from asd.detection.layout import Layout
from asd.layout import PARAMS, ProjectLayout

TEXT = """
dataset: {name: small, raw: somewhere/raw, machines: [fan, valve]}
features: {wave: {}}
models: {one: {features: [wave]}}
joint: {all_of_them: {features: [wave]}}
systems: {}
train: {seed: 3}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / PARAMS).parent.mkdir()
    (tmp_path / PARAMS).write_text(TEXT)
    return tmp_path


def _paths(layout: ProjectLayout) -> dict[str, str]:
    found = {
        "raw": layout.raw,
        "index": layout.index_path("fan"),
        "features": layout.features,
        "checkpoints": layout.checkpoints,
        "ptm": layout.ptm,
        "model": layout.model_dir("one", "fan"),
        "joint": layout.model_dir("all_of_them", "fan"),
        "bank": layout.bank_dir("one", "fan"),
        "scores": layout.score_dir("some"),
        "reports": layout.reports,
    }
    return {name: path.relative_to(layout.root).as_posix() for name, path in found.items()}


SHARED = {
    "raw": "somewhere/raw",
    "index": "data/index/fan.csv",
    "features": "data/features",
    "checkpoints": "data/checkpoints",
    "ptm": "data/checkpoints/ptm",
}
OF_SEED = {
    "model": "models/one/fan",
    "joint": "models/all_of_them/all",
    "bank": "banks/one/fan",
    "scores": "scores/some",
    "reports": "reports",
}


def test_everything_lies_below_the_root(root: Path) -> None:
    own = {name: f"data/{path}" for name, path in OF_SEED.items()}
    assert _paths(ProjectLayout(root)) == SHARED | own


def test_a_seed_moves_what_training_decides_and_nothing_else(root: Path) -> None:
    layout = ProjectLayout(root)
    other = layout.with_seed(5)
    moved = {name: f"data/reports/seeds/5/{path}" for name, path in OF_SEED.items()}
    assert _paths(other) == SHARED | moved
    assert (layout.params.train.seed, other.params.train.seed) == (3, 5)
    assert layout.with_seed(3) is layout


def test_verbs_and_detection_look_in_the_same_places(root: Path) -> None:
    project, layout = Project(root), Layout.find(root, "fan")
    assert _paths(project) == _paths(layout)
    assert isinstance(project.with_seed(5), Project)
    assert layout.index == project.index_path("fan")
    assert layout.model("all_of_them") == project.model_dir("all_of_them", "fan")
    assert layout.bank("one") == project.bank_dir("one", "fan") / "train.h5"

"""Where everything of a workspace lies, as every room sees it, and what a seed moves."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from asd.config import SELECTED
from asd.errors import UsageError
from asd.workspace import PARAMS, Workspace

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


def _paths(workspace: Workspace) -> dict[str, str]:
    found = {
        "raw": workspace.raw,
        "index": workspace.index_path("fan"),
        "features": workspace.features,
        "checkpoints": workspace.checkpoints,
        "ptm": workspace.ptm,
        "enrolled": workspace.enrolled("fan"),
        "model": workspace.model_record("one", "fan"),
        "joint": workspace.model_record("all_of_them", "fan"),
        "bank": workspace.bank_record("one", "fan"),
        "scores": workspace.score_record("some", "fan"),
        "reports": workspace.reports,
    }
    return {name: path.relative_to(workspace.root).as_posix() for name, path in found.items()}


SHARED = {
    "raw": "somewhere/raw",
    "index": "data/index/fan.csv",
    "features": "data/features",
    "checkpoints": "data/checkpoints",
    "ptm": "data/checkpoints/ptm",
    "enrolled": "data/enrolled/fan",
}
OF_SEED = {
    "model": "models/one/fan/record.json",
    "joint": "models/all_of_them/all/record.json",
    "bank": "banks/one/fan/record.json",
    "scores": "scores/some/fan.json",
    "reports": "reports",
}


def test_everything_lies_below_the_root(root: Path) -> None:
    own = {name: f"data/{path}" for name, path in OF_SEED.items()}
    assert _paths(Workspace.at(root)) == SHARED | own


def test_a_seed_moves_what_training_decides_and_nothing_else(root: Path) -> None:
    workspace = Workspace.at(root)
    other = workspace.with_seed(5)
    moved = {name: f"data/reports/seeds/5/{path}" for name, path in OF_SEED.items()}
    assert _paths(other) == SHARED | moved
    assert (workspace.params.train.seed, other.params.train.seed) == (3, 5)
    assert workspace.with_seed(3) is workspace


def test_states_of_training_are_of_their_seed(root: Path) -> None:
    workspace = Workspace.at(root)
    states = {
        one.state_path(model, machine).relative_to(root / "data/checkpoints/train").as_posix()
        for one in (workspace, workspace.with_seed(5))
        for model in ("one", "all_of_them")
        for machine in ("fan", "valve")
    }
    assert states == {
        *("one/fan.safetensors", "one/valve.safetensors", "all_of_them/all.safetensors"),
        *("one/fan_seed_5.safetensors", "one/valve_seed_5.safetensors"),
        "all_of_them/all_seed_5.safetensors",
    }


def test_it_is_found_from_any_folder_below(root: Path) -> None:
    below = root / "somewhere" / "raw"
    below.mkdir(parents=True)
    assert Workspace.find(below).root.resolve() == root.resolve()
    with chdir(below):
        # Messages name files as the user sees them.
        assert Workspace.find().root == Path("../..")
        assert Workspace.find().index_path("fan") == Path("../../data/index/fan.csv")


def test_what_is_no_workspace_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no pipeline.params\.yaml here or above; run 'asd init"):
        Workspace.find(tmp_path)
    with pytest.raises(UsageError, match="give the folder of a workspace"):
        Workspace.at(tmp_path)


@pytest.mark.parametrize("read", [Workspace.at, Workspace.find])
def test_a_checkpoint_that_was_set_aside_is_put_back(root: Path, read: object) -> None:
    aside = root / "data" / "checkpoints" / ".ptm.old"
    aside.mkdir(parents=True)
    (aside / "record.json").write_text("{}")
    read(root)  # type: ignore[operator]
    assert (root / "data/checkpoints/ptm/record.json").is_file()
    assert not aside.exists()


def test_names_are_chosen_among_those_of_the_params(root: Path) -> None:
    workspace = Workspace.at(root)
    assert workspace.machines() == ("fan", "valve")
    assert workspace.machines(["valve", "fan", "valve"]) == ("valve", "fan")
    assert workspace.models() == ("one", "all_of_them")
    assert (workspace.systems(), workspace.feature_names()) == ((), ("wave",))
    with pytest.raises(UsageError, match="machine.*'vlave'.*'valve'"):
        workspace.machines(["vlave"])
    with pytest.raises(UsageError, match="model.*'none'"):
        workspace.models(["none"])


@pytest.mark.parametrize(
    ("systems", "expected"),
    [
        ("a: {model: one, scorer: neighbours}", "a"),
        ("a: {model: one, scorer: cosine}, b: {model: one, scorer: cosine}", "b"),
        ("a: {model: one, scorer: cosine}, b: {model: one, scorer: neighbours}", "a"),
    ],
)
def test_the_system_that_decides(root: Path, systems: str, expected: str) -> None:
    path = root / PARAMS
    path.write_text(TEXT.replace("systems: {}", f"systems: {{{systems}}}"))
    assert Workspace.at(root).params.default_system() == expected
    assert Workspace.at(root).params.default_system("a") == "a"
    path.write_text(f"{path.read_text()}fusions: {{{SELECTED}: {{members: [a]}}}}\n")
    assert Workspace.at(root).params.default_system() == SELECTED


def test_what_decides_may_have_to_be_said(root: Path) -> None:
    two = "a: {model: one, scorer: neighbours}, b: {model: one, scorer: mahalanobis}"
    (root / PARAMS).write_text(TEXT.replace("systems: {}", f"systems: {{{two}}}"))
    params = Workspace.at(root).params
    with pytest.raises(UsageError, match="choose one with --system; known: a, b"):
        params.default_system()
    with pytest.raises(UsageError, match="system.*'c'"):
        params.default_system("c")


@pytest.mark.parametrize(
    "left",
    ["models/one/fan/model.json", "scores/a/threshold_fan.json", "features/fan/inputs_a.json"],
)
def test_what_an_earlier_version_made_is_told(root: Path, left: str) -> None:
    workspace = Workspace.at(root)
    assert workspace.made_earlier == ""
    (root / "data" / left).parent.mkdir(parents=True)
    (root / "data" / left).write_text("{}")
    assert "made by an earlier version of asd; 'dvc repro' makes it anew" in workspace.made_earlier

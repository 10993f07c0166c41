"""Params: typed, closed to unknown keys, with errors that show the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asd.errors import UsageError
from asd.params import load_params

GOOD = """
dataset: {name: x, raw: raw, machines: [fan]}
features: {logmel: {hop: 256}}
models: {plain: {features: [logmel]}}
systems: {"1": {model: plain, scorer: posterior}}
"""


def _load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return load_params(path)


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    params = _load(tmp_path, GOOD)
    assert params.train.epochs == 100  # type: ignore[attr-defined]
    assert params.train.learning_rate == 2e-4  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="frozen"):
        params.train.epochs = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("systems:", "sytems:"), "unknown key 'sytems'.*did you mean 'systems'"),
        (("name: x", "nam: x"), "dataset: unknown key 'nam'.*'name'"),
        (("features: [logmel]", "feature: [logmel]"), "models.plain: unknown key 'feature'"),
        (("features: [logmel]", "features: [logmell]"), "models.plain.features: unknown feature"),
        (("model: plain", "model: plian"), "systems.1.model: unknown model 'plian'.*'plain'"),
        (("name: x", "name: x, rules: '1999'"), "dataset.rules: .*not '1999'"),
        (("machines: [fan]", "machines: [../fan]"), "dataset.machines.0: .*not '../fan'"),
        (("raw: raw, ", ""), "dataset.raw: Field required"),
        ((GOOD, "[1, 2"), "not YAML"),
        ((GOOD, "just text"), "no parameters in it"),
        ((GOOD, ""), "no parameters in it"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, edit: tuple[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        _load(tmp_path, GOOD.replace(*edit))
    assert "params.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


JOINT = GOOD + "joint: {all_of_them: {features: [logmel], network: small, head: {kind: adacos}}}\n"


def test_a_system_may_be_over_a_joint_model(tmp_path: Path) -> None:
    text = JOINT.replace("model: plain", "model: all_of_them")
    text += "networks: {small: {network: tdnn, embedding: 5}}\n"
    params: Any = _load(tmp_path, text)
    assert params.model("all_of_them").network == "tdnn"
    assert params.model("all_of_them").settings == {"embedding": 5}
    assert params.owner("all_of_them", "fan") == "all"
    assert params.owner("plain", "fan") == "fan"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("all_of_them", "plain"), "joint.plain: 'models' has one of this name"),
        (
            ("[logmel]}", "[logmel], classes: [section]}"),
            "models.plain.classes: only a model of 'j",
        ),
        (("kind: adacos}", "kind: adacos}, classes: [sect]"), "joint.all_of_them.classes.0: Input"),
        (("{features: [logmel], net", "{features: [mel], net"), "joint.all_of_them.features: unkn"),
        (("kind: adacos}", "kind: adacos}, head_: 1"), "joint.all_of_them: unknown key 'head_'"),
    ],
)
def test_mistakes_in_joint_models(tmp_path: Path, edit: tuple[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _load(tmp_path, JOINT.replace(*edit))


def test_missing_file_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="asd init demo"):
        load_params(tmp_path / "none.yaml")


def test_a_year_needs_no_quotes() -> None:
    from asd.config import DatasetConfig, settings

    values = {"name": "mine", "rules": 2022, "raw": "raw", "machines": ("fan",)}
    assert settings(DatasetConfig, values, "dataset").rules == "2022"

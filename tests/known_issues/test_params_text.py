"""Some texts that are YAML but no values made the params file a ValueError, IndexError or worse."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.errors import UsageError
from asd.params import load_params


@pytest.mark.parametrize(
    "text",
    [
        *("a: 2001-99-99", "a: !!float x", "a: !!int x", "a: !!bool x", "!!int : 1", "!!set x"),
        *("a: " + 5000 * "9", 1200 * "["),
    ],
    ids=["date", "float", "int", "bool", "no int", "no set", "digits", "depth"],
)
def test_text_without_a_value_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="params.yaml: not YAML") as caught:
        load_params(path)
    assert "\n" not in str(caught.value)


_GOOD = (
    "dataset: {name: x, raw: x, machines: [fan]}\nfeatures: {wave: {}}\nmodels: {}\nsystems: {}\n"
)


@pytest.mark.parametrize("shape", ["bomb", "circle"])
def test_aliases_do_not_take_all_memory(tmp_path: Path, shape: str) -> None:
    """Six gigabytes were taken of a feature's settings."""
    text = "features: {a: &a {b: *a}}\n"
    if shape == "bomb":
        levels = [f"  l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 10)]
        text = f"features:\n  l0: &l0 [1]\n{''.join(levels)}"
    path = tmp_path / "params.yaml"
    path.write_text(_GOOD.replace("features: {wave: {}}\n", text))
    with pytest.raises(UsageError, match="params.yaml: its aliases stand for more than 1,000,000"):
        load_params(path)


@pytest.mark.parametrize(
    "text",
    [
        "evaluate: {bootstrap: 100000000000}",
        "embed: {batch_size: 1000000000}",
        "train: {batch_size: 1000000000}",
        "train: {clips_per_class: 1000000000}",
        "finetune: {batch_size: 1000000000}",
        "index: {seconds: 1.0e-9}",
        "index: {seconds: 1.0e+9}",
        "index: {sample_rate: 1000000000}",
        "extract: {workers: 1000000}",
    ],
)
def test_what_no_memory_holds_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(_GOOD + text)
    with pytest.raises(UsageError, match=r"params.yaml: \w+\.\w+: Input should be (less|greater)"):
        load_params(path)

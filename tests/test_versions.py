"""Versions that artifacts name, and what is said when they are not those of here."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asd
from asd.versions import drift, tell_drift, tell_drift_of, versions


def test_versions_are_those_of_the_packages() -> None:
    assert versions("numpy", "torch") == {
        "asd": asd.__version__,
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "torch": importlib.metadata.version("torch"),
    }


def test_the_same_versions_do_not_drift() -> None:
    assert drift(versions("numpy", "torch", "transformers")) == []
    assert drift({}) == []


@pytest.mark.parametrize("name", ["asd", "numpy", "torch", "transformers"])
def test_major_and_minor_count_and_nothing_else(name: str) -> None:
    here = asd.__version__ if name == "asd" else importlib.metadata.version(name)
    major, minor, *_ = here.split(".")
    assert drift({name: f"{major}.{minor}.999+other"}) == []
    for made in (f"{int(major) + 1}.{minor}.0", f"{major}.{minor}1.0", "unknown"):
        assert drift({name: made}) == [f"{name} {made} (here {here})"]


def test_other_packages_do_not_count() -> None:
    assert drift({"python": "2.7", "safetensors": "0.0.1"}) == []


def test_drift_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        tell_drift("jigsaw", {"torch": "1.0.0", "numpy": "1.0"})
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("note: a jigsaw was made with torch 1.0.0 (here ")


def test_a_record_need_not_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "finetune.json"
    tell_drift_of("sonnet", path)
    for text in ("{", "[1]", "{}", '"versions"'):
        path.write_text(text)
        tell_drift_of("sonnet", path)
    assert capsys.readouterr().err == ""
    path.write_text('{"versions": {"torch": "1.0.0"}}')
    tell_drift_of("sonnet", path)
    assert capsys.readouterr().err.startswith("note: a sonnet was made with torch 1.0.0 (here ")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda some: st.lists(some) | st.dictionaries(st.sampled_from(["torch", "numpy"]), some),
    )
)
def test_no_record_is_an_error(recorded: object) -> None:
    tell_drift("record", recorded)

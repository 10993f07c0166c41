"""The report on the house counts what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import house

TEXT = """'''A room.

Two lines, and one between.
'''

from asd.room import (
    first,
    second,
)

SCORERS = {"mine": "asd.room.third:Mine"}


def large() -> None:
    '''Say nothing.'''

    import asd.fourth
"""


def test_a_file_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "ROOT", tmp_path)
    path = tmp_path / "asd" / "room" / "large.py"
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    module = house.read(path)
    assert (module.name, module.room, module.lines) == ("asd.room.large", "room", 17)
    assert (module.docstrings, module.importing, module.blank, module.longest) == (5, 5, 6, 4)
    assert module.imports >= {"asd.room.first", "asd.room.second", "asd.fourth"}
    assert module.registered == {"asd.room.third"}


def test_importers_are_counted_by_module_and_rooms_are_none() -> None:
    def module(name: str, *imports: str) -> house.Module:
        return house.Module(name, ".", 1, 0, 0, 0, 0, frozenset(imports))

    found = house.importers(
        [
            module("asd.room", "asd.room.one"),
            module("asd.room.one", "asd.room.one", "asd.two"),
            module("asd.two", "asd.room.one", "json"),
        ]
    )
    assert found == {"asd.room.one": {"asd.room", "asd.two"}, "asd.two": {"asd.room.one"}}

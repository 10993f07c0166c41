"""Where weights lie, from the params of a project elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.features import EXTRACTORS
from asd.features.encoder import Encoder
from asd.features.placement import placement
from asd.features.ptm import Ptm


def test_paths_are_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "bases" / "ast").mkdir(parents=True)
    values = {"extractor": "encoder", "base": "bases/ast", "layer": 3, "revision": "v1"}
    wanted = {"base": str(tmp_path / "bases" / "ast"), "revision": "v1"}
    assert placement(Encoder, values, tmp_path) == wanted
    hub = {"base": "microsoft/wavlm-base-plus", "allow_pickle": True}
    assert placement(Encoder, hub, tmp_path) == hub
    assert placement(Encoder, {}, tmp_path) == {}
    assert placement(Ptm, {}, tmp_path) == {"checkpoint": str(tmp_path / "data/checkpoints/ptm")}
    own = {"checkpoint": "mine", "layer": 3}
    assert placement(Ptm, own, tmp_path) == {"checkpoint": str(tmp_path / "mine")}


@pytest.mark.parametrize("name", ["wave", "logmel"])
def test_others_lie_nowhere(name: str, tmp_path: Path) -> None:
    assert placement(EXTRACTORS[name], {"hop": 512}, tmp_path) == {}

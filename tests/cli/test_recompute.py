"""An exact record of what is computed again when each part of the params changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.made import edit_params

CLIPS = 26  # of the tiny project
BOTH, MEL = "both", "mel"


@pytest.fixture
def computed(project: Path, asd: Callable) -> Callable[..., dict]:
    """Change params, run the pipeline, and tell what was computed; all else was reused."""

    def run(change: Callable[[Any], object] | None = None) -> dict[str, Any]:
        if change is not None:
            edit_params(project, change)
        assert asd("index").code == 0
        accounts = json.loads(asd("extract", "--json").out)
        assert all(a["computed"] + a["reused"] == CLIPS for a in accounts)
        trained = json.loads(asd("train", "--json").out)
        return {
            "features": {a["feature"]: a["computed"] for a in accounts if a["computed"]},
            "models": {t["model"] for t in trained if t["epochs"]},
        }

    return run


def _set(*place: str, to: object) -> Callable[[Any], object]:
    def change(values: Any) -> None:
        for key in place[:-1]:
            values = values.setdefault(key, {})
        values[place[-1]] = to

    return change


NOTHING: dict[str, Any] = {"features": {}, "models": set()}


@pytest.mark.parametrize(
    ("change", "features", "models"),
    [
        (_set("features", "logmel", "f_min", to=50), {"logmel"}, {BOTH, MEL}),
        (_set("features", "another", to={"extractor": "logmel"}), set(), set()),  # nothing reads it
        (_set("index", "channel", to=0), set(), set()),
        (_set("index", "seconds", to=0.6), {"logmel", "wave"}, {BOTH, MEL}),
        (_set("models", BOTH, "losses", to={"triplet": 0.5}), set(), {BOTH}),
        (_set("train", "device", to="cpu"), set(), set()),
        (_set("extract", to={"workers": 0}), set(), set()),
        (_set("systems", "seventh", to={"model": MEL, "scorer": "cosine"}), set(), set()),
    ],
    ids=lambda value: None,
)
def test_each_change_computes_its_own_and_nothing_else(
    computed: Callable, change: Callable, features: set[str], models: set[str]
) -> None:
    found = computed(change)
    assert found == {"features": dict.fromkeys(features, CLIPS), "models": models}
    assert computed() == NOTHING


def test_the_wave_alone_trains_what_reads_it(computed: Callable, tiny: Path) -> None:
    """A model that reads the log-mel alone is not trained again when another feature changes."""
    before = (tiny / "data/models/mel/pump/record.json").read_bytes()
    for shard in (tiny / "data/features/pump/wave").glob("*.h5"):
        shard.unlink()
    assert computed() == {"features": {"wave": CLIPS}, "models": set()}
    found = computed(_set("models", BOTH, "features", to=["logmel"]))
    assert found == {"features": {}, "models": {BOTH}}
    assert (tiny / "data/models/mel/pump/record.json").read_bytes() == before


def test_changing_back_finds_what_was_there(computed: Callable) -> None:
    computed(_set("models", MEL, "losses", to={"triplet": 0.5}))
    assert computed(_set("models", MEL, "losses", to={"triplet": 1.0}))["models"] == {MEL}

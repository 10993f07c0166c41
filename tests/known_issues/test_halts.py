"""A machine that halted for a quarter of a second sounded normal in all views of own recordings."""

from __future__ import annotations

import numpy as np

from asd.clip_table import ClipTable
from asd.metrics.roc import roc_auc
from asd.models.pooling import build as build_pooling
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.system import Member, fit_system
from asd.stages.init import profile_text
from asd.yaml_text import read_yaml


def test_a_halt_is_heard() -> None:
    values = read_yaml(profile_text("folder").encode())
    names = values["fusions"]["selected"]["members"]
    systems = {name: values["systems"][name] for name in names}
    poolings = values["networks"]["pooled"]["poolings"]
    draw = np.random.default_rng(0)
    # It stands in the common part of all profiles.
    poolings.setdefault("max", {"pooling": "max"})
    frames = draw.normal(-40, 5, size=(140, 60, 313)) + draw.normal(0, 1, size=(140, 1, 1))
    frames[100:, :, 100:108] -= 9
    arrays = {}
    for name in {one["embedding"] for one in systems.values()} | {"level"}:
        recipe = dict(poolings[name])
        pooling = build_pooling(recipe.pop("pooling"), recipe)
        arrays[name] = pooling(frames).astype(np.float32)
    columns = {of: [f"{i}.wav" for i in range(60)] for of in ("name", "recording")}
    columns |= {"section": ["00"] * 60, "domain": ["source"] * 60}
    train = {name: array[:60] for name, array in arrays.items()}
    test = {name: array[60:] for name, array in arrays.items()}
    bank = Bank(ClipTable.of_columns(columns), np.full(60, -1, np.int32), train)
    members = {
        name: Member("pooled", one["embedding"], build(one["scorer"], one.get("settings", {})))
        for name, one in systems.items()
    }
    halted = np.arange(80) >= 40
    areas = []
    for chosen in (names, [name for name in names if name != "view_lull"]):
        fitted = fit_system([members[name] for name in chosen], {"pooled": bank}, join="max")
        areas.append(roc_auc(halted, fitted.score({"pooled": test}, ["00"] * 80)))
    assert areas[0] > 0.9
    assert areas[1] < 0.8

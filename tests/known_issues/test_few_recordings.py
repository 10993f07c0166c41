"""Three recordings of a machine gave a detector that called nearly all normal ones anomalous.

VarMin's slope was that of a line through two or three points, up to hundreds.
"""

from __future__ import annotations

import numpy as np
import pytest

from asd.clip_table import ClipTable
from asd.config import ScoreConfig
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.calibration import calibrations
from asd.scoring.system import Member, fit_system


def clips(draw: np.random.Generator, count: int) -> np.ndarray:
    """Means (count, 60) of bands whose level, tilt and detail stray from recording to recording."""
    bands = np.linspace(-1, 1, 60)
    level, tilt = draw.normal(size=(2, count, 1))
    means: np.ndarray = -40 + 2 * level + 2 * tilt * bands + draw.normal(0, 0.7, size=(count, 60))
    return means.astype(np.float32)


@pytest.mark.parametrize("count", [3, 4, 6])
def test_few_recordings_are_no_reason_for_alarm(count: int) -> None:
    names = [f"{number}.wav" for number in range(count)]
    columns = dict.fromkeys(("name", "recording"), names)
    columns |= {"section": ["00"] * count, "domain": ["source"] * count}
    table, classes = ClipTable.of_columns(columns), np.full(count, -1, np.int32)
    members = [Member("pooled", "mean", build(name, {})) for name in ("bands", "varmin")]
    alarms = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        bank = Bank(table, classes, {"mean": clips(draw, count)})
        fitted = fit_system(members, {"pooled": bank}, join="max")
        scores = fitted.score({"pooled": {"mean": clips(draw, 100)}}, ["00"] * 100)
        deciding = calibrations(fitted, ScoreConfig())["00"]
        alarms.append(np.mean(scores > deciding.threshold().value))
    assert np.mean(alarms) <= 0.2

"""Poolings against loops over frames, and their limits."""

from itertools import pairwise

import numpy as np
import pytest

from asd.errors import UsageError
from asd.models.pooling import build

CASES = [
    ("mean", {}),
    ("max", {}),
    ("deviation", {}),
    ("gwrp", {"decay": 0.7}),
    ("gem", {"power": 3.0}),
    ("gem", {"power": 500.0}),
    ("rdp", {"gamma": 2.0}),
    ("power_mean", {}),
    ("level_free_mean", {}),
    ("flux", {}),
    ("fine_structure", {"reach": 1}),
    ("fine_structure", {}),
    ("level", {}),
    ("lull", {}),
    ("lull", {"frames": 40}),
]
LEVEL_FREE = ("deviation", "level_free_mean", "flux", "fine_structure")
every_case = pytest.mark.parametrize(("name", "values"), CASES, ids=lambda value: str(value))


def features(count=5):
    return np.random.default_rng(0).normal(-30, 12, (count, 4, 11)).astype(np.float16)


def pool(given, pooling):
    return pooling(given.astype(np.float64))


def reference(name, values, frames):
    """Pool one clip (F, T) bin by bin."""
    if name == "rdp":
        mean = frames.mean(axis=1)
        d = np.array([np.linalg.norm(frame - mean) for frame in frames.T])
        weights = (d / d.mean()) ** values["gamma"]
        return [float((weights * row).sum() / weights.sum()) for row in frames]
    if name == "level":
        return [float(np.mean(frames))]
    if name == "fine_structure":
        means, reach = [np.mean(row) for row in frames], values.get("reach", 4)
        last = len(means) - 1
        return [
            mean - np.mean([means[min(max(i + d, 0), last)] for d in range(-reach, reach + 1)])
            for i, mean in enumerate(means)
        ]
    pooled = []
    for row in frames:
        if name == "gwrp":
            weights = [values["decay"] ** n for n in range(len(row))]
            found = sum(w * x for w, x in zip(weights, sorted(row)[::-1], strict=True))
            pooled.append(found / sum(weights))
        elif name == "gem":
            raised = [((x - min(row)) / np.ptp(row)) ** values["power"] for x in row]
            pooled.append(min(row) + np.ptp(row) * np.mean(raised) ** (1 / values["power"]))
        elif name == "power_mean":
            pooled.append(10 * np.log10(np.mean([10 ** (x / 10) for x in row])))
        elif name == "level_free_mean":
            pooled.append(np.mean(row) - np.mean(frames))
        elif name == "lull":
            width = min(values.get("frames", 4), len(row))
            pooled.append(min(np.mean(row[i : i + width]) for i in range(len(row) - width + 1)))
        elif name == "flux":
            pooled.append(np.mean([abs(y - x) for x, y in pairwise(row)]))
        else:
            pooled.append({"mean": np.mean, "max": np.max, "deviation": np.std}[name](row))
    return pooled


@every_case
def test_by_the_definition(name, values):
    given = features()
    found = pool(given, build(name, values))
    expected = [reference(name, values, frames) for frames in given.astype(np.float64)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_level():
    given = features().astype(np.float64)
    found = build("level", {})(given)
    assert found.shape == (5, 1)
    np.testing.assert_allclose(build("level", {})(given + 7.5), found + 7.5, rtol=1e-9)


def test_fine_structure_is_blind_to_what_is_the_same_around():
    given = np.random.default_rng(0).normal(-30, 9, (1, 128, 20))
    coloured = given + np.linspace(-6, 6, 128)[:, None]
    one, other = build("fine_structure", {})(given), build("fine_structure", {})(coloured)
    np.testing.assert_allclose(one[:, 4:-4], other[:, 4:-4], atol=1e-12)
    line = given.copy()
    line[0, 60] += 9
    np.testing.assert_allclose((build("fine_structure", {})(line) - one)[0, 60], 8.0)


levels = pytest.mark.parametrize(
    ("name", "values"), [case for case in CASES if case[0] not in (*LEVEL_FREE, "level")], ids=str
)


@levels
def test_lies_within_the_bin_and_moves_with_the_level(name, values):
    given = features().astype(np.float64)
    found = build(name, values)(given)
    assert (found >= given.min(axis=2) - 1e-9).all()
    assert (found <= given.max(axis=2) + 1e-9).all()
    np.testing.assert_allclose(build(name, values)(given + 7.5), found + 7.5, rtol=1e-9)


@levels
def test_constant_clip_is_its_own_pooling(name, values):
    given = np.full((2, 3, 5), -80.0)
    np.testing.assert_allclose(pool(given, build(name, values)), -80.0)
    np.testing.assert_allclose(pool(given[:, :, :1], build(name, values)), -80.0)


@pytest.mark.parametrize("name", LEVEL_FREE)
def test_does_not_move_with_the_level(name):
    given = features().astype(np.float64)
    found = build(name, {})(given)
    np.testing.assert_allclose(build(name, {})(given + 7.5), found, atol=1e-12)
    np.testing.assert_allclose(build(name, {})(np.full((2, 3, 1), -80.0)), 0.0, atol=1e-12)


def test_the_power_of_faint_and_of_loud_sound_is_finite():
    given = np.array([[[-5000.0, -5000.0], [4000.0, -5000.0]]])
    expected = [[-5000.0, 4000.0 + 10 * np.log10(0.5)]]
    np.testing.assert_allclose(build("power_mean", {})(given), expected)


@pytest.mark.parametrize(
    ("name", "values", "limit"),
    [
        ("gwrp", {"decay": 1.0}, "mean"),
        ("gwrp", {"decay": 0.0}, "max"),
        ("gem", {"power": 1.0}, "mean"),
        ("gem", {"power": 1e6}, "max"),
        ("rdp", {"gamma": 0.0}, "mean"),
    ],
)
def test_limits(name, values, limit):
    given = features()
    expected = pool(given, build(limit, {}))
    np.testing.assert_allclose(pool(given, build(name, values)), expected, rtol=2e-5)


def test_wrong_use():
    with pytest.raises(UsageError, match="unknown pooling 'avg'"):
        build("avg", {})
    with pytest.raises(UsageError, match="decay"):
        build("gwrp", {"decay": 1.5})

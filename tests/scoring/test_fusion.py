"""Systems of one member and of several, against the definition; blind to the test set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from asd.config import SystemConfig
from asd.errors import JobError, UsageError
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.fusion import FittedSystem, Join, Scale, build_members, fit_system

COSINE = {"model": "small", "scorer": "cosine"}
NEAR = {"model": "small", "embedding": "other", "scorer": "neighbours", "settings": {"k": 2}}
FAR = {"model": "large", "scorer": "mahalanobis"}


@pytest.fixture
def banks(make_bank: Callable[..., Bank]) -> dict[str, Bank]:
    """Two models' banks of the same clips; the first has two embeddings."""
    clips = {"00": (12, 4), "01": (9, 0)}
    small, large = make_bank(clips), make_bank(clips, dimensions=3)
    other = np.random.default_rng(5).normal(size=(len(small), 4)).astype(np.float32)
    return {"small": small.with_arrays({**small.arrays, "other": other}), "large": large}


def outputs(count: int, seed: int = 3) -> dict[str, dict[str, np.ndarray]]:
    draw = np.random.default_rng(seed)

    def rows(width: int) -> np.ndarray:
        return draw.normal(size=(count, width)).astype(np.float32)

    return {"small": {"embedding": rows(5), "other": rows(4)}, "large": {"embedding": rows(3)}}


def fit(
    banks: dict[str, Bank], *definitions: dict[str, object], join: Join = "mean"
) -> FittedSystem:
    configs = [SystemConfig.model_validate(one) for one in definitions]
    return fit_system(build_members("mine", configs), banks, join)


SECTIONS = ["00", "01", "00", "01", "01"]


def test_one_member_is_its_scorer_bit_for_bit(banks: dict[str, Bank]) -> None:
    system = fit(banks, COSINE)
    scorer = build("cosine", {}).fit(banks["small"])
    given = outputs(5)
    expected = scorer.score({"embedding": given["small"]["embedding"]}, SECTIONS)
    np.testing.assert_array_equal(system.score(given, SECTIONS), expected)
    np.testing.assert_array_equal(system.training_scores(), scorer.training_scores())


def test_a_named_embedding_is_what_the_scorer_compares(banks: dict[str, Bank]) -> None:
    other = banks["small"].arrays["other"]
    expected = build("neighbours", {"k": 2}).fit(banks["small"].with_arrays({"embedding": other}))
    given = outputs(5)
    np.testing.assert_array_equal(
        fit(banks, NEAR).score(given, SECTIONS),
        expected.score({"embedding": given["small"]["other"]}, SECTIONS),
    )


@pytest.mark.parametrize("join", ["mean", "max"])
def test_several_by_the_definition(banks: dict[str, Bank], join: Join) -> None:
    given = outputs(5)
    members = [fit(banks, one) for one in (COSINE, NEAR, FAR)]
    own = [(one.score(given, SECTIONS), one.training_scores()) for one in members]
    sections = np.array(banks["small"].section)
    found = fit(banks, COSINE, NEAR, FAR, join=join).score(given, SECTIONS)
    for i, section in enumerate(SECTIONS):
        z = [
            (scores[i] - training[sections == section].mean()) / training[sections == section].std()
            for scores, training in own
        ]
        assert found[i] == pytest.approx(sum(z) / 3 if join == "mean" else max(z), rel=1e-9)


def test_training_scores_are_joined_alike(banks: dict[str, Bank]) -> None:
    fused = fit(banks, COSINE, FAR).training_scores()
    for section in ("00", "01"):
        rows = np.array(banks["small"].section) == section
        assert fused[rows].mean() == pytest.approx(0.0, abs=1e-9)


def test_the_test_set_may_be_permuted_and_split(banks: dict[str, Bank]) -> None:
    """No statistic over test clips: each clip alone, in any company, has the same score."""
    system, given, sections = fit(banks, COSINE, NEAR, FAR), outputs(8), ["00", "01"] * 4
    whole = system.score(given, sections)

    def some(rows: np.ndarray) -> np.ndarray:
        part = {m: {k: v[rows] for k, v in of.items()} for m, of in given.items()}
        return system.score(part, [sections[row] for row in rows])

    order = np.random.default_rng(0).permutation(8)
    np.testing.assert_allclose(some(order), whole[order], rtol=1e-12)
    for rows in np.array_split(order, 3):
        np.testing.assert_allclose(some(rows), whole[rows], rtol=1e-9)


def test_constant_training_scores_are_only_centred() -> None:
    scale = Scale.of(np.full(12, 0.1))
    np.testing.assert_allclose(scale.standardise(np.array([0.1, 0.6])), [0.0, 0.5], atol=1e-15)


def test_wrong_use(banks: dict[str, Bank], make_bank: Callable[..., Bank]) -> None:
    with pytest.raises(UsageError, match="one member or more"):
        fit(banks)
    with pytest.raises(UsageError, match="no embedding 'none' in the bank; arrays there: .*other"):
        fit(banks, {**COSINE, "embedding": "none"})
    with pytest.raises(UsageError, match="system mine: unknown key 'bins'"):
        fit(banks, {**COSINE, "settings": {"bins": 3}})
    others = {**banks, "large": make_bank({"00": (12, 3), "01": (9, 0)})}
    with pytest.raises(JobError, match="small and large hold different clips"):
        fit(others, COSINE, FAR)
    with pytest.raises(UsageError, match="no training clips of section 07"):
        fit(banks, COSINE).score(outputs(1), ["07"])

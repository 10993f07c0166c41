"""What holds for every scorer of the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from asd.errors import JobError, UsageError
from asd.scoring import SCORERS, build
from asd.scoring.bank import Bank
from asd.scoring.base import folds_of

MakeBank = Callable[..., Bank]
Only = Callable[[Bank, np.ndarray], Bank]
MANY = {"banks": "two", "smote_ratio": 0.5, "memmixup": 3}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("bands", {}),
    ("bands", {"share": 0.5, "floor": 0.0}),
    ("cosine", {}),
    ("error", {}),
    ("gmm", {}),
    ("gmm", {"components": 2, **MANY}),
    ("mahalanobis", {}),
    ("mahalanobis", MANY),
    ("neighbours", {"k": 3}),
    ("neighbours", {"distance": "standardised", "centroids": 4, **MANY}),
    ("neighbours", {"distance": "euclidean", "density": "ldn", "density_k": 2, **MANY}),
    ("neighbours", {"density": "varmin", "k": 2, **MANY}),
    ("neighbours", {"density": "ldn", "centroids": 4, "smote_ratio": 0.9}),
    ("posterior", {}),
    ("varmin", {}),
    ("varmin", {"k": 2, "distance": "cosine"}),
]
every_case = pytest.mark.parametrize(
    ("name", "values"), CASES, ids=[f"{name}{i}" for i, (name, _) in enumerate(CASES)]
)
# Sums are cut differently for other numbers of rows; distances near zero are roots of that.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


def outputs(bank: Bank) -> dict[str, np.ndarray]:
    return dict(bank.arrays)


def test_cases_cover_the_registry() -> None:
    assert {name for name, _ in CASES} == set(SCORERS)


@every_case
def test_a_clip_is_scored_on_its_own(
    make_bank: MakeBank, name: str, values: dict[str, Any]
) -> None:
    bank = make_bank({"00": (30, 5), "01": (20, 0)})
    test = make_bank({"00": (13, 4), "01": (5, 2)}, seed=1)
    fitted = build(name, values).fit(bank)
    scores = fitted.score(outputs(test), test.clips.section)
    assert scores.dtype == np.float64
    assert scores.shape == (len(test),)
    order = np.random.default_rng(2).permutation(len(test))
    shuffled = {key: array[order] for key, array in test.arrays.items()}
    again = fitted.score(shuffled, [test.clips.section[i] for i in order])
    np.testing.assert_allclose(again, scores[order], **TOLERANCE)
    single = [
        fitted.score(
            {key: a[i : i + 1] for key, a in test.arrays.items()}, [test.clips.section[i]]
        )[0]
        for i in range(len(test))
    ]
    np.testing.assert_allclose(single, scores, **TOLERANCE)


@every_case
def test_a_clip_is_scored_without_its_fold(
    make_bank: MakeBank, only: Only, name: str, values: dict[str, Any]
) -> None:
    """By a scorer that compares clips; another keeps the clip's score."""
    bank = make_bank({"00": (23, 5), "01": (7, 0)})
    scorer = build(name, values)
    found, folds = scorer.fit(bank).training_scores(), folds_of(bank.clips)
    for fold in range(10) if scorer.compares else (10,):
        out = np.flatnonzero(folds == fold) if fold < 10 else np.arange(len(bank))
        without = np.setdiff1d(np.arange(len(bank)), out) if fold < 10 else out
        rows = only(bank, out)
        expected = scorer.fit(only(bank, without)).score(outputs(rows), rows.clips.section)
        np.testing.assert_allclose(found[out], expected, **TOLERANCE)


@every_case
def test_same_seed_same_scores(make_bank: MakeBank, name: str, values: dict[str, Any]) -> None:
    bank, test = make_bank({"00": (30, 5)}), make_bank({"00": (9, 0)}, seed=1)
    found = [
        np.concatenate([fitted.score(outputs(test), test.clips.section), fitted.training_scores()])
        for fitted in (build(name, values).fit(bank) for _ in range(2))
    ]
    np.testing.assert_array_equal(found[0], found[1])


@every_case
def test_a_section_is_scored_by_its_own_clips(
    make_bank: MakeBank, only: Only, name: str, values: dict[str, Any]
) -> None:
    bank = make_bank({"00": (30, 5), "01": (20, 6)})
    test = make_bank({"00": (9, 3), "01": (0, 0)}, seed=1)
    rows = np.flatnonzero(np.array(bank.clips.section) == "00")
    alone = only(bank, rows)
    both, one = build(name, values).fit(bank), build(name, values).fit(alone)
    np.testing.assert_array_equal(
        both.score(outputs(test), test.clips.section), one.score(outputs(test), test.clips.section)
    )
    np.testing.assert_array_equal(both.training_scores()[rows], one.training_scores())


@every_case
def test_section_without_training_clips_is_refused(
    make_bank: MakeBank, name: str, values: dict[str, Any]
) -> None:
    fitted = build(name, values).fit(make_bank({"00": (8, 2), "02": (8, 2)}))
    test = make_bank({"00": (3, 0), "01": (3, 0)}, seed=1)
    assert fitted.sections == ("00", "02")
    assert fitted.scorable(["00", "01", "02"]).tolist() == [True, False, True]
    assert fitted.scorable([]).dtype == bool
    with pytest.raises(UsageError, match="section 01.*the bank has 00, 02"):
        fitted.score(outputs(test), test.clips.section)


@every_case
@pytest.mark.parametrize("bank_kind", ["one clip", "two clips", "identical", "zero", "one zero"])
def test_degenerate_banks_give_finite_scores(
    make_bank: MakeBank, name: str, values: dict[str, Any], bank_kind: str
) -> None:
    clips = {"one clip": (1, 0), "two clips": (1, 1)}.get(bank_kind, (9, 3))
    embedding = np.random.default_rng(0).normal(size=(sum(clips), 5))
    if bank_kind == "identical":
        embedding[:] = [1.1, 2.2, 3.3, 4.4, 5.5]
    elif bank_kind != "one zero":
        embedding *= bank_kind != "zero"
    else:
        embedding[4] = 0.0
    bank = make_bank({"00": clips, "01": (3, 3)}, embedding=None)
    values_of = np.array(bank.arrays["embedding"])
    values_of[[i for i, section in enumerate(bank.clips.section) if section == "00"]] = embedding
    bank = make_bank({"00": clips, "01": (3, 3)}, embedding=values_of)
    test = make_bank({"00": (4, 0)}, seed=1)
    arrays = {**test.arrays, "logits": np.zeros((4, 4), np.float32)}
    arrays["embedding"] = np.array(arrays["embedding"])
    arrays["embedding"][0] = 0.0
    arrays["embedding"][1] = embedding[0]
    fitted = build(name, values).fit(bank)
    assert np.isfinite(fitted.score(arrays, test.clips.section)).all()
    assert np.isfinite(fitted.training_scores()).all()


@every_case
def test_no_test_clips(make_bank: MakeBank, name: str, values: dict[str, Any]) -> None:
    bank = make_bank({"00": (8, 2)})
    empty = {key: array[:0] for key, array in bank.arrays.items()}
    assert build(name, values).fit(bank).score(empty, []).shape == (0,)


@every_case
def test_wrong_arrays_are_refused(make_bank: MakeBank, name: str, values: dict[str, Any]) -> None:
    bank = make_bank({"00": (8, 2)})
    scorer = build(name, values)
    fitted = scorer.fit(bank)
    needed, *_ = scorer.needs
    given = outputs(bank)
    with pytest.raises(UsageError, match=f"reads '{needed}', which the outputs lack"):
        fitted.score({k: v for k, v in given.items() if k != needed}, bank.clips.section)
    with pytest.raises(UsageError, match="not 10 rows"):
        fitted.score({**given, needed: given[needed][:4]}, bank.clips.section)
    with pytest.raises(JobError, match=f"'{needed}' in the outputs is not finite in row 3"):
        broken = np.array(given[needed])
        broken[3] = np.nan
        fitted.score({**given, needed: broken}, bank.clips.section)
    if given[needed].ndim > 1:
        with pytest.raises(UsageError, match="different models"):
            fitted.score({**given, needed: given[needed][:, :1]}, bank.clips.section)


def test_empty_bank_is_refused(make_bank: MakeBank) -> None:
    with pytest.raises(UsageError, match="no training clips"):
        build("cosine", {}).fit(make_bank({}))


def test_unknown_scorer_and_setting_name_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean 'cosine'"):
        build("cosin", {})
    with pytest.raises(UsageError, match=r"systems.6.settings: unknown key 'kk'.*known: .*density"):
        build("neighbours", {"kk": 1}, "systems.6.settings")


def test_truth_of_test_clips_is_out_of_reach(make_bank: MakeBank) -> None:
    blind = make_bank({"00": (4, 2)}).without_truth()
    for column in (blind.clips.domain, blind.clips.label, blind.clips.attributes):
        assert set(column) == {""}
    assert set(blind.classes.tolist()) == {-1}
    assert blind.clips.section == ("00",) * 6

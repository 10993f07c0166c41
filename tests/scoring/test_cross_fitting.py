"""Scores by systems fitted without a clip, and the false alarms that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from asd.clip_table import ClipTable
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.cross_fitting import _folds, counted_by_domain, cross_fitted_scores
from asd.scoring.system import FittedSystem, Member, fit_system
from asd.scoring.thresholds import find_threshold

MakeBank = Callable[..., Bank]
MEMBERS = tuple(
    Member("views", view, build(scorer, {}))
    for view, scorer in (("first", "bands"), ("second", "bands"), ("first", "varmin"))
)


def views(count: int, seed: int) -> dict[str, np.ndarray]:
    """Two views of clips whose bands move together; as a whole some clips are odder than others."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(count, 3)) @ np.random.default_rng(0).normal(size=(3, 24))
    odd = np.exp(0.3 * draw.normal(size=(count, 1)))
    first = (0.7 * common + draw.normal(size=(count, 24))) * odd
    second = first + draw.gamma(2, 1, size=(count, 24))
    return {"first": first.astype(np.float32), "second": second.astype(np.float32)}


def fitted_to(bank: Bank) -> FittedSystem:
    return fit_system(MEMBERS, {"views": bank}, "max")


def only(bank: Bank, rows: np.ndarray) -> Bank:
    arrays = {name: values[rows] for name, values in bank.arrays.items()}
    return Bank(bank.clips.only(rows), bank.classes[rows], arrays)


def in_recordings(bank: Bank, recordings: list[str]) -> Bank:
    columns = {name: getattr(bank.clips, name) for name in ("name", "section", "domain")}
    table = ClipTable.of_columns({**columns, "recording": recordings})
    return replace(bank, clips=table)


def test_a_fold_is_scored_by_a_system_fitted_without_it(make_bank: MakeBank) -> None:
    bank = make_bank({"00": (23, 4), "01": (9, 0)}).with_arrays(views(36, 1))
    found = cross_fitted_scores(fitted_to(bank), {"views": bank})
    folds = list(_folds(bank))
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), np.arange(36))
    for out in folds:
        without = fitted_to(only(bank, np.setdiff1d(np.arange(36), out)))
        rows = only(bank, out)
        expected = without.score({"views": dict(rows.arrays)}, rows.clips.section)
        np.testing.assert_allclose(found[out], expected, rtol=1e-9, atol=1e-9)


def test_folds_follow_the_bank_within_section_and_domain(make_bank: MakeBank) -> None:
    bank = make_bank({"00": (30, 3), "01": (1, 0)})
    folds = list(_folds(bank))
    sections, domains = np.array(bank.clips.section), np.array(bank.clips.domain)
    source = np.flatnonzero((sections == "00") & (domains == "source"))
    assert len(folds) == 10
    for number, fold in enumerate(folds):
        assert np.isin(source[3 * number : 3 * number + 3], fold).all()
        assert (domains[fold] == "target").sum() <= 1
    assert not np.isin(np.flatnonzero(sections == "01"), np.concatenate(folds)).any()


def test_windows_are_left_out_with_their_recording(make_bank: MakeBank) -> None:
    bank = make_bank({"00": (12, 0)})
    several = in_recordings(bank, [f"{row // 4}.wav" for row in range(12)])
    assert [fold.tolist() for fold in _folds(several)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]
    single = in_recordings(bank, ["a.wav"] * 12)
    assert len(list(_folds(single))) == 10


@pytest.mark.parametrize("clips", [(1, 0), (2, 0), (1, 1), (3, 1), (201, 0)])
def test_few_clips_and_many(make_bank: MakeBank, clips: tuple[int, int]) -> None:
    bank = make_bank({"00": clips}).with_arrays(views(sum(clips), 1))
    system = fitted_to(bank)
    found = cross_fitted_scores(system, {"views": bank})
    assert np.isfinite(found).all()
    if sum(clips) in (1, 201):
        np.testing.assert_array_equal(found, system.training_scores())


def test_domains_count_alike() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0, 9.0])
    domains = ["source"] * 4 + ["target"]
    assert counted_by_domain(scores, domains).tolist() == [1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0, 9.0]
    np.testing.assert_array_equal(counted_by_domain(scores, [""] * 5), scores)


@pytest.mark.parametrize(("count", "most"), [(8, 0.25), (15, 0.2), (30, 0.15), (60, 0.15)])
def test_false_alarms_of_new_clips(make_bank: MakeBank, count: int, most: float) -> None:
    """One in ten is asked for; half as many again at most, but for banks below 30 clips."""
    new = views(400, 0)
    alarms: list[tuple[float, float]] = []
    for seed in range(1, 13):
        bank = make_bank({"00": (count, 0)}).with_arrays(views(count, seed))
        system = fitted_to(bank)
        scores = system.score({"views": new}, ["00"] * 400)
        found = (system.training_scores(), cross_fitted_scores(system, {"views": bank}))
        thresholds = [find_threshold("gamma", one, 0.1).value for one in found]
        alarms.append(tuple(float(np.mean(scores > one)) for one in thresholds))
    left_one_out, cross_fitted = np.mean(alarms, axis=0)
    assert cross_fitted <= most
    assert cross_fitted < left_one_out
    assert count > 8 or left_one_out > 0.25

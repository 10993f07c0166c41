"""What holds for every scorer of the registry."""

import numpy as np
import pytest

from asd.errors import JobError, UsageError
from asd.scoring import build
from asd.scoring.base import folds_of

# Sums are cut differently for other numbers of rows; distances near zero are roots of that.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


def test_what_it_fits_can_be_kept(scorer):
    assert scorer.Fitted is not None


def test_a_clip_is_scored_on_its_own(make_bank, scorer):
    bank = make_bank({"00": (30, 5), "01": (20, 0)})
    test = make_bank({"00": (13, 4), "01": (5, 2)}, seed=1)
    fitted = scorer.fit(bank)
    scores = fitted.score(test.arrays, test.clips.section)
    assert scores.dtype == np.float64
    assert scores.shape == (len(test),)
    order = np.random.default_rng(2).permutation(len(test))
    for rows in (order, *np.arange(len(test))[:, None]):
        some = test.only(rows)
        again = fitted.score(some.arrays, some.clips.section)
        np.testing.assert_allclose(again, scores[rows], **TOLERANCE)


def test_a_clip_is_scored_without_its_fold(make_bank, scorer):
    """By a scorer that compares clips; another keeps the clip's score."""
    bank = make_bank({"00": (23, 5), "01": (7, 0)})
    found, folds = scorer.fit(bank).training_scores(), folds_of(bank.clips)
    for fold in range(10) if scorer.compares else (10,):
        out = np.flatnonzero(folds == fold) if fold < 10 else np.arange(len(bank))
        without = np.setdiff1d(np.arange(len(bank)), out) if fold < 10 else out
        rows = bank.only(out)
        expected = scorer.fit(bank.only(without)).score(rows.arrays, rows.clips.section)
        np.testing.assert_allclose(found[out], expected, **TOLERANCE)


def test_same_seed_same_scores(make_bank, scorer):
    bank, test = make_bank({"00": (30, 5)}), make_bank({"00": (9, 0)}, seed=1)
    found = [
        np.concatenate([fitted.score(test.arrays, test.clips.section), fitted.training_scores()])
        for fitted in (scorer.fit(bank) for _ in range(2))
    ]
    np.testing.assert_array_equal(found[0], found[1])


def test_a_section_is_scored_by_its_own_clips(make_bank, scorer):
    bank = make_bank({"00": (30, 5), "01": (20, 6)})
    test = make_bank({"00": (9, 3), "01": (0, 0)}, seed=1)
    rows = np.flatnonzero(np.array(bank.clips.section) == "00")
    both, one = scorer.fit(bank), scorer.fit(bank.only(rows))
    np.testing.assert_array_equal(
        both.score(test.arrays, test.clips.section), one.score(test.arrays, test.clips.section)
    )
    np.testing.assert_array_equal(both.training_scores()[rows], one.training_scores())


def test_section_without_training_clips_is_refused(make_bank, scorer):
    fitted = scorer.fit(make_bank({"00": (8, 2), "02": (8, 2)}))
    test = make_bank({"00": (3, 0), "01": (3, 0)}, seed=1)
    assert fitted.sections == ("00", "02")
    with pytest.raises(UsageError, match="section 01.*the bank has 00, 02"):
        fitted.score(test.arrays, test.clips.section)


@pytest.mark.parametrize("bank_kind", ["one clip", "two clips", "identical", "zero", "one zero"])
def test_degenerate_banks_give_finite_scores(make_bank, scorer, bank_kind):
    clips = {"one clip": (1, 0), "two clips": (1, 1)}.get(bank_kind, (9, 3))
    embedding = np.random.default_rng(0).normal(size=(sum(clips), 5))
    if bank_kind == "identical":
        embedding[:] = [1.1, 2.2, 3.3, 4.4, 5.5]
    elif bank_kind != "one zero":
        embedding *= bank_kind != "zero"
    else:
        embedding[4] = 0.0
    bank = make_bank({"00": clips, "01": (3, 3)})
    bank.arrays["embedding"][np.array(bank.clips.section) == "00"] = embedding
    test = make_bank({"00": (4, 0), "01": (0, 0)}, seed=1)
    test.arrays["logits"][:] = 0.0
    test.arrays["embedding"][:2] = [np.zeros(5), embedding[0]]
    fitted = scorer.fit(bank)
    assert np.isfinite(fitted.score(test.arrays, test.clips.section)).all()
    assert np.isfinite(fitted.training_scores()).all()


def test_no_test_clips(make_bank, scorer):
    bank = make_bank({"00": (8, 2)})
    empty = {key: array[:0] for key, array in bank.arrays.items()}
    assert scorer.fit(bank).score(empty, []).shape == (0,)


def test_wrong_arrays_are_refused(make_bank, scorer):
    bank = make_bank({"00": (8, 2)})
    fitted = scorer.fit(bank)
    needed, *_ = scorer.needs
    given = bank.arrays
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


def test_empty_bank_is_refused(make_bank):
    with pytest.raises(UsageError, match="no training clips"):
        build("cosine", {}).fit(make_bank({}))


def test_unknown_scorer_and_setting_name_the_known_ones():
    with pytest.raises(UsageError, match="did you mean 'cosine'"):
        build("cosin", {})
    with pytest.raises(UsageError, match=r"systems.6.settings: unknown key 'kk'.*known: .*density"):
        build("neighbours", {"kk": 1}, "systems.6.settings")


def test_truth_of_test_clips_is_out_of_reach(make_bank):
    blind = make_bank({"00": (4, 2)}).without_truth()
    for column in (blind.clips.domain, blind.clips.label, blind.clips.attributes):
        assert set(column) == {""}
    assert set(blind.classes.tolist()) == {-1}
    assert blind.clips.section == ("00",) * 6

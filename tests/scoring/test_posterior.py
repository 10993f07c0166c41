"""Eq. 6 against a reference in extended precision."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from asd.errors import UsageError
from asd.scoring import build
from asd.scoring.posterior import log_odds_against


def reference(logits, label):
    """log((1 - p) / p) of one clip, the sum over the other classes written out."""
    others = np.delete(logits.astype(np.longdouble), label)
    top = others.max()
    return float(top + np.log(np.exp(others - top).sum()) - np.longdouble(logits[label]))


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(2, 6)),
        elements=st.floats(-1e4, 1e4, width=32),
    )
)
def test_log_odds_of_any_logits(logits):
    odds = log_odds_against(logits)
    expected = [[reference(row, c) for c in range(len(row))] for row in logits]
    # A few roundings of float64 at the magnitude of the logits.
    np.testing.assert_allclose(odds, expected, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([0.0, 0.0], [0.0, 0.0]),
        ([1000.0, -1000.0], [-2000.0, 2000.0]),
        ([3e38, -3e38], [-6e38, 6e38]),
        ([40.0, 40.0, -1e4], [0.0, 0.0, 10040.0 + np.log(2)]),
        ([100.0, 0.0, 0.0], [np.log(2) - 100, 100.0, 100.0]),
    ],
)
def test_extreme_logits(logits, expected):
    odds = log_odds_against(np.array([logits], np.float32))[0]
    np.testing.assert_allclose(odds, expected, rtol=1e-7)


def test_equals_the_papers_formula_where_it_can_be_computed():
    logits = np.random.default_rng(0).normal(size=(50, 6))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(log_odds_against(logits), np.log((1 - p) / p), rtol=1e-10)


def test_most_likely_class_of_the_section_counts(make_bank):
    bank = make_bank({"00": (6, 2), "01": (6, 2)})
    test = make_bank({"00": (4, 0), "01": (4, 0)}, seed=1)
    scores = build("posterior", {}).fit(bank).score(test.arrays, test.clips.section)
    classes = {"00": (0, 1), "01": (2, 3)}
    for i, section in enumerate(test.clips.section):
        row = test.arrays["logits"][i]
        expected = min(reference(row, label) for label in classes[section])
        assert scores[i] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_windows_are_averaged(make_bank):
    bank = make_bank({"00": (3, 0), "01": (3, 0)})
    windows = np.random.default_rng(0).normal(size=(6, 7, 4)).astype(np.float32)
    bank = replace(
        bank, arrays={"logits": windows}, classes=np.where(bank.classes < 2, 0, 2).astype(np.int32)
    )
    scores = build("posterior", {}).fit(bank).score(bank.arrays, bank.clips.section)
    for i, section in enumerate(bank.clips.section):
        label = 0 if section == "00" else 2
        expected = np.mean([reference(window, label) for window in windows[i]])
        assert scores[i] == pytest.approx(expected, rel=1e-12)


def test_models_that_tell_nothing_apart_are_refused(make_bank):
    bank = make_bank({"00": (3, 1)})
    one = replace(bank, arrays={"logits": np.zeros((4, 1), np.float32)})
    with pytest.raises(UsageError, match="needs a model of two classes or more, not 1"):
        build("posterior", {}).fit(one)
    with pytest.raises(UsageError, match=r"section 00: its training clips have classes \[\]"):
        build("posterior", {}).fit(bank.without_truth())
    with pytest.raises(UsageError, match="the model has 2 logits"):
        build("posterior", {}).fit(replace(bank, classes=np.full(4, 2, np.int32)))

"""Folds of training clips, and the false alarms that follow from scores without them."""

import numpy as np
import pytest

from asd.config import ScoreConfig
from asd.scoring import build
from asd.scoring.base import folds_of
from asd.scoring.calibration import calibrations, counted_by_domain
from asd.scoring.system import Member, fit_system

MEMBERS = tuple(
    Member("views", view, build(scorer, {}))
    for view, scorer in (("first", "bands"), ("second", "bands"), ("first", "varmin"))
)


def views(count, seed):
    """Two views of clips whose bands move together; as a whole some clips are odder than others."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(count, 3)) @ np.random.default_rng(0).normal(size=(3, 24))
    odd = np.exp(0.3 * draw.normal(size=(count, 1)))
    first = (0.7 * common + draw.normal(size=(count, 24))) * odd
    second = first + draw.gamma(2, 1, size=(count, 24))
    return {"first": first.astype(np.float32), "second": second.astype(np.float32)}


def fitted_to(bank):
    return fit_system(MEMBERS, {"views": bank}, "max")


def test_folds_follow_the_bank_within_section_and_domain(make_bank):
    bank = make_bank({"00": (30, 3), "01": (1, 0)})
    folds = folds_of(bank.clips)
    sections, domains = np.array(bank.clips.section), np.array(bank.clips.domain)
    source = np.flatnonzero((sections == "00") & (domains == "source"))
    assert folds[source].tolist() == [number // 3 for number in range(30)]
    assert len(set(folds[domains == "target"])) == 3
    assert folds[sections == "01"].tolist() == [-1]


def test_rare_domains_go_on_where_the_one_before_ended(make_bank):
    assert sorted(folds_of(make_bank({"00": (3, 2)}).clips)) == [0, 1, 2, 3, 4]


def test_windows_are_left_out_with_their_recording(make_bank, changed):
    bank = make_bank({"00": (12, 0)})
    several = changed(bank, recording=[f"{row // 4}.wav" for row in range(12)])
    assert folds_of(several.clips).tolist() == [0] * 4 + [1] * 4 + [2] * 4
    single = changed(bank, recording=["a.wav"] * 12)
    assert len(set(folds_of(single.clips))) == 10


def test_no_window_is_compared_with_its_recording(make_bank, changed):
    embedding = np.repeat(np.random.default_rng(0).normal(size=(50, 8)), 2, axis=0)
    bank = make_bank({"00": (100, 0)}, embedding=embedding)
    # Every other clip is another one's twin, and of the recording of the one before it.
    twins = changed(bank, recording=[f"{row // 2:03d}.wav" for row in range(100)])
    assert build("cosine", {}).fit(twins).training_scores().min() > 1e-3


@pytest.mark.parametrize("clips", [(1, 0), (2, 0), (1, 1), (3, 1), (201, 0)])
def test_few_clips_and_many(make_bank, clips):
    bank = make_bank({"00": clips}).with_arrays(views(sum(clips), 1))
    assert np.isfinite(fitted_to(bank).training_scores()).all()


def test_domains_count_alike():
    scores = np.array([1.0, 2.0, 3.0, 4.0, 9.0])
    domains = ["source"] * 4 + ["target"]
    assert counted_by_domain(scores, domains).tolist() == [1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0, 9.0]
    np.testing.assert_array_equal(counted_by_domain(scores, [""] * 5), scores)


@pytest.mark.parametrize(
    ("count", "most"), [(8, 0.25), (15, 0.2), (30, 0.15), (60, 0.15), (120, 0.15), (300, 0.15)]
)
def test_false_alarms_of_new_clips(make_bank, count, most):
    """One in ten is asked for; half as many again at most, but for banks below 30 clips."""
    new = views(400, 0)
    alarms = []
    for seed in range(1, 13):
        bank = make_bank({"00": (count, 0)}).with_arrays(views(count, seed))
        system = fitted_to(bank)
        threshold = calibrations(system, ScoreConfig())["00"].threshold().value
        alarms.append(np.mean(system.score({"views": new}, ["00"] * 400) > threshold))
    assert 0.05 <= np.mean(alarms) <= most

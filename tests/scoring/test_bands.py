"""Scores by bands and by VarMin against loops from the definitions, and the range of levels."""

import time

import numpy as np
import pytest

from asd.errors import UsageError
from asd.models.pooling import build as build_pooling
from asd.scoring import build, distances
from asd.scoring.bands import LevelRange, floored_space
from asd.scoring.base import Training
from asd.scoring.system import Member, fit_system
from asd.scoring.thresholds import find_threshold

TOLERANCE = {"rtol": 1e-9, "atol": 1e-10}
VIEWS = ("power_mean", "level_free_mean", "max", "flux")
MEMBERS = [(view, "bands") for view in VIEWS] + [(view, "varmin") for view in VIEWS[1::-1]]


def standardised(train, clips, floor=0.25):
    """Clips (n, F) in the deviations of training clips, none of them small beside the others."""
    train = train.astype(np.float64)
    deviation = train.std(axis=0)
    floored = np.maximum(deviation, floor * np.median(deviation) + 1e-6)
    return (clips.astype(np.float64) - train.mean(axis=0)) / floored


def bands_score(x, points, share=0.1):
    """The score of one clip (F,) against points (N, F)."""
    apart = sorted(min(abs(x[band] - y[band]) for y in points) for band in range(len(x)))
    return float(np.log(np.mean(apart[-max(1, round(share * len(x))) :]) + 1e-9))


def varmin_score(x, points, k=4):
    """The score of one clip (D,) against points (N, D)."""

    def apart(one, other):
        return float(np.log(np.linalg.norm(one - other) + 1e-9))

    sparsity, level, at_nearest = [], [], []
    for y, point in enumerate(points):
        others = {z: np.linalg.norm(point - other) for z, other in enumerate(points) if z != y}
        sparsity.append(float(np.log(np.mean(sorted(others.values())[:k]) + 1e-9)) if others else 0)
        if others:
            at_nearest.append(min(others, key=lambda z: others[z]))
            level.append(apart(point, points[at_nearest[-1]]))
    slope = 0.0
    if len(level) > 1:
        b = np.array([sparsity[z] for z in at_nearest])
        slope = float(
            (b - b.mean()) @ (level - np.mean(level)) / (np.square(b - b.mean()).sum() + 1e-12)
        )
        slope = min(max(slope, 0.0), 1.0)
    return min(apart(x, point) - slope * b for point, b in zip(points, sparsity, strict=True))


REFERENCES = {"bands": bands_score, "varmin": varmin_score}
both = pytest.mark.parametrize("name", REFERENCES)


def fitted_to(bank, name, **values):
    return build(name, values).fit(bank)


@both
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7, 19])
def test_scores(make_bank, name, count):
    bank = make_bank({"00": (count, 0)}, dimensions=12)
    test = make_bank({"00": (5, 2)}, dimensions=12, seed=1)
    fitted, reference = fitted_to(bank, name), REFERENCES[name]
    train = bank.arrays["embedding"]
    points = standardised(train, train)
    expected = [reference(x, points) for x in standardised(train, test.arrays["embedding"])]
    np.testing.assert_allclose(fitted.score(test.arrays, test.clips.section), expected, **TOLERANCE)


@both
def test_the_only_clip_is_compared_with_itself(make_bank, name):
    fitted = fitted_to(make_bank({"00": (1, 0)}), name)
    assert fitted.training_scores().tolist() == [np.log(1e-9)]


def test_settings(make_bank):
    bank, test = make_bank({"00": (9, 0)}), make_bank({"00": (4, 0)}, seed=1)
    train, clips = (of.arrays["embedding"] for of in (bank, test))
    found = fitted_to(bank, "bands", share=0.5, floor=1.5).score(test.arrays, test.clips.section)
    points = standardised(train, train, 1.5)
    expected = [bands_score(x, points, 0.5) for x in standardised(train, clips, 1.5)]
    np.testing.assert_allclose(found, expected, **TOLERANCE)
    found = fitted_to(bank, "varmin", k=2, distance="euclidean").score(
        test.arrays, test.clips.section
    )
    expected = [varmin_score(x, train.astype(np.float64), 2) for x in clips.astype(np.float64)]
    np.testing.assert_allclose(found, expected, **TOLERANCE)


def test_a_fault_in_one_band_of_many_is_seen_by_bands_alone():
    draw = np.random.default_rng(0)
    clips = draw.normal(size=(60, 128)).astype(np.float32)
    faulty = draw.normal(size=(40, 128)).astype(np.float32)
    faulty[20:, 17] += 8
    space = floored_space(clips, 0.25)
    whole = space.between(space.map(faulty), space.map(clips)).min(axis=1)
    scores = (
        build("bands", {"share": 0.01}).fit_section(training(clips)).score({"embedding": faulty})
    )
    assert scores[20:].min() > scores[:20].max()
    assert whole[20:].min() < whole[:20].max()


def test_a_band_without_sound_does_not_decide():
    draw = np.random.default_rng(0)
    clips = draw.normal(size=(30, 10)).astype(np.float32)
    clips[:, 3] = -100.0
    test = draw.normal(size=(5, 10)).astype(np.float32)
    test[:, 3] = -100.0
    odd = test.copy()
    odd[:, 3] += 0.01
    model = build("bands", {}).fit_section(training(clips))
    np.testing.assert_array_equal(model.score({"embedding": test}), model.score({"embedding": odd}))


@both
def test_blocks_change_nothing(make_bank, name, monkeypatch):
    bank, test = make_bank({"00": (40, 0)}), make_bank({"00": (30, 0)}, seed=1)

    def found():
        return fitted_to(bank, name).score(test.arrays, test.clips.section)

    whole = found()
    monkeypatch.setattr(distances, "BLOCK", 120)
    np.testing.assert_allclose(found(), whole, **TOLERANCE)


def test_twins_are_left_out_of_each_other(make_bank):
    """Clips that coincide: whichever is called the nearest, the scores are those of a new fit."""
    draw = np.random.default_rng(0)
    embedding = np.repeat(draw.normal(size=(5, 6)), [1, 2, 1, 2, 4], axis=0)
    fitted = fitted_to(make_bank({"00": (10, 0)}, embedding=embedding), "varmin", k=2)
    assert np.isfinite(fitted.training_scores()).all()


def training(embedding):
    none = np.array([""] * len(embedding))
    return Training("00", {"embedding": embedding}, none, np.full(len(embedding), -1, np.int32))


def six_views(train, test, kept_as):
    """Six views of log-mels (N, F, T) by loops: joined scores of test clips and of training clips.

    The two halves are the scores (n,) and those (N,) without a fold, which is a tenth of the clips
    in their order. ``kept_as`` is the type of the embeddings.
    """
    pooled = {
        "power_mean": lambda m: 10 * np.log10((10 ** (m / 10)).mean(axis=1)),
        "level_free_mean": lambda m: m.mean(axis=1) - m.mean(),
        "max": lambda m: m.max(axis=1),
        "flux": lambda m: np.abs(np.diff(m, axis=1)).mean(axis=1),
    }
    joined = [[], []]
    for view, back_end in MEMBERS:
        given = np.array([pooled[view](clip) for clip in train]).astype(kept_as)
        new = np.array([pooled[view](clip) for clip in test]).astype(kept_as)
        fold = np.arange(len(given)) * 10 // len(given)

        def scored(clips, train, score=REFERENCES[back_end]):
            points = standardised(train, train)
            return [score(x, points) for x in standardised(train, clips)]

        own = np.concatenate([scored(given[fold == f], given[fold != f]) for f in range(10)])
        new = np.array(scored(new, given))
        for part, values in zip(joined, (new, own), strict=True):
            part.append((values - own.mean()) / own.std())
    return np.max(joined[0], axis=0), np.max(joined[1], axis=0)


@pytest.mark.parametrize(("kept_as", "tolerance"), [(np.float32, 1e-9), (np.float64, 1e-5)])
def test_six_views_joined(make_bank, kept_as, tolerance):
    """Equal but for the rounding of embeddings to float32, which logarithms of gaps show."""
    draw = np.random.default_rng(0)
    level = draw.normal(-45, 4, size=(40, 16, 1))
    mels = level + draw.gamma(2, 3, size=(40, 16, 50)) - draw.gamma(3, 1, size=(40, 16, 1))
    train, test = mels[:25], mels[25:]
    arrays = [
        {view: build_pooling(view, {})(part).astype(np.float32) for view in VIEWS}
        for part in (train, test)
    ]
    bank = make_bank({"00": (25, 0)}).with_arrays(arrays[0])
    members = [Member("pooled", view, build(scorer, {})) for view, scorer in MEMBERS]
    fitted = fit_system(members, {"pooled": bank}, join="max")
    expected, left_out = six_views(train, test, kept_as)
    found = fitted.score({"pooled": arrays[1]}, ["00"] * len(test))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    again, each = fitted.judge({"pooled": arrays[1]}, ["00"] * len(test))
    np.testing.assert_array_equal(again, found)
    assert each.shape == (len(members), len(test))
    np.testing.assert_array_equal(each.max(axis=0), found)
    own = fitted.training_scores()
    np.testing.assert_allclose(own, left_out, rtol=tolerance, atol=tolerance)


def test_six_views_of_a_thousand_clips_take_a_second(make_bank):
    draw = np.random.default_rng(0)
    arrays = {view: draw.normal(size=(1000, 128)).astype(np.float32) for view in VIEWS}
    bank = make_bank({"00": (1000, 0)}).with_arrays(arrays)
    members = [Member("pooled", view, build(scorer, {})) for view, scorer in MEMBERS]
    start = time.process_time()  # of one thread, whatever else the machine does
    fitted = fit_system(members, {"pooled": bank}, join="max")
    fitted.score({"pooled": arrays}, ["00"] * 1000)
    find_threshold("gamma", fitted.training_scores())
    assert time.process_time() - start < 2  # half of it on an idle core


@both
@pytest.mark.parametrize("count", [2, 9])
def test_clips_are_brought_into_the_range_of_levels(make_bank, name, count):
    """Test clips and training clips alike; what they are compared with stays as it is."""
    draw = np.random.default_rng(0)
    level = (4 * draw.normal(size=(count + 6, 1)) - 30).astype(np.float32)
    mels = draw.normal(size=(count + 6, 12)).astype(np.float32) + level
    train, test = ({"embedding": mels[of], "loudness": level[of]} for of in np.s_[:count, count:])
    bank = make_bank({"00": (count, 0)}).with_arrays(train)
    fitted, reference = fitted_to(bank, name, level="loudness"), REFERENCES[name]
    low, high = np.quantile(level[:count].astype(np.float64), [0.25, 0.75])
    moved = mels.astype(np.float64) + np.clip(level, low, high) - level
    points, clips = standardised(mels[:count], mels[:count]), standardised(mels[:count], moved)
    expected = [reference(x, points) for x in clips[count:]]
    np.testing.assert_allclose(fitted.score(test, ["00"] * 6), expected, rtol=1e-6, atol=1e-6)


@both
def test_the_gain_beyond_the_range_does_not_matter(make_bank, name):
    mels = np.random.default_rng(0).normal(-30, 2, size=(40, 12)).astype(np.float32)
    arrays = {"embedding": mels, "level": mels.mean(axis=1, keepdims=True)}
    bank = make_bank({"00": (40, 0)}).with_arrays(arrays)
    fitted = fitted_to(bank, name, level="level")
    scores = [
        fitted.score({key: values + gain for key, values in arrays.items()}, ["00"] * 40)
        for gain in (np.float32(8), np.float32(16))
    ]
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-4)
    assert (
        np.mean(scores[0])
        < np.mean(fitted_to(bank, name).score({"embedding": mels + np.float32(8)}, ["00"] * 40)) - 1
    )


def test_a_level_that_the_model_does_not_give_is_told(make_bank):
    with pytest.raises(UsageError, match="reads 'loudness', which the bank lack"):
        fitted_to(make_bank({"00": (4, 0)}), "bands", level="loudness")


def level_range(levels, domains):
    arrays = {"level": np.array(levels, np.float32)[:, None]}
    return LevelRange.of(arrays, np.array(domains), "level")


def test_the_middle_half_of_each_domain():
    levels = [-30.0, -28, -26, -24, -22, -40, -38, -36, -10]
    found = level_range(levels, ["source"] * 5 + ["target"] * 3 + [""])
    assert (found.low, found.high, found.quietest, found.loudest) == (-39.0, -24.0, -40.0, -10.0)
    test = {"level": np.array([[-50.0], [-30.0], [0.0]])}
    np.testing.assert_array_equal(found.gains(test), [11.0, 0.0, -24.0])


def test_words_where_no_training_clip_needed_as_much():
    found = level_range([-30.0, -28, -26, -24, -22], [""] * 5)
    assert [found.words(gain) for gain in (-2.0, 0.0, 2.0)] == ["", "", ""]
    assert found.words(12.0) == "12 dB quieter than usual, which was taken off"
    assert found.words(-6.0) == "6 dB louder than usual, which was taken off"
    assert LevelRange().words(0.0) == ""


def test_single_clips():
    found = level_range([-30.0, -20.0], ["source", "target"])
    assert (found.low, found.high) == (-27.5, -22.5)
    alone = level_range([-30.0], [""])
    assert (alone.low, alone.high) == (-30.0, -30.0)


def test_without_a_level_clips_stay_as_they_are():
    arrays = {"embedding": np.array([[1.0, 2.0]], np.float32)}
    within = LevelRange.of(arrays, np.array([""]), None)
    assert within == LevelRange()
    np.testing.assert_array_equal(within.brought(arrays), arrays["embedding"])
    np.testing.assert_array_equal(within.gains(arrays), [0.0])

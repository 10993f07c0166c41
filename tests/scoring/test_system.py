"""Systems of one member and of several, against the definition; blind to the test set."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.clip_table import ClipTable
from asd.config import ScoreConfig, SystemConfig
from asd.errors import JobError, UsageError
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.base import FittedScorer
from asd.scoring.calibration import calibrations
from asd.scoring.system import (
    Member,
    Scale,
    build_members,
    fit_system,
    score_recordings,
    unscored,
)

COSINE = {"model": "small", "scorer": "cosine"}
NEAR = {"model": "small", "embedding": "other", "scorer": "neighbours", "settings": {"k": 2}}
FAR = {"model": "large", "scorer": "mahalanobis"}


@pytest.fixture
def banks(make_bank):
    """Two models' banks of the same clips; the first has two embeddings."""
    clips = {"00": (12, 4), "01": (9, 0)}
    small, large = make_bank(clips), make_bank(clips, dimensions=3)
    other = np.random.default_rng(5).normal(size=(len(small), 4)).astype(np.float32)
    return {"small": small.with_arrays({**small.arrays, "other": other}), "large": large}


def outputs(count, seed=3):
    draw = np.random.default_rng(seed)

    def rows(width):
        return draw.normal(size=(count, width)).astype(np.float32)

    return {"small": {"embedding": rows(5), "other": rows(4)}, "large": {"embedding": rows(3)}}


def fit(banks, *definitions, join="mean"):
    configs = [SystemConfig.model_validate(one) for one in definitions]
    return fit_system(build_members("mine", configs), banks, join)


SECTIONS = ["00", "01", "00", "01", "01"]


def test_one_member_is_its_scorer_bit_for_bit(banks):
    system = fit(banks, COSINE)
    scorer = build("cosine", {}).fit(banks["small"])
    of_test = outputs(5)
    expected = scorer.score({"embedding": of_test["small"]["embedding"]}, SECTIONS)
    np.testing.assert_array_equal(system.score(of_test, SECTIONS), expected)
    np.testing.assert_array_equal(system.training_scores(), scorer.training_scores())


def test_a_member_of_several_systems_is_fitted_once_and_is_the_same(banks, monkeypatch):
    mahalanobis = {**COSINE, "scorer": "mahalanobis"}
    alone, joined = fit(banks, COSINE), fit(banks, COSINE, mahalanobis)
    fitted = []
    fold_scores = FittedScorer.training_scores
    monkeypatch.setattr(
        FittedScorer,
        "training_scores",
        lambda one, folds: fitted.append(type(one.scorer).__name__) or fold_scores(one, folds),
    )
    fits = {"small": {}, "large": {}}
    configs = [SystemConfig.model_validate(one) for one in (COSINE, mahalanobis)]
    first = fit_system(build_members("first", configs[:1]), banks, "mean", fits)
    second = fit_system(build_members("second", configs), banks, "mean", fits)
    assert fitted == ["Cosine", "Mahalanobis"]
    of_test = outputs(5)
    for system, apart in ((first, alone), (second, joined)):
        np.testing.assert_array_equal(
            system.score(of_test, SECTIONS), apart.score(of_test, SECTIONS)
        )
        np.testing.assert_array_equal(system.training_scores(), apart.training_scores())


def test_a_named_embedding_is_what_the_scorer_compares(banks):
    other = banks["small"].arrays["other"]
    expected = build("neighbours", {"k": 2}).fit(banks["small"].with_arrays({"embedding": other}))
    of_test = outputs(5)
    np.testing.assert_array_equal(
        fit(banks, NEAR).score(of_test, SECTIONS),
        expected.score({"embedding": of_test["small"]["other"]}, SECTIONS),
    )


@pytest.mark.parametrize("join", ["mean", "max"])
def test_several_by_the_definition(banks, join):
    of_test = outputs(5)
    members = [fit(banks, one) for one in (COSINE, NEAR, FAR)]
    own = [(one.score(of_test, SECTIONS), one.training_scores()) for one in members]
    sections = np.array(banks["small"].clips.section)
    found = fit(banks, COSINE, NEAR, FAR, join=join).score(of_test, SECTIONS)
    for i, section in enumerate(SECTIONS):
        z = [
            (scores[i] - training[sections == section].mean()) / training[sections == section].std()
            for scores, training in own
        ]
        assert found[i] == pytest.approx(sum(z) / 3 if join == "mean" else max(z), rel=1e-9)


def test_training_scores_are_joined_alike(banks):
    fused = fit(banks, COSINE, FAR).training_scores()
    for section in ("00", "01"):
        rows = np.array(banks["small"].clips.section) == section
        assert fused[rows].mean() == pytest.approx(0.0, abs=1e-9)


def test_the_test_set_may_be_permuted_and_split(banks):
    """No statistic over test clips: each clip alone, in any company, has the same score."""
    system, of_test, sections = fit(banks, COSINE, NEAR, FAR), outputs(8), ["00", "01"] * 4
    whole = system.score(of_test, sections)

    def some(rows):
        part = {m: {k: v[rows] for k, v in of.items()} for m, of in of_test.items()}
        return system.score(part, [sections[row] for row in rows])

    order = np.random.default_rng(0).permutation(8)
    np.testing.assert_allclose(some(order), whole[order], rtol=1e-12)
    for rows in np.array_split(order, 3):
        np.testing.assert_allclose(some(rows), whole[rows], rtol=1e-9)


def test_constant_training_scores_are_only_centred():
    scale = Scale.of(np.full(12, 0.1))
    np.testing.assert_allclose(scale.standardise(np.array([0.1, 0.6])), [0.0, 0.5], atol=1e-15)


def test_wrong_use(banks, make_bank):
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


def fit_bank(train, scorer="cosine"):
    return fit_system([Member("small", "embedding", build(scorer, {}))], {"small": train})


def bank_of(sections, recordings, **arrays):
    columns = {"section": sections, "recording": recordings}
    names = [f"{recording}#t={row}" for row, recording in enumerate(recordings)]
    clips = ClipTable.of_columns({**columns, "name": names})
    arrays = {name: np.array(values, np.float32) for name, values in arrays.items()}
    return Bank(clips, np.full(len(clips), -1, np.int32), arrays)


@pytest.fixture
def train():
    names = [f"{row}.wav" for row in range(40)]
    embedding = np.random.default_rng(0).normal(size=(40, 6))
    return bank_of(["00"] * 20 + ["01"] * 20, names, embedding=embedding)


def test_sections_without_training_clips_stay_unscored(train):
    embedding = np.random.default_rng(1).normal(size=(5, 6))
    test = bank_of(["00", "02", "01", "00", "02"], list("abcde"), embedding=embedding)
    fitted = fit_bank(train)
    scores = score_recordings(fitted, {"small": test})
    assert scores.clips.section == ("00", "01", "00")
    assert scores.clips.recording == ("a", "c", "d")
    kept = test.only(np.array([0, 2, 3]))
    expected = fitted.score({"small": kept.arrays}, kept.clips.section)
    np.testing.assert_array_equal(scores.scores, expected)
    assert unscored(train, test) == {"02": 2}


def test_models_run_over_different_test_clips_are_refused(banks):
    fitted = fit(banks, COSINE, FAR)
    fewer = banks["large"].empty()
    with pytest.raises(JobError, match="small and large were run over different test clips"):
        score_recordings(fitted, {"small": banks["small"], "large": fewer})


def test_thresholds_are_found_from_what_no_model_has_learned(train):
    fitted = fit_bank(train)
    scores = fitted.training_scores()
    rule = ScoreConfig(domains="as_found")
    every = calibrations(fitted, rule)
    assert {section: one.scores.tolist() for section, one in every.items()} == {
        "00": scores[:20].tolist(),
        "01": scores[20:].tolist(),
    }
    kept = np.arange(40) % 4 == 1
    some = calibrations(replace(fitted, calibrating=kept), rule)["01"]
    assert some.scores.tolist() == scores[21::4].tolist()
    assert list(some.recordings) == list(train.clips.recording[21::4])


def joined(rows, how):
    """Return the scores of recordings whose windows, of a section and recording, have these."""
    sections, recordings, scores = zip(*rows, strict=True) if rows else ((), (), ())
    test = bank_of(sections, recordings, error=scores)
    fitted = fit_bank(bank_of(["00", "01"], ["a.wav", "b.wav"], error=[0, 0]), "error")
    return score_recordings(fitted, {"small": test}, how)


@pytest.mark.parametrize(
    ("how", "expected"), [("max", [7.0, 4.0, -1.0]), ("mean", [4.0, 4.0, -2.0])]
)
def test_one_row_a_recording(how, expected):
    """In the order of the first windows; the same name in another section is another recording."""
    rows = [
        ("00", "long.wav", 1.0),
        ("00", "short.wav", 4.0),
        ("00", "long.wav", 7.0),
        ("01", "long.wav", -3.0),
        ("01", "long.wav", -1.0),
    ]
    found = joined(rows, how)
    assert found.clips.recording == ("long.wav", "short.wav", "long.wav")
    assert found.clips.section == ("00", "00", "01")
    assert found.scores.tolist() == expected
    assert found.windows.tolist() == [2, 1, 2]


@given(
    st.lists(st.floats(-(2.0**99), 2.0**99, width=32), max_size=6), st.sampled_from(["max", "mean"])
)
def test_recordings_without_windows_keep_their_scores(scores, how):
    after = joined([("00", f"{number}.wav", score) for number, score in enumerate(scores)], how)
    assert after.clips.recording == tuple(f"{number}.wav" for number in range(len(scores)))
    np.testing.assert_array_equal(after.scores, scores)
    np.testing.assert_array_equal(after.windows, np.ones(len(scores)))


def test_names_that_look_like_windows_are_recordings(train):
    """Nothing is read out of a name: the table says what a clip is of."""
    names = ["a.wav#t=0", "a.wav#t=10", "b.wav"]
    test = bank_of(["00"] * 3, names, embedding=train.arrays["embedding"][:3])
    assert score_recordings(fit_bank(train), {"small": test}).windows.tolist() == [1, 1, 1]

"""The detector against what the pipeline wrote, and against references written here."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from asd.clips.audio import read_clip
from asd.config import FusionConfig
from asd.detection import Detector
from asd.detection.recording import Recording
from asd.digest import sha256_json
from asd.errors import JobError, UsageError
from asd.features.logmel import LogMel
from asd.params import load_params
from asd.scoring import SCORERS
from asd.scoring.scored import read_scores_record, read_table
from asd.workspace import PARAMS, Workspace
from tests.made import replace_in


@pytest.fixture(scope="module")
def detector(tiny_template):
    return Detector.load(tiny_template, "pump")


@pytest.fixture(scope="module")
def sounds(tiny_template):
    return sorted((tiny_template / "raw" / "pump" / "id_00" / "test").rglob("*.wav"))


def written(root, system, section):
    """Return the scores and decisions of a section, by recording."""
    table = read_table(read_scores_record(Workspace.at(root).score_record(system, "pump")))
    return {
        table.name[row]: (float(table.score[row]), bool(table.anomalous[row]))
        for row in table.rows()
        if table.section[row] == section
    }


@pytest.mark.parametrize("system", ["posterior", "cosine", "spread"])
@pytest.mark.parametrize("section", ["00", "02"])
def test_scores_are_those_of_the_pipeline(tiny_template, monkeypatch, system, section):
    """To the last bit: the same features, batches of the same kernels, nothing fitted anew."""
    for scorer in SCORERS.values():
        monkeypatch.setattr(scorer, "fit_section", lambda *_: pytest.fail("fitted anew"))
    expected = written(tiny_template, system, section)
    detector = Detector.load(tiny_template, "pump", system)
    for path in sorted((tiny_template / "raw" / "pump" / f"id_{section}" / "test").rglob("*.wav")):
        (found,) = detector.predictions([path], section)
        assert (found.score, found.anomalous) == expected[path.name]
    assert len(expected) == 4


def test_conventions(detector, sounds):
    scores = detector.score(sounds, section="00")
    above = detector.decision_function(sounds, section="00")
    np.testing.assert_array_equal(above, scores - detector.thresholds["00"].value)
    np.testing.assert_array_equal(detector.predict(sounds, section="00"), above > 0)
    own = detector.fitted.training_scores()[np.array(detector.bank.clips.section) == "00"]
    expected = [(1 + sum(one >= score for one in own)) / (1 + len(own)) for score in scores]
    np.testing.assert_allclose(detector.p_values(sounds, section="00"), expected, rtol=1e-12)
    assert scores[:2].min() > scores[2:].max(), "the extra tone is not heard"


def test_nearest_by_cosine(detector, sounds):
    waves = np.stack([read_clip(path, detector.signal) for path in sounds])
    embedding = detector.embedder.outputs(detector.embedder.features(waves))["both"]["embedding"]
    bank = detector.bank.arrays["embedding"]
    for row, name in zip(embedding, detector.nearest(waves), strict=True):
        cosine = bank @ row / np.linalg.norm(bank, axis=1) / np.linalg.norm(row)
        assert name == detector.bank.clips.name[int(cosine.argmax())]


def test_without_a_section_the_smallest_score_counts(detector, sounds):
    of_each = np.stack([detector.score(sounds, section) for section in ("00", "02")])
    found = detector.predictions([Recording(str(p), read_clip(p, detector.signal)) for p in sounds])
    assert [one.score for one in found] == of_each.min(axis=0).tolist()
    assert [one.section for one in found] == [("00", "02")[i] for i in of_each.argmin(axis=0)]
    assert all(one.threshold == detector.thresholds[one.section].value for one in found)


def test_long_recordings_get_the_score_of_a_window(detector, sounds):
    waves = [read_clip(path, detector.signal) for path in sounds]
    whole = np.concatenate(waves)
    single = detector.score(waves, section="00")
    assert detector.score([whole], section="00")[0] == single.max()
    mean = detector.score([whole], section="00", pooling="mean")[0]
    assert mean == pytest.approx(single.mean(), rel=1e-12)
    found = detector.predictions([Recording("whole", whole)], section="00")[0]
    length = detector.signal.length
    assert (found.windows, found.start) == (4, single.argmax() * length / 8000)


def test_other_rates_and_channels(detector, sounds, tmp_path):
    wave, rate = soundfile.read(sounds[0])
    twice = np.repeat(wave, 2)
    path = tmp_path / "stereo.flac"
    soundfile.write(path, np.stack([twice, -twice], axis=1), 2 * rate)
    expected = detector.score([read_clip(path, detector.signal)], section="00")
    assert detector.score([path], section="00") == expected


def test_needs_neither_store_nor_banks_nor_recordings(tiny, sounds):
    expected = Detector.load(tiny, "pump").score(sounds)
    for name in ("raw", "data/features", "data/index", "data/banks", "data/checkpoints"):
        shutil.rmtree(tiny / name, ignore_errors=True)
    np.testing.assert_array_equal(Detector.load(tiny, "pump").score(sounds), expected)


def test_refuses_another_model_than_was_scored(tiny):
    folder = tiny / "data" / "models"
    shutil.rmtree(folder / "both" / "pump")
    shutil.copytree(folder / "mel" / "pump", folder / "both" / "pump")
    with pytest.raises(JobError, match="another model.*asd embed.*asd score"):
        Detector.load(tiny, "pump")


def test_refuses_the_detector_of_another_machine(tiny):
    replace_in(tiny / PARAMS, "machines: [pump]", "machines: [pump, fan]")
    folder = tiny / "data" / "scores" / "cosine"
    for path in list(folder.iterdir()):
        shutil.copy(path, path.with_stem("fan"))
    with pytest.raises(JobError, match=r"fan\.json: does not name fan\.h5.*asd score"):
        Detector.load(tiny, "fan")


def test_refuses_a_model_without_recipes(tiny):
    path = tiny / "data" / "models" / "both" / "pump" / "record.json"
    record = json.loads(path.read_text())
    del record["request"]["recipes"], record["digest"]
    path.write_text(json.dumps({**record, "digest": sha256_json(record)}))
    with pytest.raises(JobError, match=r"another version \(recipes.*asd train"):
        Detector.load(tiny, "pump")


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("false_alarm_rate: 0.2", "false_alarm_rate: 0.1", "rule.false_alarm_rate 0.2 -> 0.1"),
        ("threshold: quantile", "threshold: gamma", "rule.threshold"),
        ("score: {", "score: {windows: mean, ", "rule.windows"),
        ("cosine: {model: both", "cosine: {model: mel", "members"),
    ],
)
def test_refuses_a_detector_of_other_params(tiny, old, new, changed):
    replace_in(tiny / PARAMS, old, new)
    with pytest.raises(UsageError, match=f"scored with other settings.*{changed}") as caught:
        Detector.load(tiny, "pump", "cosine")
    assert "run 'asd score --machine pump --system cosine'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_decides_nothing_may_change(tiny, sounds):
    expected = Detector.load(tiny, "pump").score(sounds)
    replace_in(tiny / PARAMS, "epochs: 2", "epochs: 3")
    replace_in(tiny / PARAMS, "posterior: {model: both", "posterior: {model: mel")
    np.testing.assert_array_equal(Detector.load(tiny, "pump").score(sounds), expected)


def test_refuses_what_is_not_scored_or_damaged(tiny):
    path = tiny / "data" / "scores" / "cosine" / "pump.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(JobError, match=r"pump\.h5: is not what was written.*asd score"):
        Detector.load(tiny, "pump")
    path.unlink()
    with pytest.raises(JobError, match=r"pump\.h5: lost.*asd score"):
        Detector.load(tiny, "pump")
    path.with_suffix(".json").unlink()
    with pytest.raises(UsageError, match=r"no detector yet; run 'asd score --machine pump"):
        Detector.load(tiny, "pump")
    path.with_name("threshold_pump.json").write_text("{}")
    with pytest.raises(UsageError, match="made by an earlier version of asd; 'dvc repro'"):
        Detector.load(tiny, "pump")


def test_refuses_an_extractor_that_has_changed(tiny_template, monkeypatch):
    monkeypatch.setattr(LogMel, "version", LogMel.version + 1)
    with pytest.raises(JobError, match="'logmel'.*another version"):
        Detector.load(tiny_template, "pump")


@pytest.mark.parametrize(
    ("waves", "text"),
    [
        (np.zeros(9), "a single wave as"),
        ([np.zeros((2, 9))], r"wave 0: of shape \(2, 9\)"),
        ([np.zeros(0)], "n > 0"),
        ([np.zeros(9, np.int64)], "int16, or float"),
        ([np.eye(9)[0], np.array([0.0, np.nan])], "wave 1: NaN"),
    ],
)
def test_what_is_no_wave(detector, waves, text):
    with pytest.raises(UsageError, match=text):
        detector.score(waves)


def test_unknown_names(detector, tiny_template, sounds):
    with pytest.raises(UsageError, match="unknown section '01'.*00, 02"):
        detector.score(sounds, section="01")
    with pytest.raises(UsageError, match="unknown machine 'pmp'.*pump"):
        Detector.load(tiny_template, "pmp")
    with pytest.raises(UsageError, match="unknown system"):
        Detector.load(tiny_template, "pump", "9")
    with pytest.raises(UsageError, match="params.yaml"):
        Detector.load(tiny_template / "raw", "pump")
    assert len(detector.score([])) == 0


def test_the_system_that_is_taken(tiny_template):
    params = load_params(tiny_template / "pipeline" / "params.yaml")
    systems = params.systems

    def taken(**given):
        return params.model_copy(update={"systems": given}).default_system()

    assert params.default_system() == "cosine"
    assert taken(a=systems["spread"]) == "a"
    assert taken(**systems, z=systems["cosine"]) == "z"
    with pytest.raises(UsageError, match="--system"):
        taken(a=systems["spread"], b=systems["posterior"])
    chosen = {"selected": FusionConfig(members=("spread", "cosine"))}
    assert params.model_copy(update={"fusions": chosen}).default_system() == "selected"

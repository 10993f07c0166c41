"""The detector as a library: what it takes, and how far it is an estimator of scikit-learn."""

import builtins
import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.base import clone, is_outlier_detector
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

import asd
from asd import Detector, FeatureStore
from asd.errors import JobError, UsageError
from tests.made import run_verbs

NORMAL, ODD = "raw/pump/id_00/train/00_01.wav", "raw/pump/id_00/test/anomaly/00_11.wav"


@pytest.fixture
def detector(tiny_template):
    return Detector(str(tiny_template), "pump")


@pytest.fixture
def paths(tiny_template):
    return [str(tiny_template / NORMAL), str(tiny_template / ODD)]


def waves(paths):
    return np.stack([soundfile.read(path, dtype="int16")[0] for path in paths])


def test_the_root_offers_both(tiny_template):
    shard = FeatureStore(str(tiny_template / "data" / "features")).open(
        "pump", "logmel", "00", "train"
    )
    assert len(shard.features) == 9
    with pytest.raises(AttributeError, match="no attribute 'Detecter'"):
        _ = asd.Detecter


def test_paths_arrays_of_paths_and_waves_score_alike(detector, paths):
    expected = detector.score(paths, "00")
    rate = detector.signal.sample_rate
    for same in (
        np.array(paths),
        np.array(paths, dtype=object),
        [Path(path) for path in paths],
        waves(paths),
        list(waves(paths)),
        waves(paths) / 32768.0,
        [(wave, rate) for wave in waves(paths)],
        [(wave, float(rate)) for wave in waves(paths)],
    ):
        assert detector.score(same, "00").tolist() == expected.tolist()
    assert detector.score(paths[1], "00").tolist() == expected[1:].tolist()
    assert detector.score((waves(paths)[1], rate), "00").tolist() == expected[1:].tolist()


@pytest.mark.parametrize("pair", [(np.zeros(9), 0), (np.zeros(9), -1.0), (16000, np.zeros(9))])
def test_what_is_no_wave_with_its_rate(detector, pair):
    with pytest.raises(UsageError, match="wave 0: "):
        detector.score([pair])


def test_the_only_machine_need_not_be_named(tiny_template):
    assert Detector(tiny_template).machine == "pump"


def test_a_wave_of_another_rate_is_resampled_as_a_file_is(detector, paths, tmp_path):
    wave, rate = soundfile.read(paths[1], dtype="int16")
    soundfile.write(tmp_path / "other.wav", wave, 2 * rate)
    expected = detector.score([tmp_path / "other.wav"], "00")
    assert detector.score([(wave, 2 * rate)], "00").tolist() == expected.tolist()


def pickled(detector):
    return pickle.loads(pickle.dumps(detector))  # noqa: S301


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, clone, pickled])
def test_twins_score_alike(tiny_template, paths, twin):
    known = Detector(tiny_template, "pump", section="00")
    other = twin(known)
    assert other.get_params() == known.get_params()
    assert other.score(paths).tolist() == known.score(paths).tolist()


def test_what_each_member_of_a_fusion_says(tiny, paths):
    assert Detector(tiny, "pump", "cosine").predictions(paths, "00")[0].members == {}
    with (tiny / "pipeline" / "params.yaml").open("a") as params:
        params.write("fusions: {fused: {members: [cosine, posterior, spread]}}\n")
    run_verbs(tiny, "score --system fused")
    fused = Detector(tiny, "pump", "fused")
    for found in fused.predictions(paths, "00"):
        values = list(found.members.values())
        assert set(found.members) == {"cosine", "posterior", "spread"}
        assert values == sorted(values, reverse=True)
        assert found.score == pytest.approx(np.mean(values), rel=1e-9)


def test_parameters(detector, paths, tiny_template):
    assert set(detector.get_params()) == {"folder", "machine", "system", "section", "pooling"}
    expected = detector.score(paths, "00")
    assert detector.set_params(section="00").score(paths).tolist() == expected.tolist()
    with pytest.raises(UsageError, match=r"unknown parameter 'sections' \(did you mean 'section'"):
        detector.set_params(sections="00")
    assert str(tiny_template) in repr(detector)


def test_the_last_step_of_a_pipeline(detector, paths):
    check_is_fitted(detector)
    assert is_outlier_detector(detector)
    louder = make_pipeline(FunctionTransformer(lambda sound: sound // 2), detector)
    found = louder.set_params(detector__section="00").predict(waves(paths))
    assert found.tolist() == detector.predict(waves(paths) // 2, "00").tolist()
    assert louder.decision_function(waves(paths)).shape == (2,)
    with pytest.raises(UsageError, match="not fitted to waves: put recordings into .*dvc repro"):
        louder.fit(waves(paths))


def test_a_table(detector, paths, monkeypatch):
    pandas = pytest.importorskip("pandas")
    table = detector.to_frame(paths, "00")
    assert isinstance(table, pandas.DataFrame)
    assert table.index.tolist() == paths
    assert table["score"].tolist() == detector.score(paths, "00").tolist()
    assert detector.to_frame([]).columns.tolist() == table.columns.tolist()


def test_a_table_without_pandas(detector, paths, monkeypatch):
    known = builtins.__import__

    def without(name, *rest):
        if name == "pandas":
            raise ImportError(name)
        return known(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="pip install pandas"):
        detector.to_frame(paths)


def test_explain_and_enroll(tiny, tmp_path):
    detector = Detector(tiny, "pump")
    odd = str(tiny / ODD)
    picture = detector.explain(odd, "00").write(tmp_path / "why.png")
    assert picture.stat().st_size > 10_000
    with pytest.raises(UsageError, match="one recording at a time, not 2"):
        detector.explain([odd, odd], "00")
    before = detector.score([odd], "00")
    wave = soundfile.read(odd, dtype="int16")
    with pytest.raises(UsageError, match="say which one"):
        detector.enroll([wave])
    with pytest.raises(JobError, match="0: sounds anomalous .*nothing is enrolled"):
        detector.enroll([wave], "00")
    found = detector.enroll([wave], "00", force=True)
    assert found[0].section == "00"
    assert detector.score([odd], "00") < before / 100
    assert Detector(tiny, "pump").score([odd], "00") < before / 100

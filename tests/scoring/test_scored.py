"""Scores and the detector that made them: what is written is what is read, and it scores alike."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import h5py
import numpy as np
import pytest

from asd.artifact import making, write_record
from asd.clip_table import ClipTable
from asd.config import EmbedConfig, ScoreConfig, Settings, SystemConfig
from asd.errors import JobError, UsageError
from asd.scoring import SCORERS
from asd.scoring.base import Scorer
from asd.scoring.files import official_files
from asd.scoring.scored import (
    MadeBy,
    ScoresRequest,
    ScoreTable,
    load_detector,
    make_detector,
    read_detector,
    read_scores_record,
    read_table,
    read_thresholds,
    write_scored,
)
from asd.scoring.system import SystemScores, score_recordings

SECTIONS = {"00": (30, 5), "01": (20, 0)}
MODEL = MadeBy("c" * 64, EmbedConfig(batch_size=8))


def one(scorer, model="small", **settings):
    return SystemConfig(model=model, scorer=scorer, settings=settings)


def detector_of(banks, *members, join="mean", threshold="gamma", rate=0.1):
    rule = ScoreConfig(threshold=threshold, false_alarm_rate=rate)
    models = dict.fromkeys(banks, MODEL)
    return make_detector("mine", "fan", members, join, rule, banks, models)


def written(folder, detector, table=None, join="mean"):
    """Write a detector and a table as the stage does, and read the record."""
    request = ScoresRequest(
        system="mine",
        machine="fan",
        members=detector.definition,
        join=join,
        rule=detector.rule,
        banks=dict.fromkeys(detector.models, "d" * 64),
    )
    path = folder / "mine" / "fan.json"
    with making(path, request, "numpy") as made:
        write_scored(made, table, detector, "fan")
    return read_scores_record(path)


def table_of(detector, tests):
    return ScoreTable.of(score_recordings(detector.fitted, tests), detector.deciding)


def no_fit(monkeypatch, *scorers):
    """Let no scorer, or none of the given ones, be fitted from here on."""

    def refuse(*_):
        raise AssertionError("fitted anew")

    for name in scorers or SCORERS:
        monkeypatch.setattr(SCORERS[name], "fit_section", refuse)


def check_alike(before, after, tests):
    """Check that two detectors are the same, and score bit for bit alike."""
    assert (after.system, after.machine) == (before.system, before.machine)
    assert (after.definition, after.rule) == (before.definition, before.rule)
    assert dict(after.models) == dict(before.models)
    assert after.fitted.join == before.fitted.join
    for model, bank in before.fitted.banks.items():
        assert after.fitted.banks[model].clips == bank.clips
        np.testing.assert_array_equal(after.fitted.banks[model].classes, bank.classes)
        assert set(after.fitted.banks[model].arrays) == set(bank.arrays)
    np.testing.assert_array_equal(after.fitted.training_scores(), before.fitted.training_scores())
    one, other = (score_recordings(of.fitted, tests) for of in (before, after))
    np.testing.assert_array_equal(other.scores, one.scores)
    np.testing.assert_array_equal(other.windows, one.windows)
    assert set(after.deciding) == set(before.deciding)
    for section, calibration in before.deciding.items():
        for windows in (1, 2, 7):
            assert after.deciding[section].threshold(windows) == calibration.threshold(windows)
        for score in (*calibration.scores[:3], *one.scores[:3], 1e9):
            assert after.deciding[section].p_value(score, 3) == calibration.p_value(score, 3)


@pytest.mark.parametrize("windows", [1, 3])
def test_one_member_scores_bit_for_bit_alike(
    make_bank, changed, tmp_path, monkeypatch, case, windows
):
    """Over clips that are recordings, and over windows of recordings."""

    def bank_of(clips, seed):
        bank = make_bank(clips, seed=seed)
        count = len(bank)
        names = [f"{row // windows:02d}_{bank.clips.section[row]}.wav" for row in range(count)]
        return changed(bank, recording=names, start=np.arange(count) % windows * 8000)

    name, values = case
    detector = detector_of({"small": bank_of(SECTIONS, 0)}, one(name, **values))
    tests = {"small": bank_of({"00": (8, 4), "01": (5, 2)}, 1)}
    record = written(tmp_path, detector, table_of(detector, tests))
    no_fit(monkeypatch)
    check_alike(detector, read_detector(record), tests)
    assert (set(read_table(record).windows.tolist()) > {1}) == (windows > 1)


@pytest.mark.parametrize("join", ["mean", "max"])
def test_several_members_score_bit_for_bit_alike(make_bank, tmp_path, monkeypatch, cases, join):
    """Of every scorer of the registry, over two models."""
    members = [one(name, **values) for name, values in cases] + [one("cosine", "large")]

    def banks(clips, seed):
        return {"small": make_bank(clips, seed=seed), "large": make_bank(clips, 3, seed)}

    detector = detector_of(banks(SECTIONS, 0), *members, join=join)
    tests = banks({"00": (8, 4), "01": (5, 2)}, 1)
    record = written(tmp_path, detector, table_of(detector, tests), join)
    no_fit(monkeypatch)
    check_alike(detector, read_detector(record), tests)


def test_a_named_embedding_is_kept(make_bank, tmp_path):
    def bank(seed):
        whole = make_bank(SECTIONS, seed=seed)
        other = np.random.default_rng(seed).normal(size=(len(whole), 4)).astype(np.float32)
        return whole.with_arrays({**whole.arrays, "other": other})

    member = SystemConfig(model="small", embedding="other", scorer="cosine")
    detector = detector_of({"small": bank(0)}, member)
    check_alike(detector, read_detector(written(tmp_path, detector)), {"small": bank(1)})


def test_a_detector_keeps_what_its_scorers_read(make_bank, tmp_path):
    """And what tells the nearest clip and which clips were held out; nothing else."""
    whole = make_bank(SECTIONS)
    held_out = (np.arange(len(whole)) % 4 == 0).astype(np.float32)
    bank = whole.with_arrays({**whole.arrays, "held_out": held_out, "frames": held_out})
    detector = detector_of({"small": bank}, one("error"))
    record = written(tmp_path, detector)
    kept = read_detector(record).fitted
    assert set(kept.bank.arrays) == {"embedding", "error", "held_out"}
    np.testing.assert_array_equal(kept.calibrating, held_out > 0)
    check_alike(detector, read_detector(record), {"small": bank})
    assert sorted(record.files) == ["fan.h5"]


def test_the_same_scores_give_the_same_bytes(make_bank, tmp_path):
    bank, tests = make_bank(SECTIONS), {"small": make_bank({"00": (8, 4)}, seed=1)}
    contents = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        detector = detector_of({"small": bank}, one("cosine"), one("gmm"))
        path = written(folder, detector, table_of(detector, tests)).path
        contents.append([path.with_suffix(s).read_bytes() for s in (".csv", ".h5", ".json")])
    assert contents[0] == contents[1]


@dataclass(frozen=True)
class Level:
    """What :class:`Plugin` fits; what a detector can keep is not said."""

    highest: float

    def score(self, outputs):
        return outputs["error"] - self.highest


class Plugin(Scorer):
    Config = Settings
    needs: ClassVar[Mapping[str, tuple[int, ...]]] = {"error": (1,)}
    fits: ClassVar[list[str]] = []

    def __init__(self, config):
        self.config = config

    def fit_section(self, training):
        self.fits.append(training.section)
        return Level(float(training.arrays["error"].max()))


def test_a_scorer_without_a_type_of_its_own_is_fitted_anew(make_bank, tmp_path, monkeypatch):
    monkeypatch.setitem(SCORERS._entries, "plugin", f"{__name__}:Plugin")
    monkeypatch.setattr(Plugin, "fits", [])
    sections = {"00": (3, 0), "01": (3, 0)}
    detector = detector_of({"small": make_bank(sections)}, one("plugin"), one("cosine"))
    fits = list(Plugin.fits)
    assert fits[:2] == ["00", "01"]
    record = written(tmp_path, detector)
    no_fit(monkeypatch, "cosine")
    check_alike(detector, read_detector(record), {"small": make_bank(sections, seed=1)})
    assert Plugin.fits == [*fits, "00", "01"]


def test_thresholds_are_facts_of_the_record(make_bank, changed, tmp_path):
    """Of recordings of one window always; of several as far as there are such recordings."""
    detector = detector_of({"small": make_bank(SECTIONS)}, one("cosine"), threshold="quantile")
    test = make_bank({"00": (3, 0), "01": (4, 0)}, seed=1)
    names = {"00": ["a.wav", "b.wav", "c.wav"], "01": ["a.wav", "a.wav", "a.wav", "b.wav"]}
    left = {section: iter(of) for section, of in names.items()}
    recordings = [next(left[section]) for section in test.clips.section]
    table = table_of(detector, {"small": changed(test, recording=recordings)})
    record = written(tmp_path, detector, table)
    expected = {
        section: {windows: detector.deciding[section].threshold(windows) for windows in of}
        for section, of in {"00": (1,), "01": (1, 3)}.items()
    }
    assert read_thresholds(record) == expected
    assert list(read_thresholds(record)["01"]) == [1, 3]
    limits = dict(zip(zip(table.section, table.name, strict=True), table.threshold, strict=True))
    assert limits["01", "a.wav"] == expected["01"][3].value
    assert limits["01", "b.wav"] == expected["01"][1].value
    assert expected["01"][3].value > expected["01"][1].value
    assert table.anomalous.tolist() == (table.score > table.threshold).tolist()
    # Without a table they are those of one window.
    alone = read_thresholds(written(tmp_path / "alone", detector))
    assert {section: list(of) for section, of in alone.items()} == {"00": [1], "01": [1]}


def test_a_recording_of_several_windows_has_its_own_decision(make_bank):
    detector = detector_of(
        {"small": make_bank(SECTIONS)}, one("cosine"), threshold="quantile", rate=0.2
    )
    single, three = (detector.deciding["00"].threshold(windows) for windows in (1, 3))
    between = (single.value + three.value) / 2
    columns = {"recording": ["long.wav", "short.wav"], "section": ["00", "00"]}
    scores = SystemScores(ClipTable.of_columns(columns), np.array([between] * 2), np.array([3, 1]))
    table = ScoreTable.of(scores, detector.deciding)
    assert dict(zip(table.name, table.anomalous, strict=True)) == {
        "long.wav": False,
        "short.wav": True,
    }


def test_an_infinite_threshold(make_bank, tmp_path):
    """Too few training clips for the rate: no alarm, written as JSON has it and as CSV has it."""
    detector = detector_of(
        {"small": make_bank({"00": (4, 1)})}, one("cosine"), threshold="conformal"
    )
    tests = {"small": make_bank({"00": (3, 0)}, seed=1)}
    record = written(tmp_path, detector, table_of(detector, tests))
    assert read_thresholds(record)["00"][1].value == np.inf
    assert "Infinity" not in record.path.read_text()
    table = read_table(record)
    assert table.threshold.tolist() == [np.inf] * 3
    assert not table.anomalous.any()
    check_alike(detector, read_detector(record), tests)


def some_scores(names, values):
    columns = {
        "name": names,
        "recording": names,
        "section": ["00"] * len(names),
        "content": [f"{i:064x}" for i in range(len(names))],
    }
    return SystemScores(
        ClipTable.of_columns(columns), np.array(values), np.ones(len(names), np.int64)
    )


def test_a_table_is_read_back(make_bank, tmp_path):
    detector = detector_of({"small": make_bank({"00": (12, 0)})}, one("cosine"))
    names = ["b,c.wav", "a.wav", 'say "d".wav', "sub/ä e.wav", "line\nbreak.wav"]
    values = [0.1 + 0.2, -1e-300, 1e300, 2.0, 5e-324]
    table = ScoreTable.of(some_scores(names, values), detector.deciding)
    read = read_table(written(tmp_path, detector, table))
    order = table.rows()
    assert [table.name[row] for row in order] == sorted(names)
    assert read.name == tuple(table.name[row] for row in order)
    assert read.section == ("00",) * 5
    assert read.content == tuple(table.content[row] for row in order)
    for column in ("windows", "score", "threshold", "anomalous"):
        found, expected = getattr(read, column), getattr(table, column)[order]
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert official_files("fan", read) == official_files("fan", table)


def test_a_machine_without_test_clips_has_an_empty_table(make_bank, tmp_path):
    bank = make_bank(SECTIONS)
    detector = detector_of({"small": bank}, one("cosine"))
    record = written(tmp_path, detector, table_of(detector, {"small": bank.empty()}))
    assert len(read_table(record)) == 0
    assert official_files("fan", read_table(record)) == {}
    assert list(read_thresholds(record)) == ["00", "01"]


def test_what_cannot_be_told_apart_or_compared_is_refused(make_bank):
    deciding = detector_of({"small": make_bank({"00": (12, 0)})}, one("cosine")).deciding
    with pytest.raises(JobError, match=r"the score of 'b.wav' is not finite"):
        ScoreTable.of(some_scores(["a.wav", "b.wav"], [1.0, np.nan]), deciding)
    with pytest.raises(JobError, match=r"clip 'a.wav' comes twice"):
        ScoreTable.of(some_scores(["a.wav", "a.wav"], [1.0, 0.0]), deciding)


@pytest.fixture
def record(make_bank, tmp_path):
    detector = detector_of({"small": make_bank(SECTIONS)}, one("cosine"))
    tests = {"small": make_bank({"00": (3, 0)}, seed=1)}
    return written(tmp_path, detector, table_of(detector, tests))


def refused(record, read, reason):
    """Check that reading is refused in one line that names file and way out."""
    with pytest.raises(JobError, match=reason) as caught:
        read(record)
    line = str(caught.value)
    assert str(record.path.parent) in line
    assert "asd score" in line
    assert "\n" not in line


@pytest.mark.parametrize(("suffix", "read"), [(".csv", read_table), (".h5", read_detector)])
def test_damaged_files_are_refused(record, suffix, read):
    path = record.path.with_suffix(suffix)
    whole = path.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(broken)
        refused(record, read, "is not what was written")
    path.unlink()
    refused(record, read, "lost")


def vouched(record):
    """Let the record say that the files are what they are now."""
    write_record(record.path, record.asked(ScoresRequest), ["fan.csv", "fan.h5"], record.facts)
    return read_scores_record(record.path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "section,name\n",
        "section,name,content,windows,score,threshold,anomalous\n00,a.wav\n",
        "section,name,content,windows,score,threshold,anomalous\n00,a.wav,,1,x,0.0,0\n",
        "section,name,content,windows,score,threshold,anomalous\n00,a.wav,,x,1.0,0.0,0\n",
        'section,name,content,windows,score,threshold,anomalous\n00,"b\nc",,1,"x\ny",0.0,0\n',
        "\0\0\0",
    ],
)
def test_other_tables_are_refused(record, text):
    """Even where the record vouches for them."""
    record.path.with_suffix(".csv").write_text(text)
    refused(vouched(record), read_table, r"fan.csv: not readable")


def without_content(file):
    del file["content"]


def without_arrays(file):
    for name in list(file):
        if name.startswith("array."):
            del file[name]


def no_json(file):
    file["content"][0] = 0


def edited(change):
    """Return what changes the JSON in a file."""

    def edit(file):
        content = json.loads(file["content"][...].tobytes())
        change(content)
        del file["content"]
        file["content"] = np.frombuffer(json.dumps(content).encode(), np.uint8)

    return edit


CHANGES = {
    "no content": without_content,
    "no arrays": without_arrays,
    "no JSON": no_json,
    "unknown scorer": edited(lambda of: of["definition"][0].update(scorer="cosin")),
    "other settings": edited(lambda of: of["definition"][0].update(settings={"bins": 1})),
    "other fields": edited(lambda of: of["fitted"][0]["00"].update(more=1)),
    "fewer members": edited(lambda of: of.update(fitted=[])),
    "no mapping": edited(lambda of: of.update(banks=[1, 2])),
    "other threshold": edited(lambda of: of["thresholds"]["00"]["1"].update(method="x")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_detectors_are_refused(record, change):
    """Even where the record vouches for them."""
    path = record.path.with_suffix(".h5")
    with h5py.File(path, "r+") as file:
        change(file)
    refused(vouched(record), read_detector, r"fan.h5: not readable")
    with pytest.raises(JobError, match=r"fan.h5: not readable"):
        load_detector(path)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"thresholds": []},
        {"thresholds": {"00": []}},
        {"thresholds": {"00": {"x": {}}}},
        {"thresholds": {"00": {"1": {"value": 1}}}},
        {"thresholds": {"00": {"1": {"value": "x", "method": "gamma", "rate": 0.1, "count": 1}}}},
        {"thresholds": {"00": {"1": {"value": 1.0, "method": "gama", "rate": 0.1, "count": 1}}}},
        {"thresholds": {"00": {"1": {"value": 1.0, "method": "gamma", "rate": 1.5, "count": 1}}}},
    ],
)
def test_other_thresholds_are_refused(record, facts):
    other = replace(record, facts=facts)
    refused(other, read_thresholds, "not readable")


def test_missing_and_other_records(record, tmp_path):
    with pytest.raises(UsageError, match="run 'asd score' first"):
        read_scores_record(tmp_path / "fan.json")
    whole = record.path.read_text()
    for text in ("", "[]", "{}", whole.replace('"system": "mine"', '"system": "yours"')):
        record.path.write_text(text)
        with pytest.raises(JobError, match="not a readable scores record.*asd score") as caught:
            read_scores_record(record.path)
        assert "\n" not in str(caught.value)

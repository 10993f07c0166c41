"""asd report, on a small project that the stages before could have left."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.artifact import making
from asd.clip_table import ClipTable
from asd.clips.record import Clip
from asd.digest import sha256_file
from asd.scoring.bank import Bank, BanksRequest, write_banks
from asd.store import FeatureStore, ShardSpec, ShardWriter
from asd.training.artifact import ModelRequest
from tests.made import a_clip, replace_in, run_verbs

PARAMS = """
dataset: {name: own, rules: "2022", raw: data/raw, machines: [fan]}
features: {logmel: {extractor: logmel}, wave: {extractor: wave}}
models: {m: {features: [logmel]}, t: {features: [logmel, wave]}}
systems:
  "1": {model: m, scorer: posterior}
  "2": {model: t, scorer: posterior}
evaluate: {bootstrap: 20, seed: 0}
"""
RATE, LENGTH = 16000, 800
REPORTS = Path("data") / "reports"


def wave_of(clip: Clip) -> np.ndarray:
    seed = sum(clip.name.encode())
    return np.random.default_rng(seed).integers(-9000, 9000, LENGTH).astype(np.int16)


def make_clip(name: str, section: str, domain: str, label: str, **known: str) -> Clip:
    values = {"section": section, "domain": domain, "label": label, "split": "test"} | known
    path = f"fan/{values['split']}/{name}"
    return a_clip(
        path,
        RATE,
        LENGTH,
        attributes="sp=1;mic=2",
        digest=sha256(path.encode()).hexdigest(),
        **values,
    )


def make_clips() -> list[Clip]:
    clips = [
        make_clip(f"section_{section}_{domain}_test_{label}_{i:04d}.wav", section, domain, label)
        for section in ("00", "01")
        for domain in ("source", "target")
        for label in ("normal", "anomaly")
        for i in range(4)
    ]
    clips += [
        make_clip(f"section_{section}_train.wav", section, "source", "normal", split="train")
        for section in ("00", "01")
    ]
    return [*clips, make_clip("broken.wav", "00", "", "", status="cannot be read")]


def write_project(folder: Path, write_index: Callable, write_scores: Callable) -> None:
    """Write the files that the stages before `report` leave."""
    rng = np.random.default_rng(0)
    clips = make_clips()
    usable = [clip for clip in clips if clip.usable and clip.split == "test"]
    write_index(folder, "fan", clips)
    for system, gap in (("1", 0.5), ("2", 2.0)):
        sections = {}
        for section in ("00", "01"):
            names = [clip.name for clip in usable if clip.section == section]
            scores = rng.normal(size=16) + gap * np.array(["anomaly" in n for n in names])
            sections[section] = (names, scores)
        write_scores(folder, system, "fan", sections, 1.0)
    for model in ("m", "t"):
        write_model(folder / "data", model, usable, rng)
    store = FeatureStore(folder / "data" / "features")
    for section in ("00", "01"):
        of_section = [clip for clip in usable if clip.section == section]
        waves = np.stack([wave_of(clip) for clip in of_section])
        write_shard(store, "wave", section, of_section, waves)
        write_shard(
            store, "logmel", section, of_section, rng.normal(size=(16, 8, 4)).astype(np.float16)
        )


def write_model(data: Path, model: str, clips: list[Clip], rng: np.random.Generator) -> None:
    request = ModelRequest(
        version=1,
        machine="fan",
        machines=(),
        model={},
        train={"seed": 7 if model == "m" else 8},
        inputs={},
        shapes={},
        recipes={},
        task="sections",
        classes=("00", "01"),
        attribute_classes=(),
        attribute_head=False,
    )
    with making(data / "models" / model / "fan" / "record.json", request, "torch") as made:
        made.text("history.csv", "epoch,loss,note\n1,2.5,\n2,1.5,\n")
    arrays = {"embedding": rng.normal(size=(len(clips), 6)).astype(np.float32)}
    bank = Bank(ClipTable.of(clips), np.full(len(clips), -1, np.int32), arrays)
    asked = BanksRequest(machine="fan", model="", inputs={}, params={})
    path = data / "banks" / model / "fan" / "record.json"
    write_banks(path, asked, bank, bank.without_truth(), {})


def write_shard(
    store: FeatureStore, feature: str, section: str, clips: list[Clip], rows: np.ndarray
) -> None:
    spec = ShardSpec("fan", feature, section, "test", {}, rows.shape[1:], rows.dtype.name)
    path = store.path("fan", feature, section, "test")
    with ShardWriter(path, spec, ClipTable.of(clips)) as writer:
        writer.write(np.arange(len(clips)), rows)
        writer.finish()


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    write_index: Callable,
    write_scores: Callable,
) -> Path:
    """The project, evaluated."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "params.yaml").write_text(PARAMS)
    write_project(folder, write_index, write_scores)
    run_verbs(folder, "evaluate")
    return folder


@pytest.fixture
def whole(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, as the current folder."""
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def project(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, for tests of other things than maps, which take their time."""
    monkeypatch.setattr("asd.stages.material.lay_out", lambda points: points[:, :2])
    return whole


def test_tables_and_page_hold_the_figures(project: Path, asd: Callable) -> None:
    assert asd("report").code == 0
    metrics = json.loads((REPORTS / "metrics.json").read_text())["systems"]
    rows = list(csv.DictReader(io.StringIO((REPORTS / "results.csv").read_text())))
    for name, system in metrics.items():
        assert rows[0][name] == f"{100 * system['machines']['fan']['score']:.2f}"
        assert rows[-1][f"{name} low"] == f"{100 * system['interval']['low']:.2f}"
    text = (REPORTS / "results.md").read_text()
    assert f"{100 * metrics['2']['score']:.2f} [" in text
    best = max(metrics, key=lambda name: metrics[name]["score"])
    assert f"System {best} is best at" in text
    page = (REPORTS / "report.html").read_text()
    for words in ("1 x cannot be read", "fan / wave", "8 x 4 float16", "sp 1, mic 2"):
        assert words in page
    # Both models' seeds, and the version that they share.
    for name, value in (("train.seed", "7, 8"), ("versions.torch", version("torch"))):
        assert f'<th scope="row">{name}</th><td><code>{value}</code></td>' in page


def test_all_is_written_and_the_same_each_time(whole: Path, asd: Callable) -> None:
    listed = json.loads(asd("report", "--json").out)
    first = {entry["file"]: Path(entry["file"]).read_bytes() for entry in listed}
    assert {entry["file"]: entry["bytes"] for entry in listed} == {
        name: len(data) for name, data in first.items()
    }
    done = asd("report")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(
        r"report: 2 systems on 1 machine, 8 pictures -> data/reports/report\.html \(0\.\d MB\),"
        r" results\.md, results\.csv, figures\n",
        done.out,
    )
    assert first == {name: Path(name).read_bytes() for name in first}


def test_sounds_are_the_clips_of_the_store(project: Path, asd: Callable) -> None:
    asd("report")
    page = (REPORTS / "report.html").read_text()
    found = re.findall(r'src="data:audio/mpeg;base64,([^"]*)" aria-label="Sound of ([^"]*)"', page)
    assert len(found) == 6
    by_name = {clip.name: clip for clip in make_clips()}
    for data, name in found:
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")
        assert rate == RATE
        assert np.corrcoef(samples, wave_of(by_name[name]))[0, 1] > 0.9


@pytest.mark.parametrize(("changed", "sounds"), [(False, 6), (True, 0)])
def test_sounds_come_from_the_recordings_of_the_index_where_the_store_has_none(
    project: Path, asd: Callable, write_index: Callable, changed: bool, sounds: int
) -> None:
    shutil.rmtree("data/features/fan/wave")
    clips = []
    for one in make_clips():
        path = Path("data/raw") / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wave_of(one), RATE, subtype="PCM_16")
        clips.append(replace(one, digest=sha256_file(path)))
        if changed:
            soundfile.write(path, wave_of(one)[::-1], RATE, subtype="PCM_16")
    write_index(Path(), "fan", clips)
    asd("report")
    assert (REPORTS / "report.html").read_text().count("<audio") == sounds


def test_what_is_optional_may_be_missing(project: Path, asd: Callable) -> None:
    shutil.rmtree("data/features")
    shutil.rmtree("data/models")
    assert asd("report").code == 0
    page = (REPORTS / "report.html").read_text()
    assert "No shard was found in the feature store" in page
    assert "No training history" in page
    assert "<audio" not in page
    assert "3 without sound: " in page
    assert "<img" not in page


def test_there_is_room_for_some_sounds_only(
    project: Path, asd: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asd.stages.material.SOUND_BYTES", 5000)
    asd("report")
    page = (REPORTS / "report.html").read_text()
    # Two fit, and each section gets one of them.
    names = re.findall(r'aria-label="Sound of (section_\d\d)', page)
    assert names == ["section_00", "section_01"]
    assert page.count("2 without sound: ") == 2


def test_seeds_are_averaged(project: Path, asd: Callable) -> None:
    other = json.loads((REPORTS / "metrics.json").read_text())
    first = other["systems"]["1"]["score"]
    other["systems"]["1"]["score"] = first + 0.1
    Path("other.json").write_text(json.dumps(other))
    assert asd("report", "--metrics", "other.json").code == 0
    assert (
        f"{100 * (first + 0.05):.2f} ± {100 * 0.1 / 2**0.5:.2f}"
        in (REPORTS / "results.md").read_text()
    )


def test_the_paper_stands_beside_its_own_data_set(project: Path, asd: Callable) -> None:
    params = Path("pipeline/params.yaml")
    replace_in(params, "name: own", "name: dcase2022")
    asd("report")
    assert "## Table III of the paper" in (REPORTS / "results.md").read_text()
    assert "paper 74.54" in (REPORTS / "report.html").read_text()


@pytest.mark.parametrize(
    ("gone", "verb"),
    [
        ("data/reports/evaluate.json", "evaluate"),
        ("data/index/fan.csv", "index"),
        ("data/scores", "score"),
        ("data/banks/t/fan/record.json", "embed"),
    ],
)
def test_what_is_missing_names_the_verb(project: Path, asd: Callable, gone: str, verb: str) -> None:
    path = Path(gone)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = asd("report")
    assert done.code == 2
    assert done.out == ""
    assert re.fullmatch(rf"asd: {gone}[^\n]*run 'asd {verb}' first\n", done.err), done.err


@pytest.mark.parametrize(
    ("gone", "verb"),
    [
        ("data/reports/metrics.json", "evaluate"),
        ("data/reports/roc/1.csv", "evaluate"),
        ("data/scores/1/fan.csv", "score"),
        ("data/banks/t/fan/test.h5", "embed"),
    ],
)
def test_a_file_that_its_record_names_is_lost(
    project: Path, asd: Callable, gone: str, verb: str
) -> None:
    Path(gone).unlink()
    done = asd("report")
    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(rf"asd: {gone}: lost: [^\n]*; run 'asd {verb}'\n", done.err), done.err


@pytest.mark.parametrize(
    ("name", "text", "verb"),
    [("history.csv", "epoch,loss\n1,many\n", "train"), ("record.json", "[", "train")],
)
def test_what_is_damaged_is_named(
    project: Path, asd: Callable, name: str, text: str, verb: str
) -> None:
    Path("data/models/m/fan", name).write_text(text)
    done = asd("report")
    assert done.code == 1
    assert re.fullmatch(rf"asd: data/models/m/fan/{name}: [^\n]*run 'asd {verb}'[^\n]*\n", done.err)

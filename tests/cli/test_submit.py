"""asd submit, in a project of two machines with labelled and unlabelled sections."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from safetensors.numpy import save_file

from asd.artifact import making, write_record
from asd.clips.record import Clip
from asd.scoring.files import official_files
from asd.scoring.scored import read_scores_record, read_table
from asd.training.artifact import CheckpointRequest, ModelRequest
from tests.made import replace_in

MACHINES = ("fan", "valve")
CLIPS = {"00": 16, "03": 10}  # test clips of the labelled and of the unlabelled section
PARAMS = """
dataset: {name: own, rules: "2022", raw: data/raw, machines: [fan, valve]}
features: {logmel: {}, wave: {}, speech: {extractor: ptm, checkpoint: data/checkpoints/ptm}}
models:
  logmel: {features: [logmel, wave]}
  ltp: {features: [logmel, wave, speech], losses: {auxiliary: 1}}
systems:
  "1": {model: logmel, scorer: posterior}
  "6": {model: ltp, scorer: cosine}
  unscored: {model: ltp, scorer: cosine}
evaluate: {bootstrap: 0}
"""
LABEL = "Tanaka_UT_task2_1"
SUBMIT = ("submit", "--system", "6", "--author", "Tanaka", "--institute", "UT")


def clips(machine: str) -> list[Clip]:
    """Return an index: labelled test clips of section 00, unlabelled ones of 03, and training."""
    rows = [
        (f"section_00_{domain}_test_{label}_{i:04d}.wav", "00", domain, "test", label)
        for domain in ("source", "target")
        for label in ("normal", "anomaly")
        for i in range(CLIPS["00"] // 4)
    ]
    rows += [(f"section_03_{i:04d}.wav", "03", "", "test", "") for i in range(CLIPS["03"])]
    rows += [(f"section_{s}_train.wav", s, "source", "train", "normal") for s in CLIPS]
    return [
        Clip(
            f"{machine}/{split}/{name}", name, name, machine, section, domain, split, label,
            "", 16000, 1, 160000, 160000, "", "ab" * 32, "ok",
        )
        for name, section, domain, split, label in rows
    ]  # fmt: skip


def system_scores(machine: str, seed: int) -> dict[str, tuple[list[str], np.ndarray]]:
    rng = np.random.default_rng([seed, len(machine)])
    sections = {}
    for section in CLIPS:
        names = [c.name for c in clips(machine) if (c.section, c.split) == (section, "test")]
        odd = np.array(["anomaly" in name for name in names])
        sections[section] = (names, rng.normal(size=len(names)) + odd)
    return sections


def write_model(folder: Path, machine: str, rows: int, attribute_head: bool = False) -> None:
    shapes = {"tdnn.weight": (10, 3), "tdnn.running_mean": (10,), "primary.weight": (rows, 4)}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    request = ModelRequest(
        version=1,
        machine=machine,
        machines=(),
        model={
            "features": ["logmel"],
            "network": "tdnn",
            "head": {},
            "settings": {"channels": [5], "kernels": [3], "dilations": [1], "embedding": 6},
        },
        train={},
        inputs={},
        shapes={"logmel": (8, 20)},
        recipes={},
        task="sections",
        classes=("00", "03"),
        attribute_classes=(),
        attribute_head=attribute_head,
    )
    with (
        making(folder / machine / "record.json", request) as made,
        made.file("weights.safetensors") as beside,
    ):
        save_file(arrays, beside)


def write_checkpoint_record(folder: Path, base: dict[str, str]) -> None:
    request = CheckpointRequest(
        version=1, base=base, params={}, inputs="", sample_rate=16000, channel=0
    )
    write_record(folder / "record.json", request, [path.name for path in folder.glob("*s")], {})


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_index: Callable, write_scores: Callable
) -> Path:
    """A project whose systems 1 and 6 are scored, not yet evaluated."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "params.yaml").write_text(PARAMS)
    data = tmp_path / "data"
    for number, machine in enumerate(MACHINES):
        write_index(tmp_path, machine, clips(machine))
        write_model(data / "models" / "logmel", machine, 2 + number)
        write_model(data / "models" / "ltp", machine, 2, attribute_head=machine == "fan")
        for seed, system in enumerate("16"):
            write_scores(tmp_path, system, machine, system_scores(machine, seed), 0.5)
    checkpoint = data / "checkpoints" / "ptm"
    checkpoint.mkdir(parents=True)
    save_file({"encoder.weight": np.zeros((50, 2), np.float32)}, checkpoint / "model.safetensors")
    head = {"projection.weight": np.zeros((4, 2)), "projection.bias": np.zeros(4)}
    save_file(head | {"pca.weight": np.zeros((9, 9))}, checkpoint / "asd_head.safetensors")
    write_checkpoint_record(checkpoint, {"name": "facebook/wav2vec2-base", "digest": "ab"})
    monkeypatch.chdir(tmp_path)
    return data


def meta_of(project: Path, label: str = LABEL) -> Any:
    path = project / "submissions" / "Tanaka_UT" / "task2" / label / f"{label}.meta.yaml"
    return YAML(typ="safe", pure=True).load(path.read_text())


def members(project: Path) -> list[str]:
    with zipfile.ZipFile(project / "submissions" / "Tanaka_UT.zip") as archive:
        return archive.namelist()


def test_the_unlabelled_sections_are_packed_and_pass(project: Path, asd: Callable) -> None:
    assert asd("evaluate").code == 0
    done = asd(*SUBMIT)
    assert (done.code, done.err) == (0, "")
    assert f"{LABEL}, 2 sections, 20 clips" in done.out
    assert "note:" not in done.out
    assert members(project) == [
        f"task2/{LABEL}/{name}"
        for name in (
            f"{LABEL}.meta.yaml",
            "anomaly_score_fan_section_03_test.csv",
            "anomaly_score_valve_section_03_test.csv",
            "decision_result_fan_section_03_test.csv",
            "decision_result_valve_section_03_test.csv",
        )
    ]
    name = "anomaly_score_fan_section_03_test.csv"
    packed = project / "submissions" / "Tanaka_UT" / "task2" / LABEL / name
    table = read_table(read_scores_record(project / "scores" / "6" / "fan.json"))
    assert packed.read_text() == official_files("fan", table)[name]


def test_the_facts_of_the_system_are_filled_in(project: Path, asd: Callable) -> None:
    asd("evaluate")
    asd(*SUBMIT)
    meta = meta_of(project)
    description = meta["system"]["description"]
    assert description["acoustic_features"] == (
        "log-mel energies, raw waveform, pre-trained features"
    )
    assert description["embeddings"] == "facebook/wav2vec2-base"
    assert description["attribute_usage"] == "classification"
    # 30 + 2 * 4 of a model, 50 * 2 of wav2vec 2.0, 4 * 2 + 4 of its projection
    # Of this checkpoint no network can be built, and nothing is guessed.
    assert meta["system"]["complexity"] == {"total_parameters": 150, "macs": None}
    (external,) = meta["system"]["external_datasets"]
    assert external["url"] == "https://huggingface.co/facebook/wav2vec2-base"
    metrics = json.loads((project / "reports" / "metrics.json").read_text())
    section = metrics["systems"]["6"]["machines"]["fan"]["sections"]["00"]
    assert meta["results"]["development_dataset"]["fan"] == {
        f"harmonic_mean_{name}": pytest.approx(100 * section[name], abs=1e-4)
        for name in ("auc_source", "auc_target", "pauc")
    }


def test_a_model_without_pretrained_features_counts_its_largest_network(
    project: Path, asd: Callable
) -> None:
    asd("submit", "--system", "1", "--author", "Tanaka", "--institute", "UT")
    meta = meta_of(project)
    # 20 frames of 5 channels, each of 8 bands in 3 frames; then the embedding and two classes.
    macs = 20 * 5 * 8 * 3 + 2 * 5 * 6 + 6 * 2
    assert meta["system"]["complexity"] == {"total_parameters": 30 + 3 * 4, "macs": macs}
    assert meta["system"]["description"]["embeddings"] is None
    assert meta["system"]["external_datasets"] is None


def test_the_model_built_here_is_nothing_external(project: Path, asd: Callable) -> None:
    write_checkpoint_record(project / "checkpoints" / "ptm", {"name": "builtin:tiny"})
    assert asd(*SUBMIT).code == 0
    assert meta_of(project)["system"]["external_datasets"] is None


def test_the_same_project_gives_the_same_zip(project: Path, asd: Callable) -> None:
    archive = project / "submissions" / "Tanaka_UT.zip"
    asd("evaluate")
    asd(*SUBMIT)
    first = archive.read_bytes()
    archive.unlink()
    asd(*SUBMIT)
    assert archive.read_bytes() == first


def test_edits_and_the_technical_report_get_into_the_zip(project: Path, asd: Callable) -> None:
    asd(*SUBMIT)
    folder = project / "submissions" / "Tanaka_UT" / "task2"
    path = folder / LABEL / f"{LABEL}.meta.yaml"
    replace_in(path, "FILL_IN", "known")
    (folder / "Tanaka_UT_task2.technical_report.pdf").write_bytes(b"%PDF")
    asd("evaluate")
    done = asd(*SUBMIT)
    assert "warning" not in done.out.replace("0 warnings", "")
    assert "task2/Tanaka_UT_task2.technical_report.pdf" in members(project)
    assert meta_of(project)["submission"]["authors"][0]["firstname"] == "known"
    assert meta_of(project)["results"]["development_dataset"].keys() == set(MACHINES)


def test_a_second_system_goes_into_the_same_package(project: Path, asd: Callable) -> None:
    asd(*SUBMIT)
    done = asd("submit", "--system", "1", *SUBMIT[3:], "--number", "2")
    assert done.code == 0
    assert f"{LABEL}, Tanaka_UT_task2_2, 4 sections, 40 clips" in done.out
    taken = asd("submit", "--system", "1", *SUBMIT[3:])
    assert (taken.code, taken.err.count("\n")) == (2, 1)
    assert "is system '6' already; give another --number" in taken.err


@pytest.mark.parametrize(("part", "sections"), [("dev", ["00"]), ("all", ["00", "03"])])
def test_the_part_can_be_chosen(
    part: str, sections: list[str], project: Path, asd: Callable
) -> None:
    asd(*SUBMIT)
    assert asd(*SUBMIT, "--part", part).code == 0
    scores = [name for name in members(project) if "anomaly_score_fan" in name]
    assert scores == [
        f"task2/{LABEL}/anomaly_score_fan_section_{section}_test.csv" for section in sections
    ]
    archive = project / "submissions" / "Tanaka_UT.zip"
    assert asd("submit", "--check", archive, "--part", part).code == 0
    assert asd("submit", "--check", archive).code == 1


def test_without_unlabelled_sections_all_are_packed_with_a_note(
    project: Path, asd: Callable, write_index: Callable
) -> None:
    for machine in MACHINES:
        labelled = [clip for clip in clips(machine) if clip.section == "00"]
        write_index(project.parent, machine, labelled)
    done = asd(*SUBMIT)
    assert done.code == 0
    assert "note: no test clips without labels; all are taken" in done.out
    assert asd(*SUBMIT, "--part", "eval").code == 2


def test_results_are_left_out_unless_they_are_of_these_scores(
    project: Path, asd: Callable, write_scores: Callable
) -> None:
    done = asd(*SUBMIT)
    assert "metrics.json: no such file, so no results are given; run 'asd evaluate'" in done.out
    assert meta_of(project)["results"]["development_dataset"] == {}
    asd("evaluate")
    for machine in MACHINES:
        write_scores(project.parent, "6", machine, system_scores(machine, 5), 0.5)
    done = asd(*SUBMIT)
    assert "metrics.json: not of these scores, so no results are given" in done.out
    assert meta_of(project)["results"]["development_dataset"] == {}


def test_clips_without_scores_stop_it_before_anything_is_written(
    project: Path, asd: Callable, write_index: Callable
) -> None:
    more = replace(clips("fan")[-3], name="more.wav", recording="more.wav")
    write_index(project.parent, "fan", [*clips("fan"), more])
    done = asd(*SUBMIT)
    assert done.code == 1
    assert "1 of 11 clips missing: more.wav" in done.err
    assert not (project / "submissions").exists()


def test_a_damaged_table_stops_it_before_anything_is_written(project: Path, asd: Callable) -> None:
    path = project / "scores" / "6" / "fan.csv"
    replace_in(path, "section_03_0000", "section_03_0001")
    done = asd(*SUBMIT)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "scores/6/fan.csv: is not what was written" in done.err
    assert not (project / "submissions").exists()


def test_a_section_without_scores_is_named(
    project: Path, asd: Callable, write_scores: Callable
) -> None:
    scored = {"00": system_scores("valve", 1)["00"]}
    write_scores(project.parent, "6", "valve", scored, 0.5)
    done = asd(*SUBMIT)
    assert (done.code, done.err.count("\n")) == (1, 2)
    for line, kind in zip(done.err.splitlines(), ("anomaly_score", "decision_result"), strict=True):
        assert f"scores/6/valve.json: no scores of section 03 ({kind}); run 'asd score'" in line
    done = asd("submit", "--system", "unscored", *SUBMIT[3:])
    assert (done.code, done.err.count("\n")) == (1, 4)
    assert "scores/unscored/fan.json: no scores of section 03" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--system", "7"], "unknown system '7'; known: 1, 6, unscored"),
        ([], "which system? give --system NAME; known: 1, 6, unscored"),
        (["--system", "6", "--number", "5"], "--number"),
        (["--system", "6", "--author", "de Vries"], "letters, digits and '-' alone"),
        (["--system", "6", "--check", "."], "not both"),
        (["--check", "none.zip"], "none.zip: no such package"),
    ],
)
def test_wrong_use_is_said_on_one_line(
    arguments: list[str], message: str, project: Path, asd: Callable
) -> None:
    done = asd("submit", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("rules", ["2020", "2021"])
def test_years_that_named_files_otherwise_are_noted(
    rules: str, project: Path, asd: Callable
) -> None:
    Path("pipeline/params.yaml").write_text(PARAMS.replace("2022", rules))
    done = asd(*SUBMIT)
    assert done.code == 0
    assert f"note: the challenge of {rules} named files otherwise" in done.out


@pytest.mark.parametrize(
    ("missing", "verb"),
    [
        ("index/fan.csv", "asd index"),
        ("models/ltp/fan/record.json", "asd train"),
        ("checkpoints/ptm/record.json", "asd finetune"),
    ],
)
def test_what_has_not_run_yet_is_named(
    missing: str, verb: str, project: Path, asd: Callable
) -> None:
    (project / missing).unlink()
    done = asd(*SUBMIT)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert missing in done.err
    assert verb in done.err


def test_a_record_of_another_kind_is_a_failed_job(project: Path, asd: Callable) -> None:
    (project / "models" / "ltp" / "fan" / "record.json").write_text("[]")
    done = asd(*SUBMIT)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "record.json: not a readable model record" in done.err


def test_a_package_is_checked_outside_of_any_project(
    project: Path, asd: Callable, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asd(*SUBMIT)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    package = project / "submissions" / "Tanaka_UT"
    done = asd("submit", "--check", package)
    assert (done.code, done.err) == (0, "")
    assert "which clips are wanted is not known" in done.out
    (package / "task2" / LABEL / "anomaly_score_fan_section_03_test.csv").write_text("a.wav,x\n")
    done = asd("submit", "--check", package)
    assert done.code == 1
    assert "line 1: score 'x' is not a number" in done.err
    assert asd("submit", "--check", package, "--part", "eval").code == 2


def test_outside_of_any_project_there_is_nothing_to_write(
    asd: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = asd("submit", "--system", "1")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "asd init demo" in done.err


def test_json_says_what_was_written(project: Path, asd: Callable) -> None:
    done = asd(*SUBMIT, "--json")
    (result,) = json.loads(done.out)
    assert (result["systems"], result["sections"], result["clips"]) == ([LABEL], 2, 20)
    assert any("FILL_IN is left on line" in warning for warning in result["warnings"])


def test_unreadable_test_clips_are_warned_of(
    project: Path, asd: Callable, write_index: Callable
) -> None:
    broken = replace(clips("fan")[-3], name="broken.wav", status="not readable")
    write_index(project.parent, "fan", [*clips("fan"), broken])
    done = asd(*SUBMIT)
    assert done.code == 0
    assert "warning: 1 test clip could not be read and have no score" in done.out

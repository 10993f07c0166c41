"""`asd status`: what is there, out of date or missing, without computing anything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile

from asd.artifact import write_record
from asd.clips.record import read_index
from asd.params import load_params
from asd.training.finetune import request_of, training_recordings
from asd.training.pretrained import base_digest, find_base
from asd.workspace import PARAMS
from tests.made import replace_in, run_verbs

Status = Callable[[], dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def whole(tiny_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project with figures and report."""
    root = tmp_path_factory.mktemp("status") / "project"
    shutil.copytree(tiny_template, root)
    params = root / "pipeline" / "params.yaml"
    params.write_text(params.read_text() + "evaluate: {bootstrap: 0}\n")
    run_verbs(root, "evaluate", "report")
    return root


@pytest.fixture
def project(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # With times, so that no recording looks younger than the index.
    shutil.copytree(whole, tmp_path / "project", copy_function=shutil.copy2)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def status(asd: Callable) -> Status:
    def found() -> dict[str, dict[str, Any]]:
        done = asd("status", "--json")
        assert done.code == 0, done.err
        return {row["stage"]: row for row in json.loads(done.out)}

    return found


def test_a_whole_project_is_current(project: Path, asd: Callable, status: Status) -> None:
    assert {stage: row["state"] for stage, row in status().items()} == {
        "index": "current",
        "finetune": "unused",
        **dict.fromkeys(("extract", "train", "embed", "score", "evaluate", "report"), "current"),
    }
    lines = asd("status").out.splitlines()
    assert lines[0] == "index     pump  current  26 clips"
    assert lines[-1] == "nothing to do"


def test_an_empty_project_lacks_everything(project: Path, asd: Callable, status: Status) -> None:
    shutil.rmtree("data")
    assert {row["state"] for row in status().values()} == {"missing", "unused"}
    assert asd("status").out.splitlines()[-1] == "next: asd index"


NO_SOUND = {
    "synthesised": ("rules: '2020'", "rules: '2020'", "synth: {machines: [pump]}", "synth"),
    "of other machines": ("rules: '2020'", "rules: '2020'", "synth: {machines: [fan]}", "index"),
    "a challenge": (
        "name: tiny, rules: '2020', raw: raw,",
        "name: dcase2020, rules: '2020', raw: data/raw/dcase2020,",
        "",
        "download dcase2020",
    ),
    "somebody's copy of it": ("name: tiny,", "name: dcase2020,", "", "index"),
}


@pytest.mark.parametrize("where", NO_SOUND)
def test_sound_that_is_not_there_comes_first(project: Path, asd: Callable, where: str) -> None:
    old, new, section, verb = NO_SOUND[where]
    replace_in(PARAMS, old, new)
    path = Path("pipeline/params.yaml")
    path.write_text(f"{path.read_text()}{section}\n")
    place = project / load_params(path).dataset.raw
    shutil.move("raw", project / "elsewhere")
    assert asd("status").out.splitlines()[-1] == f"next: asd {verb}"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(project / "elsewhere", place)
    assert asd("status").out.splitlines()[-1] != f"next: asd {verb}"


def test_a_machine_that_is_not_asked_for_needs_no_sound(project: Path, asd: Callable) -> None:
    replace_in(PARAMS, "machines: [pump]", "machines: [pump, fan]")
    path = Path("pipeline/params.yaml")
    path.write_text(f"{path.read_text()}synth: {{machines: [pump, fan]}}\n")
    assert asd("status").out.splitlines()[-1] == "next: asd synth"
    assert asd("status", "--machine", "pump").out.splitlines()[-1] == "nothing to do"


Change = Callable[[], object]
LOUDER = Path("raw/pump/id_00/train/00_03.wav")


def _longer() -> None:
    samples, rate = soundfile.read(LOUDER)
    soundfile.write(LOUDER, samples[:1000], rate)
    os.utime(LOUDER, (4e9, 4e9))


CHANGES: dict[str, tuple[Change, dict[str, str]]] = {
    "a recording more": (
        lambda: LOUDER.with_name("new.wav").write_bytes(LOUDER.read_bytes()),
        {"index": "1 recording new, such as pump/id_00/train/new.wav"},
    ),
    "a recording less": (LOUDER.unlink, {"index": "1 recording gone, such as pump/id_00"}),
    "another length": (_longer, {"index": "1 recording changed, such as pump/id_00/train/00_03"}),
    "another rate": (
        lambda: replace_in(PARAMS, "sample_rate: 8000", "sample_rate: 4000"),
        {
            "index": "other settings (index.sample_rate 8000 -> 4000)",
            "extract": "signal.sample_rate",
        },
    ),
    "a feature": (
        lambda: replace_in(PARAMS, "hop: 128, mels", "hop: 64, mels"),
        {"extract": "logmel: other settings (config.hop 128 -> 64) (4 shards"},
    ),
    "a feature more": (
        lambda: (
            replace_in(PARAMS, "  wave: {", "  second: {extractor: wave}\n  wave: {"),
            replace_in(PARAMS, "  mel: {", "  more: {features: [second]}\n  mel: {"),
        ),
        {"extract": "second: missing"},
    ),
    "a shard less": (
        Path("data/features/pump/wave/section_02_train.h5").unlink,
        {
            "extract": "wave: missing (1 shard, such as section_02_train)",
            "train": "both: ",
            "embed": "both: other settings (another inputs.train.wave.02)",
        },
    ),
    "the network": (
        lambda: replace_in(PARAMS, "embedding: 6", "embedding: 7"),
        {"train": "both: other settings (model.settings.embedding 6 -> 7)"},
    ),
    "the training": (
        lambda: replace_in(PARAMS, "epochs: 2", "epochs: 3"),
        {"train": "mel: other settings (train.epochs 2 -> 3)"},
    ),
    "a model less": (
        Path("data/models/mel/pump/record.json").unlink,
        {"train": "mel: missing", "embed": "mel: its model is missing"},
    ),
    "the banks' settings": (
        lambda: replace_in(PARAMS, "embed: {batch_size: 8", "embed: {batch_size: 4"),
        {"embed": "both: other settings (params.batch_size 8 -> 4)"},
    ),
    "a damaged bank": (
        lambda: Path("data/banks/mel/pump/train.h5").write_bytes(b"no bank"),
        {"embed": "mel: damaged"},
    ),
    "a system": (
        lambda: replace_in(PARAMS, "k: 2", "k: 3"),
        {"score": "spread: other settings (members.0.settings.k 2 -> 3)"},
    ),
    "the threshold": (
        lambda: replace_in(PARAMS, "false_alarm_rate: 0.2", "false_alarm_rate: 0.1"),
        {"score": "cosine: other settings (rule.false_alarm_rate 0.2 -> 0.1)"},
    ),
    "a score file less": (
        Path("data/scores/cosine/pump.csv").unlink,
        {"score": "cosine: pump.csv is gone"},
    ),
    "another score file": (
        lambda: Path("data/scores/cosine/pump.csv").write_text("section,name,content"),
        {"score": "cosine: damaged"},
    ),
    "the rules": (
        lambda: replace_in(PARAMS, "rules: '2020'", "rules: '2021'"),
        {"evaluate": 'cosine: other settings (rules "2020" -> "2021")', "report": "another params"},
    ),
    "a report less": (Path("data/reports/results.csv").unlink, {"report": ""}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_change_makes_stale(project: Path, status: Status, change: str) -> None:
    """The stage that the change concerns, for its reason; those it does not are current."""
    make, expected = CHANGES[change]
    make()
    found = status()
    for stage, reason in expected.items():
        assert found[stage]["state"] in ("stale", "missing"), stage
        assert not reason or any(reason in one for one in found[stage]["reasons"]), found[stage]
    stages = list(found)
    first = min(stages.index(stage) for stage in expected)
    assert all(found[stage]["state"] in ("current", "unused") for stage in stages[:first])


WAITS = {
    "a feature": (
        lambda: replace_in(PARAMS, "hop: 128, mels", "hop: 64, mels"),
        {stage: ["waits for extract"] for stage in ("train", "embed", "score", "evaluate")},
    ),
    "a feature that nothing reads": (
        lambda: replace_in(PARAMS, "  wave: {", "  second: {extractor: wave}\n  wave: {"),
        {},
    ),
    "one model": (
        lambda: replace_in(
            PARAMS, "mel: {features: [logmel]}", "mel: {features: [logmel], train: {epochs: 1}}"
        ),
        {
            "embed": ["mel: waits for train"],
            "score": ["spread: waits for train"],
            "evaluate": ["waits for train"],
        },
    ),
    "the threshold": (
        lambda: replace_in(PARAMS, "false_alarm_rate: 0.2", "false_alarm_rate: 0.1"),
        {"evaluate": ["waits for score"]},
    ),
    "a recording": (
        LOUDER.unlink,
        {
            stage: ["waits for index"]
            for stage in ("extract", "train", "embed", "score", "evaluate", "report")
        },
    ),
}


@pytest.mark.parametrize("change", WAITS)
def test_what_is_made_of_what_is_stale_waits_for_it(
    project: Path, status: Status, change: str
) -> None:
    make, expected = WAITS[change]
    make()
    found = status()
    waiting = {stage: row for stage, row in found.items() if row["state"] == "waiting"}
    assert waiting.keys() == expected.keys()
    assert found["report"]["state"] == ("waiting" if "report" in expected else "stale")
    for stage, row in waiting.items():
        assert row["reasons"] == expected[stage]


def test_a_line_is_read_at_a_hundred_columns(project: Path, asd: Callable, status: Status) -> None:
    path = Path("pipeline/params.yaml")
    more = "".join(f"  more_{number}: {{model: mel, scorer: cosine}}\n" for number in range(8))
    replace_in(path, "systems:\n", f"systems:\n{more}")
    lines = asd("status").out.splitlines()
    score = "11 systems; more_0, more_1, more_2 and 5 more: missing"
    assert f"score     pump  stale    {score}" in lines
    assert "in full: asd status --json" not in lines
    replace_in(PARAMS, "hop: 128, mels", "hop: 64, mels")
    lines = asd("status").out.splitlines()
    assert max(map(len, lines)) == 100
    (cut,) = (line for line in lines if line.endswith("..."))
    assert "logmel: other settings (config.hop 128 -> 64) (4 shards, " in cut
    assert "in full: asd status --json" in lines
    assert cut[:-3].partition("; ")[2] in status()["extract"]["reasons"][0]


def test_a_feature_that_no_model_reads_makes_nothing_stale(project: Path, status: Callable) -> None:
    replace_in(PARAMS, "  wave: {", "  second: {extractor: wave}\n  wave: {")
    assert {status()[stage]["state"] for stage in ("extract", "train", "embed")} == {"current"}


def test_an_enrolment_changes_no_stage_but_the_report(project: Path, asd: Callable) -> None:
    arguments = ("enroll", "--force", "--section", "00", "raw/pump/id_02/train/02_00.wav")
    assert "enroll" not in asd("status").out
    assert asd(*arguments).code == 0
    assert "enroll    pump  current  1 enrolment" in asd("status").out
    # The report shows recordings as they are predicted.
    assert asd("status").out.splitlines()[-1] == "next: asd report"


def test_an_enrolment_of_other_scores_is_told(project: Path, asd: Callable, status: Status) -> None:
    assert asd("enroll", "--force", "--section", "00", "raw/pump/id_02/train/02_00.wav").code == 0
    replace_in(PARAMS, "false_alarm_rate: 0.2", "false_alarm_rate: 0.3")
    assert asd("score").code == 0
    (reason,) = status()["enroll"]["reasons"]
    assert "cosine, posterior, spread: scored anew since, so that it does not count" in reason
    assert asd("status").out.splitlines()[-1] == "next: asd evaluate"
    assert asd("enroll", "--undo", "--machine", "pump").code == 0
    assert "enroll" not in asd("status").out


def test_labels_and_scores_decide_on_the_figures(
    project: Path, asd: Callable, status: Status
) -> None:
    replace_in(PARAMS, "false_alarm_rate: 0.2", "false_alarm_rate: 0.3")
    assert asd("score").code == 0
    (reason,) = {one.partition(": ")[2] for one in status()["evaluate"]["reasons"]}
    assert "another scores.cosine.pump" in reason
    assert asd("evaluate").code == 0
    assert status()["evaluate"]["state"] == "current"
    odd = Path("raw/pump/id_00/test/anomaly/00_11.wav")
    odd.rename(odd.parents[1] / "normal" / odd.name)
    assert asd("index").code == 0
    (reason,) = {one.partition(": ")[2] for one in status()["evaluate"]["reasons"]}
    assert reason == "other settings (another index.pump)"


def test_a_checkpoint_is_of_its_settings_and_clips(project: Path, status: Status) -> None:
    replace_in(PARAMS, "  wave: {", "  ptm: {extractor: ptm}\n  wave: {")
    assert status()["finetune"]["state"] == "unused"  # no model reads it
    replace_in(PARAMS, "mel: {features: [logmel]}", "mel: {features: [ptm]}")
    replace_in(PARAMS, "features:\n", "finetune: {base: 'builtin:tiny'}\nfeatures:\n")
    assert status()["finetune"]["state"] == "missing"
    config = load_params(Path("pipeline/params.yaml")).finetune
    clips = read_index(Path("data/index/pump.csv"))
    recordings = training_recordings(Path("raw"), clips, 8000, 0)
    digest = base_digest(config.base, find_base(config.base), config.seed)
    path = Path("data/checkpoints/ptm/record.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_record(path, request_of(recordings, config, digest), [], {})
    assert status()["finetune"]["state"] == "current"
    replace_in(
        PARAMS, "base: 'builtin:tiny'", "base: 'builtin:tiny', steps: 7, device: cpu, layer: 1"
    )
    assert status()["finetune"]["reasons"] == [
        'other settings (params.layer "auto" -> 1, params.steps 2000 -> 7)'
    ]
    config = load_params(Path("pipeline/params.yaml")).finetune
    fewer = replace(recordings, clips=recordings.clips[1:])
    write_record(path, request_of(fewer, config, digest), [], {})
    assert status()["finetune"]["reasons"] == ["other settings (another inputs)"]


def test_one_machine_alone(project: Path, asd: Callable) -> None:
    rows = json.loads(asd("status", "--machine", "pump", "--json").out)
    assert {row["machine"] for row in rows} == {"pump"}
    assert asd("status", "--machine", "pmp").code == 2


# What computes nothing here: it only looks, or finds everything as it is asked for.
IDLE = (
    "check",
    "status",
    "verify",
    "store ls",
    "store info --machine pump --feature logmel",
    "synth",
    "finetune",
    "extract",
    "train",
    "embed",
    "score",
    "report",
    "completion bash",
    "init --help",
)
HEAVY = ("torch", "transformers", "sklearn", "scipy", "matplotlib", "dask", "openvino")


def test_nothing_heavy_is_imported_where_nothing_is_computed(project: Path) -> None:
    code = f"""
import sys
from asd.cli import cli

for verb in {IDLE}:
    cli.main([*verb.split()], standalone_mode=False)
    heavy = [name for name in {HEAVY} if name in sys.modules]
    assert not heavy, (verb, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "computed 0 clips" in done.stdout

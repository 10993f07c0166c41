"""Profiles become a params file that is valid, commented and complete."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asd.clips.record import Clip, read_index
from asd.params import load_params
from asd.stages.init import profiles

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that DVC knows already, which saves time."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _recordings(folder: Path) -> Path:
    for machine in ("pump", "fan"):
        write(folder / machine / "train" / "a.wav")
    return folder


def write(path: Path, samples: np.ndarray | None = None, **kind: Any) -> Path:
    """Write noise, another for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(list(path.name.encode()))
    noise = generator.normal(scale=0.05, size=3200) if samples is None else samples
    soundfile.write(path, noise, 16000, **kind)
    return path


@pytest.mark.parametrize("profile", profiles())
def test_every_profile_is_valid_and_commented(profile: str, project: Path, asd: Callable) -> None:
    raw = ["--raw", _recordings(project / "mine")] if profile == "folder" else []
    done = asd("init", profile, *raw)
    assert done.code == 0, done.err
    path = project / "pipeline" / "params.yaml"
    params = load_params(path)
    assert params.dataset.name.removesuffix("_synthesised") == profile
    assert params.dataset.machines
    assert path.read_text().count("#") > 20
    trained = profile.startswith("dcase") and profile != "dcase2026"
    assert ("trained" in params.joint, "trained" in params.systems) == (trained, trained)


@pytest.mark.parametrize("name", ["pipeline/params.yaml", "dvc.yaml"])
def test_the_repository_is_the_workspace_of_the_demo(
    name: str, project: Path, asd: Callable
) -> None:
    asd("init", "demo")
    assert (project / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["nowhere", "a repository", "below a repository"])
def test_a_whole_workspace_in_an_empty_folder(where: str, tmp_path: Path, shell: Callable) -> None:
    if where != "nowhere":
        shell(tmp_path, "git", "init", "-q")
    folder = tmp_path / "below" if where == "below a repository" else tmp_path
    folder.mkdir(exist_ok=True)
    told = shell(folder, "asd", "init", "demo")
    assert "dvc repro" in told
    assert {"dvc.yaml", ".gitignore", ".dvcignore", ".dvc", "pipeline"} <= {
        path.name for path in folder.iterdir()
    }
    assert "synth" in shell(folder, "dvc", "status")
    config = (folder / ".dvc" / "config").read_text()
    assert "analytics = false" in config
    assert "checksum_jobs" in config
    assert "type = hardlink,symlink" in config


def test_own_recordings_are_found(project: Path, asd: Callable) -> None:
    _recordings(project / "mine")
    done = asd("init", "folder", "--raw", "mine")
    assert "found fan: 1 recording of 0.2 s, 16000 Hz, used as 1 clips of 0.2 s" in done.out
    assert "found pump: 1 recording" in done.out
    params = load_params(project / "pipeline" / "params.yaml")
    assert params.dataset.raw == "mine"
    assert params.dataset.machines == ("fan", "pump")


def test_2026_takes_the_recordings_where_they_are_there_and_synthesises_else(
    project: Path, asd: Callable
) -> None:
    path = project / "pipeline" / "params.yaml"
    done = asd("init", "dcase2026")
    assert "data/raw/dcase2026: no recordings there, so their like is synthesised" in done.out
    params = load_params(path)
    assert (params.dataset.name, params.dataset.raw) == ("dcase2026_synthesised", "data/raw/demo")
    assert params.synth.machines == params.dataset.machines
    (project / "data" / "raw" / "dcase2026" / "fan").mkdir(parents=True)
    assert "synthesised" not in asd("init", "dcase2026").out
    params = load_params(path)
    assert (params.dataset.name, params.dataset.raw) == ("dcase2026", "data/raw/dcase2026")
    assert params.synth.machines == ()


def test_a_long_recording_is_announced_as_its_windows(project: Path, asd: Callable) -> None:
    folder = project / "mine" / "pump" / "normal"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).normal(scale=0.1, size=65 * 800)
    soundfile.write(folder / "monday.wav", noise, 800)
    done = asd("init", "folder", "--raw", "mine")
    assert done.out.startswith(
        "found pump: 1 recording of 65.0 s, 800 Hz, used as 7 windows of 10 s (7 train, 0 test)\n"
    )
    printed = json.loads(asd("init", "folder", "--raw", "mine", "--json").out)
    assert printed == [
        {
            "file": "pipeline/params.yaml",
            "profile": "folder",
            "machines": ["pump"],
            "raw": "mine",
            "before": None,
        }
    ]


def test_an_edit_is_never_lost(project: Path, asd: Callable) -> None:
    """Edit, init another profile, init a third: each file before has a number of its own."""
    _recordings(project / "mine")
    path = project / "pipeline" / "params.yaml"
    asd("init", "demo")
    edited = path.read_text().replace("seconds: 4", "seconds: 5")
    path.write_text(edited)
    done = asd("init", "ladder")
    assert "params.yaml.1" in done.out
    ladder = path.read_text()
    asd("init", "folder", "--raw", "mine")
    assert (path.parent / "params.yaml.1").read_text() == edited
    assert (path.parent / "params.yaml.2").read_text() == ladder
    folder = path.read_text()
    asd("init", "folder", "--raw", "mine")  # the same again: nothing to keep
    assert not (path.parent / "params.yaml.3").exists()
    assert path.read_text() == folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dmo"], "unknown profile 'dmo' (did you mean 'demo'?)"),
        (["common"], "unknown profile 'common'"),
        (["folder"], "asd init folder --raw DIR"),
        (["demo", "--raw", "mine"], "asd init folder --raw mine"),
        (["folder", "--raw", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, project: Path, asd: Callable
) -> None:
    done = asd("init", *arguments)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (project / "pipeline" / "params.yaml").exists()


def machines(project: Path) -> tuple[str, ...]:
    return load_params(project / "pipeline" / "params.yaml").dataset.machines


def test_recordings_of_one_machine_need_no_folders(project: Path, asd: Callable) -> None:
    """Straight in the raw folder they are one machine, from there to the index."""
    for number in range(3):
        write(project / "Pump 7" / f"{number}.wav")
    write(project / "Pump 7" / "nok" / "x.wav")
    done = asd("init", "folder", "--raw", "Pump 7")
    assert (done.code, done.err) == (0, "")
    assert machines(project) == ("Pump 7",)
    indexed = json.loads(asd("index", "--json").out)
    assert [(row["machine"], row["train"], row["test"]) for row in indexed] == [("Pump 7", 3, 1)]
    assert asd("status", "--json").code == 0
    (clip,) = (c for c in read_index(project / "data/index/Pump 7.csv") if c.split == "test")
    assert (clip.path, clip.label) == ("nok/x.wav", "anomaly")
    write(project / "Pump 7" / "new.wav")
    assert "1 recording new, such as new.wav" in asd("status").out


@pytest.mark.parametrize("names", [["train", "test"], ["normal", "abnormal"], ["id_00", "id_02"]])
def test_the_inside_of_a_machine_is_refused_with_the_folder_to_give(
    names: list[str], project: Path, asd: Callable
) -> None:
    for name in names:
        write(project / "rec" / "pump" / name / "a.wav")
    done = asd("init", "folder", "--raw", "rec/pump")
    assert done.code == 2
    assert "that is the inside of one machine; give the folder above" in done.err
    assert done.err.endswith("--raw rec\n")
    assert not (project / "pipeline").exists()
    write(project / "rec" / "train" / "a.wav")
    done = asd("init", "folder", "--raw", "rec")
    assert "holds train beside machines, and no machine can be called so" in done.err


def test_folders_that_look_like_machines_are_asked_about(project: Path, asd: Callable) -> None:
    for machine in ("pump", "fan"):
        write(project / "rec" / "all" / machine / "train" / f"{machine}.wav")
    done = asd("init", "folder", "--raw", "rec")
    assert "all: fan, pump are taken for one machine" in done.err
    assert "asd init folder --raw rec/all\n" in done.err


def test_nothing_usable_is_a_failure_without_a_next_step(project: Path, asd: Callable) -> None:
    write(project / "rec/pump/train/silent.wav", np.zeros(900))
    (project / "rec/pump/train/text.wav").write_text("It ran well all day.")
    write(project / "rec/fan/test/bad/a.wav")
    done = asd("init", "folder", "--raw", "rec")
    assert done.code == 1
    assert "next" not in done.out
    assert "pump: pump/train/text.wav: not a WAV" in done.err
    assert "pump/train/silent.wav: silent" in done.err
    assert "fan: no normal recording to learn from, and 1 to test" in done.err
    assert not (project / "pipeline").exists()


def test_one_unusable_machine_is_left_out_loudly(project: Path, asd: Callable) -> None:
    _recordings(project / "rec")
    write(project / "rec/belt/train/silent.wav", np.zeros(900))
    done = asd("init", "folder", "--raw", "rec")
    assert done.code == 0
    assert "asd: left out belt: belt/train/silent.wav: silent: all samples are equal\n" in done.err
    assert machines(project) == ("fan", "pump")
    assert asd("index").code == 0


def test_what_init_counts_is_what_index_counts(project: Path, asd: Callable) -> None:
    folder = project / "rec/pump"
    for number in range(8):
        write(folder / f"normal/{number}.wav")
    write(folder / "broken/a.wav")
    write(folder / "wobbly/b.wav")
    write(folder / "normal/silent.wav", np.zeros(3200))
    done = asd("init", "folder", "--raw", "rec")
    (row,) = json.loads(asd("index", "--json").out)
    counted = (
        f"({row['train']} train, {row['test']} test), {sum(row['rejected'].values())} not used"
    )
    assert f"used as {row['clips']} clips of 0.2 s {counted}" in done.out
    assert "folder 'wobbly' not understood" in done.err


@pytest.mark.parametrize("name", ["Pump 1", "Lüfter", "pump.1", "1", "Motor (links)", "ポンプ"])
def test_machines_are_called_as_their_folders_are(name: str, project: Path, asd: Callable) -> None:
    write(project / "rec" / name / "a.wav")
    assert asd("init", "folder", "--raw", "rec").code == 0
    assert machines(project) == (name,)
    assert asd("index", "--machine", name).code == 0
    assert (project / "data" / "index" / f"{name}.csv").is_file()


@pytest.mark.parametrize(
    "name", ["a:b", "pump ", "-pump", "a\nb", "what?", os.fsdecode(b"L\xfcfter")]
)
def test_other_names_are_refused_before_anything_is_written(
    name: str, project: Path, asd: Callable
) -> None:
    write(project / "rec" / "pump" / "a.wav")
    try:
        (project / "rec" / "pump").rename(project / "rec" / name)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such name")
    done = asd("init", "folder", "--raw", "rec")
    assert done.code == 2
    assert f"machine {name!a}: " in done.err
    assert "rename its folder" in done.err
    assert not (project / "pipeline").exists()


def test_a_name_that_is_no_utf8_is_named_with_the_way_out(project: Path, asd: Callable) -> None:
    write(project / "rec/pump/train/a.wav")
    odd = write(project / "rec/pump/train/b.wav")
    try:
        odd.rename(odd.with_name(os.fsdecode(b"b\xff.wav")))
        (project / "rec/pump" / os.fsdecode(b"notes\xff.txt")).touch()
    except OSError:
        pytest.skip("this file system takes no such name")
    done = asd("init", "folder", "--raw", "rec")
    assert done.code == 0
    way_out = "name not in UTF-8: DVC cannot hold it; rename the file or its folder"
    assert f"pump/train/b\\udcff.wav and 1 more: {way_out}\n" in done.err
    indexed = asd("index").out
    assert "2 rejected (2 x name not in UTF-8)" in indexed


def test_folders_may_be_said_to_be_normal(project: Path, asd: Callable) -> None:
    for number in range(3):
        write(project / f"rec/pump/monday/{number}.wav")
    write(project / "rec/pump/other/x.wav")
    assert asd("init", "folder", "--raw", "rec").code == 1
    assert (
        "no such folder below rec"
        in asd("init", "folder", "--raw", "rec", "--normal", "tuesday").err
    )
    for given in ("rec/pump/monday", "pump/monday", "monday"):
        done = asd("init", "folder", "--raw", "rec", "--normal", given)
        assert done.code == 0
        params = load_params(project / "pipeline" / "params.yaml")
        assert params.index.normal == ("pump/monday",)
    assert "pump: 3 clips in 1 section (2 train, 1 test), 1 rejected" in asd("index").out


def test_the_channel_that_carries_the_machine_is_named(project: Path, asd: Callable) -> None:
    random = np.random.default_rng(0)
    for number in range(4):
        sound = random.normal(scale=0.05, size=(32_000, 2))
        sound[:, 0] *= 0.001
        write(project / f"rec/pump/train/{number}.wav", sound)
    done = asd("init", "folder", "--raw", "rec")
    assert "pump: channel 0 carries no machine, and channel 1 does: index.channel: 1\n" in done.err
    assert load_params(project / "pipeline" / "params.yaml").index.channel == 1
    # A far microphone is quieter, and hears the machine.
    shutil.rmtree(project / "rec")
    for number in range(4):
        machine = random.normal(scale=0.05, size=32_000)
        write(project / f"rec/pump/train/{number}.wav", np.stack([machine * 0.05, machine], 1))
    assert asd("init", "folder", "--raw", "rec").err == ""
    assert load_params(project / "pipeline" / "params.yaml").index.channel == 0


def test_floats_in_another_unit_have_a_common_factor_that_is_said(
    project: Path, asd: Callable
) -> None:
    for number in range(3):
        wave = np.random.default_rng(number).normal(scale=2.0, size=3200)
        write(project / f"rec/pump/train/{number}.wav", wave, subtype="FLOAT")
    done = asd("init", "folder", "--raw", "rec")
    assert "all are divided by index.full_scale: 16\n" in done.err
    clips = read_index_of(project, asd)
    assert [clip.full_scale for clip in clips if clip.usable] == [16.0] * 3


def read_index_of(project: Path, asd: Callable) -> list[Clip]:
    assert asd("index").code == 0
    return read_index(project / "data/index/pump.csv")


def test_what_is_unlike_training_is_said_by_init_and_index(project: Path, asd: Callable) -> None:
    random = np.random.default_rng(0)
    for number in range(5):
        write(project / f"rec/pump/train/{number}.wav", random.normal(scale=0.05, size=32_000))
    write(project / "rec/pump/test/far.wav", random.normal(scale=0.0125, size=32_000))
    write(project / "rec/pump/test/like.wav", random.normal(scale=0.05, size=32_000))
    said = "pump/test/far.wav: 12 dB quieter than any training recording\n"
    assert asd("init", "folder", "--raw", "rec").err == f"asd: pump: {said}"
    assert asd("index").out.endswith(f"\n  {said}")
    (row,) = json.loads(asd("index", "--json").out)
    assert row["remarks"]["quieter"]["first"] == "pump/test/far.wav"
    remarks = {clip.name: clip.remarks for clip in read_index(project / "data/index/pump.csv")}
    assert remarks.pop("far.wav") == "quieter: 12 dB quieter than any training recording"
    assert set(remarks.values()) == {""}


def test_sound_that_the_rate_leaves_out_is_said_with_its_key(project: Path, asd: Callable) -> None:
    path = project / "rec/pump/train/a.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.random.default_rng(0).normal(scale=0.05, size=96_000), 48_000)
    assert (
        "of which what is above 8 kHz is not heard; index.sample_rate, 16000"
        in asd("init", "folder", "--raw", "rec").err
    )


@pytest.mark.parametrize("links", [{"self.wav": "self.wav", "up": ".."}, {"up": "../.."}])
def test_links_that_lead_round_end(links: dict[str, str], project: Path, asd: Callable) -> None:
    write(project / "rec/pump/train/a.wav")
    for name, target in links.items():
        (project / "rec/pump/train" / name).symlink_to(target)
    (project / "rec/around").symlink_to(".")
    (project / "rec/x").symlink_to("x")
    assert asd("init", "folder", "--raw", "rec").code == 0
    assert machines(project) == ("pump",)
    (row,) = json.loads(asd("index", "--json").out)
    assert (row["clips"], sum(row["rejected"].values())) == (1, len(links))


def test_a_genuine_machine_without_labels(project: Path, asd: Callable) -> None:
    """Slide rails straight in a folder: nothing is odd in them but their names."""
    source = ROOT / "../shared/real/dcase2020/slider/train"
    if not source.exists():
        pytest.skip(f"no genuine recordings in {source}")
    folder = project / "rec/slider"
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted(source.iterdir())[:12]):
        (folder / f"{number}.wav").symlink_to(path.resolve())
    done = asd("init", "folder", "--raw", "rec")
    assert (done.code, done.err) == (0, "")
    assert "used as 12 clips of 10 s (12 train, 0 test)" in done.out

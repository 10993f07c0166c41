"""Indexing: trees of every year and plain folders, and every recording that cannot be used."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.clips.audio import Signal, read_clip
from asd.clips.index import index_recordings, rejected
from asd.clips.record import Clip
from asd.config import IndexConfig
from asd.errors import UsageError

REAL = Path(__file__).resolve().parents[2] / "../shared/real"
RATE = 16000

Record = Callable[..., bytes]


def index(raw: Path, **values: object) -> list[Clip]:
    return index_recordings(raw, "fan", IndexConfig(**values)).clips


def by_path(clips: list[Clip]) -> dict[str, Clip]:
    return {clip.path.removeprefix("fan/"): clip for clip in clips}


def test_one_clip_in_full(tmp_path: Path, record: Record) -> None:
    name = "section_01_target_train_normal_0002_m-n_W.wav"
    data = record(f"train/{name}")
    assert index(tmp_path) == [
        Clip(
            path=f"fan/train/{name}",
            name=name,
            recording=name,
            machine="fan",
            section="01",
            domain="target",
            split="train",
            label="normal",
            attributes="m-n=W",
            sample_rate=RATE,
            channels=1,
            samples=1600,
            length=1600,
            treatment="",
            digest=hashlib.sha256(data).hexdigest(),
            status="ok",
        )
    ]


YEARS = {
    "dcase2020": {
        "train/normal_id_01_00000000.wav": ("01", "", "train", "normal"),
        "test/normal_id_01_00000000.wav": ("01", "", "test", "normal"),
        "test/anomaly_id_03_00000000.wav": ("03", "", "test", "anomaly"),
        "test/id_05_00000000.wav": ("05", "", "test", ""),
    },
    "dcase2021": {
        "train/section_00_source_train_normal_0000_a_b_c.wav": ("00", "source", "train", "normal"),
        "source_test/section_00_source_test_normal_0000.wav": ("00", "source", "test", "normal"),
        "target_test/section_00_target_test_anomaly_0000.wav": ("00", "target", "test", "anomaly"),
        "source_test/section_03_source_test_0000.wav": ("03", "source", "test", ""),
        "target_test/section_03_0001.wav": ("03", "target", "test", ""),
    },
    "dcase2022": {
        "train/section_00_source_train_normal_0000_m_A.wav": ("00", "source", "train", "normal"),
        "train/section_00_target_train_normal_0000.wav": ("00", "target", "train", "normal"),
        "test/section_00_target_test_anomaly_0000_m_B.wav": ("00", "target", "test", "anomaly"),
        "test/section_03_0000.wav": ("03", "", "test", ""),
    },
}


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("layout", ["auto", "the year's"])
def test_the_tree_of_a_year(tmp_path: Path, record: Record, year: str, layout: str) -> None:
    for place in YEARS[year]:
        record(place)
    clips = index(tmp_path, layout="auto" if layout == "auto" else year)
    facts = {
        place: (clip.section, clip.domain, clip.split, clip.label)
        for place, clip in by_path(clips).items()
    }
    assert facts == YEARS[year]
    assert all(clip.usable for clip in clips)
    assert clips == sorted(clips, key=lambda clip: (clip.split, clip.section, clip.name))
    assert all(clip.name == Path(clip.path).name for clip in clips)


@pytest.mark.parametrize("year", ["dcase2021", "dcase2022"])
def test_the_tree_of_another_year_is_listed_and_not_guessed(
    tmp_path: Path, record: Record, year: str
) -> None:
    for place in YEARS["dcase2020"]:
        record(place)
    clips = index(tmp_path, layout=year)
    assert (len(clips), sum(clip.usable for clip in clips)) == (len(YEARS["dcase2020"]), 0)


def test_names_that_do_not_fit_a_challenge_tree_are_listed(tmp_path: Path, record: Record) -> None:
    record("train/section_00_source_train_normal_0000_m_A.wav")
    record("train/section_00_source_test_normal_0001_m_A.wav")
    record("train/fan 3.wav")
    record("extra/section_00_0000.wav")
    record("train/old/section_00_source_train_normal_0003.wav")
    record("section_00_source_train_normal_0004.wav")
    clips = index(tmp_path)
    assert sum(clip.usable for clip in clips) == 1
    assert rejected(clips) == {
        "folder unknown to dcase2022": 3,
        "name and folder disagree": 1,
        "name fits no grammar": 1,
    }
    odd = by_path(clips)["train/fan 3.wav"]
    assert (odd.split, odd.section, odd.label, odd.samples, odd.length) == ("", "", "", 1600, 0)


def test_tables_fill_in_attributes_that_names_do_not_have(tmp_path: Path, record: Record) -> None:
    spelt = "section_00_source_train_normal_0000_m-n_W.wav"
    hidden = "section_00_source_train_normal_0001_noAttribute.wav"
    bare = "section_00_source_train_normal_0002.wav"
    test = "section_00_0000.wav"
    for place in (f"train/{spelt}", f"train/{hidden}", f"train/{bare}", f"test/{test}"):
        record(place)
    (tmp_path / "fan/attributes_00.csv").write_text(
        "file_name,d1p,d1v\n"
        f"fan/train/{spelt},m-n,Z\nfan/train/{hidden},m-n,Z\n"
        f"fan/train/{bare},m-n,Y\nfan/test/{test},m-n,X\n"
    )
    attributes = {clip.name: clip.attributes for clip in index(tmp_path)}
    assert attributes == {spelt: "m-n=W", hidden: "", bare: "m-n=Y", test: "m-n=X"}


def test_a_plain_folder(tmp_path: Path, record: Record) -> None:
    record("train/a.wav")
    record("test/a.wav")
    record("test/normal/b.wav")
    record("test/abnormal/b.wav")
    record("other/c.wav")
    (tmp_path / "fan/notes.txt").write_text("belt changed on Monday")
    facts = {
        place: (clip.name, clip.section, clip.split, clip.label)
        for place, clip in by_path(index(tmp_path)).items()
    }
    assert facts == {
        "train/a.wav": ("a.wav", "00", "train", "normal"),
        "test/a.wav": ("a.wav", "00", "test", ""),
        "test/normal/b.wav": ("test/normal/b.wav", "00", "test", "normal"),
        "test/abnormal/b.wav": ("test/abnormal/b.wav", "00", "test", "anomaly"),
        "other/c.wav": ("c.wav", "", "", ""),
    }
    assert rejected(index(tmp_path)) == {"folder 'other' not understood": 1}


def test_classes_that_are_not_understood_are_named_and_not_used(
    tmp_path: Path, record: Record
) -> None:
    """Beside one that is, also below train; a class word further down is one too."""
    for place in ("normal", "bad", "wobbly", "day1/normal", "train/ok", "train/wobbly", "train"):
        record(f"{place}/a.wav")
    record("test/day1/bad/a.wav")
    record("loose.wav")
    facts = {place: (clip.split, clip.label) for place, clip in by_path(index(tmp_path)).items()}
    assert facts.pop("normal/a.wav")[1] == facts.pop("day1/normal/a.wav")[1] == "normal"
    assert facts == {
        "bad/a.wav": ("test", "anomaly"),
        "wobbly/a.wav": ("", ""),
        "train/ok/a.wav": ("train", "normal"),
        "train/wobbly/a.wav": ("", ""),
        "train/a.wav": ("train", "normal"),
        "test/day1/bad/a.wav": ("test", "anomaly"),
        "loose.wav": ("train", "normal"),
    }
    assert rejected(index(tmp_path)) == {"folder 'wobbly' not understood": 2}
    said = index(tmp_path, normal=("fan/wobbly", "fan/train/wobbly", "other/bad"))
    assert rejected(said) == {}
    assert by_path(said)["train/wobbly/a.wav"].split == "train"
    assert by_path(said)["bad/a.wav"].label == "anomaly"


def test_folders_as_in_mimii(tmp_path: Path, record: Record) -> None:
    for section in ("00", "02"):
        for number in range(10):
            record(f"id_{section}/normal/{number:08d}.wav")
        record(f"id_{section}/abnormal/00000000.wav")
    clips = index(tmp_path, train_share=0.7)
    for section in ("00", "02"):
        of_section = [clip for clip in clips if clip.section == section]
        assert sum(clip.split == "train" for clip in of_section) == 7
        tests = [clip.label for clip in of_section if clip.split == "test"]
        assert sorted(tests) == ["anomaly", "normal", "normal", "normal"]
        assert all(clip.label == "normal" for clip in of_section if clip.split == "train")
    assert len({(clip.split, clip.name) for clip in clips}) == len(clips) == 22


def test_every_recording_that_cannot_be_used_is_listed_with_its_reason(
    tmp_path: Path, record: Record
) -> None:
    for number in range(3):
        good = record(f"train/good {number}.wav")
    folder = tmp_path / "fan/train"
    (folder / "cut.wav").write_bytes(good[:1000])
    (folder / "header.wav").write_bytes(good[:40] + b"\x00\x00\x00\x00")
    (folder / "text.wav").write_text("It ran well all day.")
    (folder / "empty.wav").touch()
    (folder / "gone.wav").symlink_to("nowhere.wav")
    (folder / "song.mp3").touch()
    (folder / "linked").symlink_to(folder)
    soundfile.write(folder / "silent.wav", np.full(1600, 7, np.int16), RATE)
    nan = np.sin(np.arange(1600.0))
    nan[9] = np.nan
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    record("train/long.wav", samples=2 * RATE)
    record("train/wide.wav", channels=6)
    record("train/stereo.wav", channels=2)
    clips = index(tmp_path, max_seconds=1.5, max_channels=4, channel=1)
    assert {place: clip.status for place, clip in by_path(clips).items()} == {
        "train/good 0.wav": "channel out of range: 1, the channels are 0-0",
        "train/good 1.wav": "channel out of range: 1, the channels are 0-0",
        "train/good 2.wav": "channel out of range: 1, the channels are 0-0",
        "train/cut.wav": "cut short: the header promises 3200 bytes of samples, 956 are there",
        "train/header.wav": "no samples",
        "train/text.wav": "not a WAV, FLAC, OGG or MP3 recording: Format not recognised",
        "train/empty.wav": "not a WAV, FLAC, OGG or MP3 recording: Format not recognised",
        "train/gone.wav": "not a file: DVC cannot hold it; remove it",
        "train/song.mp3": "not a WAV, FLAC, OGG or MP3 recording: Format not recognised",
        "train/linked": "link to a folder: link the machine's folder instead",
        "train/silent.wav": "channel out of range: 1, the channels are 0-0",
        "train/nan.wav": "channel out of range: 1, the channels are 0-0",
        "train/long.wav": "channel out of range: 1, the channels are 0-0",
        "train/wide.wav": "too many channels: 6, more than 4",
        "train/stereo.wav": "ok",
    }
    statuses = {place: clip.status for place, clip in by_path(index(tmp_path)).items()}
    assert statuses["train/silent.wav"] == "silent: all samples are equal"
    assert statuses["train/nan.wav"] == "NaN or infinite samples"
    assert statuses["train/good 0.wav"] == "ok"
    too_long = by_path(index(tmp_path, max_seconds=1.5))["train/long.wav"].status
    assert too_long == "too long: 2.00 s, more than 1.5 s"
    assert sum(rejected(clips).values()) == len(clips) - 1
    assert next(iter(rejected(clips).items())) == ("channel out of range", 6)


def test_an_impossible_duration(tmp_path: Path, record: Record) -> None:
    record("train/a.wav")
    with pytest.raises(UsageError, match=r"index\.seconds"):
        index(tmp_path, seconds=20.0, max_seconds=10.0)


def test_clipping_is_told(tmp_path: Path, record: Record) -> None:
    record("train/a.wav")
    wave = np.sin(np.arange(1600)) / 2
    wave[7] = -3
    soundfile.write(tmp_path / "fan/train/b.wav", wave, RATE, "FLOAT")
    assert by_path(index(tmp_path))["train/b.wav"].treatment == "clipped from peak 3.00"


def test_one_factor_for_the_floats_of_a_machine(tmp_path: Path, record: Record) -> None:
    record("train/a.wav")
    soundfile.write(tmp_path / "fan/train/b.wav", np.sin(np.arange(1600)) * 3, RATE, "FLOAT")
    (refused,) = (clip for clip in index(tmp_path) if not clip.usable)
    assert refused.status.startswith("beyond full scale: floats up to 3.003, 78% of")
    scaled = index(tmp_path, full_scale=8)
    assert all(clip.usable and clip.full_scale == 8 for clip in scaled)


def test_the_index_does_not_depend_on_the_threads(
    tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        record(f"normal/{number}.wav", samples=100 + number % 3)
    clips = index(tmp_path)
    for threads in (1, 7):
        monkeypatch.setattr("asd.clips.index._THREADS", threads)
        assert index(tmp_path) == clips


def test_paths_are_below_the_raw_folder_even_if_it_is_a_link(
    tmp_path: Path, record: Record
) -> None:
    record("train/a.wav")
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert index(link) == index(tmp_path)


def test_an_unknown_machine_is_an_error_and_an_unusable_one_is_not(
    tmp_path: Path, record: Record
) -> None:
    with pytest.raises(UsageError, match="no folder in it holds"):
        index(tmp_path)
    (tmp_path / "fan/train").mkdir(parents=True)
    (tmp_path / "fan/train/bad.wav").touch()
    assert sum(clip.usable for clip in index(tmp_path)) == 0


def test_a_challenge_name_given_twice_is_used_not_even_once(tmp_path: Path, record: Record) -> None:
    record("train/section_00_source_train_normal_0000.wav")
    record("source_test/section_03_0000.wav")
    record("target_test/section_03_0000.wav")
    record("train/section_00_source_train_normal_0001.wav")
    record("train/section_00_source_train_normal_0001.flac")
    clips = index(tmp_path)
    assert rejected(clips) == {"doubled name": 4}
    assert by_path(clips)["source_test/section_03_0000.wav"].status == (
        "doubled name: also fan/target_test/section_03_0000.wav"
    )


def test_the_split_of_a_pool_goes_by_content_alone(tmp_path: Path, record: Record) -> None:
    for number in range(12):
        record(f"normal/{number}.wav")
    before = {clip.digest: clip.split for clip in index(tmp_path)}
    assert len(set(before.values())) == 2
    paths = sorted((tmp_path / "fan/normal").iterdir())
    random.Random(3).shuffle(paths)
    for number, path in enumerate(paths):
        path.rename(path.with_name(f"renamed {number}.wav"))
    assert {clip.digest: clip.split for clip in index(tmp_path)} == before


def test_recordings_are_brought_to_the_most_common_duration(tmp_path: Path, record: Record) -> None:
    record("train/a.wav")
    record("train/b.wav", channels=2)
    record("train/c.wav", samples=4410, rate=44100)
    record("train/d.flac", samples=2400)
    record("test/short.wav", samples=800)
    record("test/short too.wav", samples=800)
    record("test/both.wav", samples=11025, rate=44100, channels=8)
    for number in range(5):
        record(f"test/long {number}.wav", samples=3200)
    clips = index(tmp_path, windows="off")
    assert {clip.length for clip in clips} == {1600}
    treatments = {place: clip.treatment for place, clip in by_path(clips).items()}
    assert treatments["train/a.wav"] == ""
    assert treatments["train/b.wav"] == "channel 0 of 2"
    assert treatments["train/c.wav"] == "resampled from 44100 Hz"
    assert treatments["train/d.flac"] == "cut from 0.15 s"
    assert treatments["test/short.wav"] == "looped from 0.05 s"
    assert treatments["test/both.wav"] == (
        "resampled from 44100 Hz; channel 0 of 8; cut from 0.25 s"
    )
    for clip in clips:
        read = read_clip(tmp_path / clip.path, Signal(RATE, clip.length, 0), clip.digest)
        assert read.shape == (1600,)


def test_the_duration_asked_for(tmp_path: Path, record: Record) -> None:
    record("train/a.wav")
    (clip,) = index(tmp_path, seconds=0.05, sample_rate=8000, windows="off")
    assert (clip.length, clip.treatment) == (400, "resampled from 16000 Hz; cut from 0.10 s")


def test_where_no_duration_is_common_the_middle_one_is_taken(
    tmp_path: Path, record: Record
) -> None:
    for number, samples in enumerate((10, 1500, 1600, 1700, 9000)):
        record(f"train/{number}.wav", samples=samples)
    assert {clip.length for clip in index(tmp_path)} == {1600}


def test_without_training_clips_the_test_clips_set_the_duration(
    tmp_path: Path, record: Record
) -> None:
    record("test/a.wav", samples=900)
    (tmp_path / "fan/train").mkdir()
    (tmp_path / "fan/train/bad.wav").touch()
    assert {clip.length for clip in index(tmp_path)} == {900, 0}


def test_a_genuine_recording_of_eight_channels(tmp_path: Path) -> None:
    source = REAL / "mimii_8ch/fan_normal.wav"
    if not source.exists():
        pytest.skip(f"no genuine recording {source}")
    folder = tmp_path / "fan/id_00/normal"
    folder.mkdir(parents=True)
    (folder / "00000000.wav").symlink_to(source.resolve())
    first, second, last = index(tmp_path, channel=3, seconds=4)
    assert (first.section, first.split, first.status) == ("00", "train", "ok")
    assert first.treatment == "channel 3 of 8; window at 0.00 s of 10.00 s"
    assert (second.name, last.name) == ("00000000.wav#t=4", "00000000.wav#t=6")

"""What is settled over all recordings of a machine: their split, their names and their length."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from asd.clips.audio import Signal, read_clip
from asd.clips.index import index_recordings, rejected
from asd.clips.record import Clip
from asd.config import IndexConfig

RATE = 16000

Record = Callable[..., bytes]


def index(raw: Path, **values: object) -> list[Clip]:
    return index_recordings(raw, "fan", IndexConfig(**values)).clips


def by_path(clips: list[Clip]) -> dict[str, Clip]:
    return {clip.path.removeprefix("fan/"): clip for clip in clips}


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

"""Windows: long recordings in the index, and their samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from asd.clips.audio import (
    Limits,
    Reader,
    Signal,
    read_samples,
    read_windows,
    resampled_length,
)
from asd.clips.index import index_recordings
from asd.clips.record import Clip, index_text, read_index
from asd.clips.windows import runs, window_starts
from asd.config import IndexConfig
from asd.detection.recording import read_recording, windows
from asd.errors import JobError

RATE = 2000
OLD = "section_00_source_train_normal_0000.wav"


def write(path: Path, seconds: float, rate: int = RATE, seed: int = 0, **kind: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-9000, 9000, round(seconds * rate), np.int16)
    values = noise / 32768 if kind.get("subtype") == "FLOAT" else noise
    soundfile.write(path, values, rate, **kind)
    return path


def index(raw: Path, **values: object) -> list[Clip]:
    return index_recordings(raw, "fan", IndexConfig(sample_rate=RATE, **values)).clips


@given(st.integers(1, 300), st.integers(1, 40))
def test_windows_cover_a_long_recording(samples: int, length: int) -> None:
    """Also its tail: of 7.9 s all is heard in clips of 4 s, as it is of 8.0 s."""
    starts = window_starts(samples, length)
    if samples <= 1.01 * length:
        assert starts == [0]
        return
    heard = np.zeros(samples, int)
    for start in starts:
        assert start + length <= samples
        heard[start : start + length] += 1
    assert heard.min() == 1
    assert len(starts) == -(-samples // length), "more windows than needed"


@pytest.mark.parametrize("name", ["a.wav", "a#t=3.wav", "a.wav#t=3.wav", "a.wav#t=.wav"])
def test_no_recording_is_read_out_of_a_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / "fan/train" / name, 3.0)
    (clip,) = index(tmp_path)
    assert (clip.recording, clip.name, clip.start) == (name, name, 0)
    windows = index(tmp_path, seconds=1)
    assert {window.recording for window in windows} == {name}
    assert [window.name for window in windows] == [f"{name}#t={n}" for n in range(3)]


def test_a_long_recording_is_many_clips(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/long.wav", 62.5)
    clips = index(tmp_path)
    assert [clip.name for clip in clips] == [
        *(f"long.wav#t={10 * n}" for n in range(6)),
        "long.wav#t=52.5",
    ]
    assert [clip.start for clip in clips] == [*range(0, 60 * RATE, 10 * RATE), 105_000]
    assert len({clip.content for clip in clips}) == 7
    assert {(clip.length, clip.digest, clip.samples) for clip in clips} == {
        (10 * RATE, clips[0].content, 125_000)
    }
    assert clips[-1].treatment == "window at 52.50 s of 62.50 s"
    assert clips[-1].recording == "long.wav"
    (tmp_path / "fan.csv").write_text(index_text(clips))
    assert read_index(tmp_path / "fan.csv") == clips


def test_among_clips_a_long_recording_follows_their_length(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path / f"fan/train/{seed}.wav", 2.0, seed=seed)
    write(tmp_path / "fan/train/short.wav", 1.0, seed=3)
    write(tmp_path / "fan/train/about.wav", 2.02, seed=6)
    write(tmp_path / "fan/train/more.wav", 3.9, seed=4)
    write(tmp_path / "fan/train/twice.wav", 4.0, rate=4000, seed=5)
    found = {clip.name: clip.treatment for clip in index(tmp_path)}
    assert found == {
        "0.wav": "",
        "1.wav": "",
        "2.wav": "",
        "short.wav": "looped from 1.00 s",
        "about.wav": "cut from 2.02 s",
        "more.wav#t=0": "window at 0.00 s of 3.90 s",
        "more.wav#t=1.9": "window at 1.90 s of 3.90 s",
        "twice.wav#t=0": "resampled from 4000 Hz; window at 0.00 s of 4.00 s",
        "twice.wav#t=2": "resampled from 4000 Hz; window at 2.00 s of 4.00 s",
    }


@pytest.mark.parametrize(("seconds", "length"), [(29.5, 29.5), (30.0, 10.0)])
def test_recordings_of_half_a_minute_are_long(
    tmp_path: Path, seconds: float, length: float
) -> None:
    write(tmp_path / "fan/train/a.wav", seconds)
    assert {clip.length for clip in index(tmp_path)} == {length * RATE}
    (whole,) = index(tmp_path, windows="off")
    assert (whole.length, whole.start, whole.name) == (seconds * RATE, 0, "a.wav")


def test_a_challenge_recording_is_one_clip_whatever_its_length(tmp_path: Path) -> None:
    write(tmp_path / f"fan/train/{OLD}", 40.0)
    (clip,) = index(tmp_path, seconds=10.0)
    assert (clip.name, clip.treatment) == (OLD, "cut from 40.00 s")


def test_the_windows_of_a_recording_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    for seed in range(10):
        write(tmp_path / f"fan/normal/{seed}.wav", 5.0, seed=seed)
    clips = index(tmp_path, seconds=1.0, train_share=0.5)
    sides = {(clip.recording, clip.split) for clip in clips}
    assert len(sides) == 10
    assert len([clip for clip in clips if clip.split == "train"]) == 25
    by_recording = [clip.recording for clip in clips]
    assert by_recording == sorted(by_recording, key=lambda name: by_recording.index(name))


def test_what_cannot_be_used_has_no_windows(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/a.wav", 5.0)
    write(tmp_path / "fan/train/b.wav", 5.0, seed=1)
    broken = tmp_path / "fan/train/broken.wav"
    broken.write_bytes((tmp_path / "fan/train/a.wav").read_bytes()[:9000])
    found = [clip for clip in index(tmp_path, seconds=1.0) if clip.recording == "broken.wav"]
    assert [(clip.name, clip.usable) for clip in found] == [("broken.wav", False)]


KINDS = {
    "pcm": ("a.wav", {}),
    "24 bit": ("a.wav", {"subtype": "PCM_24"}),
    "float": ("a.wav", {"subtype": "FLOAT"}),
    "u-law": ("a.wav", {"subtype": "ULAW"}),
    "ADPCM": ("a.wav", {"subtype": "MS_ADPCM"}),
    "FLAC": ("a.flac", {}),
    "Vorbis": ("a.ogg", {}),
}


@pytest.mark.parametrize("rate", [8000, 12000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_window_is_the_same_however_it_is_read(tmp_path: Path, kind: str, rate: int) -> None:
    """Alone, with others, cut from the whole recording, and as the detector cuts it."""
    name, options = KINDS[kind]
    path = write(tmp_path / name, 3.3, rate, **options)
    signal = Signal(8000, 8000, 0)
    # ADPCM fills its last block.
    samples = resampled_length(soundfile.info(path).frames, rate, 8000)
    starts = window_starts(samples, 8000)
    together, reader = read_windows(path, signal, starts), Reader()
    assert together.shape == (4, 8000)
    whole = read_samples(path, signal)
    for start, window in zip(starts, together, strict=True):
        cut = whole[start : start + 8000]  # less its own mean
        np.testing.assert_array_equal(window, cut - np.rint(cut.mean()).astype(np.int16))
        np.testing.assert_array_equal(window, reader(path, signal, [start])[0])
        np.testing.assert_array_equal(window, read_windows(path, signal, [start])[0])
    heard = read_recording(path, signal, Limits(10, 8))
    np.testing.assert_array_equal(windows(heard.samples, 8000), together)


def test_a_window_beyond_the_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 2.0)
    with pytest.raises(JobError, match=r"a\.wav: shorter than its windows in the index"):
        read_windows(path, Signal(RATE, RATE, 0), (0, RATE + 1))


def test_neighbouring_windows_are_read_at_once(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/a.wav", 3.0)
    write(tmp_path / "fan/train/b.wav", 1.0, seed=1)
    a0, a1, a2, b = index(tmp_path, seconds=1.0)
    found = runs([a0, a2, b, a1])
    assert [(path, starts) for path, _, starts in found] == [
        ("fan/train/a.wav", (0, 2 * RATE)),
        ("fan/train/b.wav", (0,)),
        ("fan/train/a.wav", (RATE,)),
    ]
    assert {digest for _, digest, _ in found} == {a0.digest, b.digest}

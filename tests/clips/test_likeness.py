"""Likeness: what is unlike all training recordings in a way that is not the machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from asd.clips.likeness import Likeness, Listening, TrainingRange, remarks

REAL = Path(__file__).resolve().parents[2] / "../shared/real"
RATE = 16000


def noise(seconds: float = 2.0, level: float = 0.05, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=level, size=round(seconds * RATE))


def facts(samples: np.ndarray, rate: int = RATE, channels: int = 1, block: int = 10**9) -> Likeness:
    listening = Listening(rate, channels)
    for start in range(0, len(samples), block):
        listening.add(samples[start : start + block])
    return listening.facts


@pytest.fixture
def training() -> TrainingRange:
    return TrainingRange.of([facts(noise(seed=seed)) for seed in range(5)], RATE, 2.0)


def told(one: Likeness, training: TrainingRange | None) -> dict[str, str]:
    return {remark.code: remark.text for remark in remarks(one, training)}


def test_what_is_like_training_is_passed_over_in_silence(training: TrainingRange) -> None:
    assert remarks(facts(noise(seed=9)), training) == ()
    assert remarks(facts(noise(seconds=20, seed=9)), training) == (), "longer is no other sound"


def lowpassed(limit: float) -> np.ndarray:
    return np.asarray(sosfilt(butter(12, limit, fs=RATE, output="sos"), noise(seed=9) * 1.6))


@pytest.mark.parametrize(
    ("samples", "rate", "expected"),
    [
        (noise(seed=9) / 4, RATE, {"quieter": "12 dB quieter than any training recording"}),
        (noise(seed=9) * 2.5, RATE, {"louder": "8 dB louder than any training recording"}),
        (noise(seed=9) + 0.1, RATE, {"offset": "a constant offset of 0.100 of full scale"}),
        (
            np.clip(noise(seed=9) * 5, -0.11, 0.11),
            RATE,
            {"louder": "6 dB louder", "clipped": " % of the samples are clipped"},
        ),
        (noise(seed=9), 8000, {"narrow": "8000 Hz: nothing above 4 kHz to compare"}),
        (lowpassed(3000), RATE, {"narrow": "where training recordings reach 8.0 kHz"}),
        (noise(seconds=0.2, seed=9), RATE, {"short": "0.20 s: repeated to fill a clip of 2 s"}),
    ],
)
def test_each_kind_is_said_in_words(
    samples: np.ndarray, rate: int, expected: dict[str, str], training: TrainingRange
) -> None:
    found = told(facts(samples, rate), training)
    assert found.keys() == expected.keys()
    for code, text in expected.items():
        assert text in found[code]


def test_another_unit_is_asked_about(training: TrainingRange) -> None:
    found = told(facts(noise(level=3.0)), training)
    assert found["full_scale"].endswith("another unit?")
    assert told(facts(noise(level=3.0)), None) == {"full_scale": found["full_scale"]}


def test_more_channels_are_said(training: TrainingRange) -> None:
    found = told(facts(noise(seed=9), channels=2), training)
    assert found == {"channels": "2 channels, where training recordings have 1"}


def test_sound_where_training_has_none_is_said() -> None:
    narrow = TrainingRange.of([facts(lowpassed(3000))], RATE, 2.0)
    (remark,) = remarks(facts(noise(seed=9)), narrow)
    assert remark.code == "wide"


def test_facts_are_those_of_the_samples() -> None:
    time = np.arange(4 * RATE) / RATE
    found = facts(0.25 + 0.5 * np.sin(2 * np.pi * 1000 * time))
    assert found.level == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert found.peak == pytest.approx(0.75, abs=1e-4)
    assert (found.offset, found.clipped, found.seconds) == (0.25, 0.0, 4.0)
    assert 1000 <= found.bandwidth <= 1500, "the window's main lobe and one band"


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_the_share_of_clipped_samples_is_measured(share: float) -> None:
    samples = np.repeat(
        noise(level=0.3, seed=3), 4
    )  # each value four times, so that every peak is flat
    limit = np.quantile(np.abs(samples), 1 - share)
    assert facts(np.clip(samples, -limit, limit)).clipped == pytest.approx(share, rel=0.01)


def test_broadband_sound_is_clipped_sample_by_sample() -> None:
    samples = noise(level=0.3, seed=3)
    assert facts(samples).clipped == 0
    limit = np.quantile(np.abs(samples), 0.9)
    assert facts(np.clip(samples, -limit, limit)).clipped == pytest.approx(0.1, rel=0.01)


def test_a_tone_is_not_clipped() -> None:
    for frequency in (50.0, 440.0, 4000.0):
        tone = np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)
        for amplitude in (0.9, 0.3, 0.1):
            assert facts(np.rint(amplitude * tone * 32768) / 32768).clipped == 0


@pytest.mark.parametrize("block", [3000, 10_000])
def test_facts_do_not_depend_on_the_blocks(block: int) -> None:
    samples = np.clip(noise(seed=4), -0.1, 0.1)
    whole, cut = facts(samples), facts(samples, block=block)
    assert replace(cut, clipped=0.0) == replace(whole, clipped=0.0)
    assert cut.clipped == pytest.approx(whole.clipped, abs=1e-4)  # a run cut in two


def test_the_record_survives_json(training: TrainingRange) -> None:
    assert TrainingRange.of_json(json.loads(json.dumps(training.to_json()))) == training
    assert TrainingRange.of([], RATE, 2.0) is None


def test_genuine_normal_recordings_are_like_their_training() -> None:
    """At most one of the normal slide rails of the same unit is told, and no anomaly but one."""
    folder = REAL / "dcase2020/slider"
    if not folder.exists():
        pytest.skip(f"no genuine recordings in {folder}")

    def of(path: Path) -> Likeness:
        samples, rate = soundfile.read(path)
        return facts(samples, rate)

    training = TrainingRange.of(map(of, sorted((folder / "train").iterdir())), RATE, 10.0)
    tests = {path.name: remarks(of(path), training) for path in (folder / "test").iterdir()}
    assert sum(bool(found) for found in tests.values()) <= 2

"""The log-mel against librosa, an independent implementation, over a grid of settings."""

from itertools import product

import librosa
import numpy as np
import pytest
import torch

from asd.clips.audio import Signal
from asd.errors import UsageError
from asd.features import logmel
from asd.features.logmel import LogMel, LogMelConfig
from asd.native import import_torchaudio

RATE, LENGTH = 16000, 24000
SIGNAL = Signal(sample_rate=RATE, length=LENGTH, channel=0)


def _waves(count=3):
    """Tones, noise and near silence."""
    random = np.random.default_rng(0)
    time = np.arange(LENGTH) / RATE
    tone = 8000 * np.sin(2 * np.pi * 440 * time)
    noise = 3000 * random.normal(size=LENGTH)
    faint = random.integers(-2, 3, LENGTH)
    return np.stack([tone, noise, faint])[:count].round().astype(np.int16)


def _reference(wave, config):
    mel = librosa.feature.melspectrogram(
        y=wave.astype(np.float32) / 32768,
        sr=RATE,
        n_fft=config.n_fft,
        hop_length=config.hop,
        n_mels=config.mels,
        fmin=config.f_min,
        fmax=config.f_max,
        power=config.power,
        htk=config.mel_scale == "htk",
        norm=config.norm,
        center=config.center,
        pad_mode=config.pad_mode,
    )
    floored = np.maximum(mel, config.floor)
    return 10 * np.log10(floored) if config.log == "db" else np.log(floored)


GRID = [
    {"n_fft": n, "hop": h, "mel_scale": scale, "norm": norm, "power": power}
    for (n, h), scale, norm, power in product(
        [(1024, 512), (400, 160)], ["slaney", "htk"], ["slaney", None], [2.0, 1.0]
    )
] + [
    {"center": False},
    {"pad_mode": "constant"},
    {"log": "ln"},
    {"floor": 1e-3},
    {"mels": 64, "f_min": 200.0, "f_max": 7000.0},
    {"mels": 61, "power": 0.7},
    {"hop": 32},  # more frames than are transformed at once
]


@pytest.mark.filterwarnings("ignore:At least one mel:UserWarning")
@pytest.mark.filterwarnings("ignore:Empty filters:UserWarning")
@pytest.mark.parametrize("values", GRID, ids=str)
def test_agrees_with_librosa(values):
    # Both warn that 128 bands are too narrow for n_fft 400, and both leave those empty.
    config = LogMelConfig(**values)
    extractor = LogMel(config, SIGNAL)
    waves = _waves()
    found = extractor(waves)
    assert found.shape == (3, *extractor.row_shape)
    assert found.dtype == extractor.dtype == np.float16
    to_db = 10 / np.log(10) if config.log == "ln" else 1.0
    for row, wave in zip(found, waves, strict=True):
        expected = _reference(wave, config)
        error = np.abs(row - expected) * to_db
        # float16 keeps 11 bits: half a step is 0.031 dB below 128, twice that for ln. More than
        # 90 dB under the clip's peak both sides are the rounding noise of single precision.
        faint = expected * to_db < expected.max() * to_db - 90 * config.power / 2
        assert error[~faint].max(initial=0) < 0.05
        assert error.mean() < 0.05


def _by_torchaudio(waves, config):
    """Return the log-mels (B, F, T) of torchaudio's own transform."""
    import_torchaudio()
    from torchaudio.transforms import MelSpectrogram

    transform = MelSpectrogram(
        sample_rate=SIGNAL.sample_rate,
        n_fft=config.n_fft,
        hop_length=config.hop,
        f_min=config.f_min,
        f_max=config.f_max,
        n_mels=config.mels,
        power=config.power,
        norm=config.norm,
        mel_scale=config.mel_scale,
        center=config.center,
        pad_mode=config.pad_mode,
    )
    with torch.inference_mode():
        samples = torch.from_numpy(waves).to(torch.float32).div_(32768.0)
        mel = transform(samples).clamp_(min=config.floor)
        logarithm = mel.log10_().mul_(10.0) if config.log == "db" else mel.log_()
        return logarithm.to(torch.float16).numpy()


@pytest.mark.filterwarnings("ignore:At least one mel:UserWarning")
# librosa puts the bins of an odd transform elsewhere.
@pytest.mark.parametrize("values", [*GRID, {"n_fft": 401, "hop": 160}], ids=str)
def test_agrees_with_torchaudio(values):
    """The two sum in another order: equal to a step of float16, but for 0.002 dB around 0 dB, and
    for what is the rounding noise of single precision."""
    config = LogMelConfig(**values)
    extractor = LogMel(config, SIGNAL)
    waves = _waves()
    found, expected = extractor(waves), _by_torchaudio(waves, config)
    assert found.shape == expected.shape
    to_db = 10 / np.log(10) if config.log == "ln" else 1.0
    peaks = expected.max(axis=(1, 2), keepdims=True).astype(np.float32)
    faint = (expected - peaks) * to_db < -90 * config.power / 2
    step = np.spacing(np.maximum(np.abs(found), np.abs(expected))).astype(np.float32)
    error = np.abs(found.astype(np.float32) - expected)
    assert (error <= np.maximum(step, 0.002))[~faint].all()
    assert error.mean() < 0.005


def test_frames_follow_from_the_length():
    for seconds, frames in ((10, 313), (4, 126), (12, 376)):
        signal = Signal(sample_rate=RATE, length=seconds * RATE, channel=0)
        assert LogMel(LogMelConfig(), signal).row_shape == (128, frames)
    assert LogMel(LogMelConfig(center=False), SIGNAL).row_shape == (128, 45)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_bytes_do_not_depend_on_the_threads(count):
    waves = np.random.default_rng(2).integers(-9000, 9000, (10, LENGTH)).astype(np.int16)
    alone = np.concatenate([LogMel(LogMelConfig(), SIGNAL)(wave[None]) for wave in waves])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        extractor = LogMel(LogMelConfig(), SIGNAL)
        for _ in range(2):  # the second call finds the buffers of the first
            assert extractor(waves).tobytes() == alone.tobytes()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("values", [{}, *GRID[-7:]], ids=str)
def test_the_compiled_loop_does_what_the_plain_one_does(values, monkeypatch):
    rows = LogMel(LogMelConfig(**values), SIGNAL)(_waves())
    plain = []
    monkeypatch.setattr(torch.jit, "script", lambda loop: plain.append(loop) or loop)
    monkeypatch.setattr(logmel, "_log_mels", logmel._log_mels.__wrapped__)
    assert LogMel(LogMelConfig(**values), SIGNAL)(_waves()).tobytes() == rows.tobytes()
    assert len(plain) == 1


def test_silence_is_the_floor():
    row = LogMel(LogMelConfig(), SIGNAL)(np.zeros((1, LENGTH), np.int16))
    np.testing.assert_array_equal(row, np.float16(-100.0))


def test_every_setting_is_in_the_recipe():
    """A setting that changed a row but not its digest would be reused wrongly."""
    base = LogMel(LogMelConfig(), SIGNAL).recipe
    assert set(base["config"]) == set(LogMelConfig.model_fields)
    other = LogMel(LogMelConfig(), Signal(sample_rate=RATE, length=LENGTH, channel=1)).recipe
    assert other != base


@pytest.mark.parametrize(
    ("values", "length", "message"),
    [
        ({}, 512, "clips of 512 samples are too short"),
        ({"center": False}, 1023, "clips of 1023 samples are too short"),
        ({"f_max": 9000.0}, LENGTH, "bands from 0.0 to 9000.0 Hz"),
        ({"f_min": 5000.0, "f_max": 4000.0}, LENGTH, "bands from 5000.0 to 4000.0 Hz"),
    ],
)
def test_impossible_settings_are_refused(values, length, message):
    with pytest.raises(UsageError, match=message):
        LogMel(LogMelConfig(**values), Signal(sample_rate=RATE, length=length, channel=0))

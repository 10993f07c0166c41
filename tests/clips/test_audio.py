"""Reading recordings: bit-exact where it can be, and every kind of damage named."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import subprocess
import tracemalloc
import warnings
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asd.clips import decoding
from asd.clips.audio import (
    Limits,
    Probe,
    Signal,
    announce,
    clip_at,
    fit,
    probe,
    read_clip,
    resampled_length,
    to_int16,
)
from asd.clips.decoding import SUFFIXES
from asd.errors import JobError

REAL = Path(__file__).resolve().parents[2] / "../shared/real"
RATE = 16000
LIMITS = Limits(seconds=10, channels=4)


def noise(samples: int = 1600, channels: int = 1) -> np.ndarray:
    """Return int16 noise (L, C), another in each channel, of mean 0 to the nearest step."""
    generator = np.random.default_rng(7)
    return centred(generator.integers(-20000, 20000, (samples, channels), dtype=np.int16))


def centred(samples: np.ndarray) -> np.ndarray:
    """Return samples (L, ...) without their mean, to the nearest step, within 16 bits."""
    return np.clip(samples - np.rint(samples.mean(axis=0)), -32768, 32767).astype(np.int16)


def write(path: Path, samples: np.ndarray, rate: int = RATE, **kind: str) -> Path:
    soundfile.write(path, samples, rate, **kind)
    return path


def header(channels: int, rate: int, size: int, body: bytes = b"") -> bytes:
    """Return a 16-bit WAV that promises ``size`` bytes of samples."""
    align = 2 * channels
    form = (16, 1, channels, rate, rate * align % 2**32, align % 2**16, 16)
    head = b"RIFF\xff\xff\xff\x7fWAVEfmt " + struct.pack("<IHHIIHH", *form)
    return head + b"data" + struct.pack("<I", size) + body


def of(path: Path, channel: int = 0) -> Probe:
    return probe(path, channel, LIMITS)


@pytest.mark.parametrize("kind", [{"format": "WAV"}, {"format": "WAVEX"}, {"format": "FLAC"}])
def test_16_bit_samples_are_taken_over_bit_for_bit(tmp_path: Path, kind: dict[str, str]) -> None:
    samples = noise()
    samples[:2, 0] = -32768, 32767
    path = write(tmp_path / "a", samples, subtype="PCM_16", **kind)
    read = read_clip(path, Signal(RATE, 1600, 0))
    assert read.dtype == np.int16
    np.testing.assert_array_equal(read, centred(samples[:, 0]))


@pytest.mark.parametrize("rate", [RATE, 44100])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("offset", [0.01, -0.3])
def test_a_constant_offset_is_taken_off(
    tmp_path: Path, subtype: str, rate: int, offset: float
) -> None:
    """At any rate and depth, and without a step at the ends."""
    wave = noise(6000)[:, 0] / 65536
    signal = Signal(RATE, resampled_length(6000, rate, RATE), 0)
    plain = read_clip(write(tmp_path / "a.wav", wave, rate, subtype=subtype), signal)
    moved = read_clip(write(tmp_path / "b.wav", wave + offset, rate, subtype=subtype), signal)
    # Rounding the offset, the samples and the result: half a step of 16 bits each.
    assert np.abs(plain.astype(int) - moved).max() <= 2
    assert abs(moved.mean()) <= 0.5


def test_a_clip_of_an_offset_recording_is_the_same_once_it_is_one(tmp_path: Path) -> None:
    """Also looped: what a detector is given as a wave has had its mean taken off before."""
    path = write(tmp_path / "a.wav", noise()[:1234] + np.int16(3000))
    clip = read_clip(path, Signal(RATE, 2000, 0))
    np.testing.assert_array_equal(clip_at(clip, 0, 2000), clip)


@pytest.mark.parametrize(
    ("subtype", "scale"), [("PCM_24", 2.0**-23), ("PCM_U8", 2.0**-7), ("FLOAT", 2.0**-20)]
)
def test_other_depths_are_rounded_to_16_bits(tmp_path: Path, subtype: str, scale: float) -> None:
    # Values of the depth itself: nothing but the last step to 16 bits rounds.
    steps = np.random.default_rng(1).integers(-int(1 / scale), int(1 / scale), 500)
    path = write(tmp_path / "a.wav", steps * scale, subtype=subtype)
    expected = np.clip(np.rint((steps - steps.mean()) * scale * 32768), -32768, 32767)
    read = read_clip(path, Signal(RATE, 500, 0))
    # What is cut at the ends moves the mean, which is taken off once more.
    assert np.abs(read - centred(expected)).max() <= 1


def test_a_few_floats_beyond_full_scale_are_clipped_and_their_peak_told(tmp_path: Path) -> None:
    wave = np.tile([0.5, -0.5], 4000)
    wave[[7, 8]] = 1.5, -3.0
    path = write(tmp_path / "a.wav", wave, subtype="FLOAT")
    read = read_clip(path, Signal(RATE, 8000, 0))
    assert (read.max() > 32700, read.min(), of(path).problem) == (True, -32768, "")
    assert of(path).treatment == "clipped from peak 3.00"


@pytest.mark.parametrize("unit", [9.81, 32768.0, 3e38 / 4])
def test_floats_in_another_unit_are_refused_or_scaled(tmp_path: Path, unit: float) -> None:
    """None becomes a square wave in silence."""
    wave = (noise(4000)[:, 0] / 32768).astype(np.float32)
    path = write(tmp_path / "a.wav", wave * np.float32(unit * 2), subtype="FLOAT")
    problem = of(path).problem
    assert problem.startswith("beyond full scale: floats up to ")
    assert problem.endswith("index.full_scale says what their full scale is")
    assert probe(path, 0, LIMITS, full_scale=2 * unit).problem == ""
    read = read_clip(path, Signal(RATE, 4000, 0, full_scale=2 * unit))
    assert np.abs(read - wave * 32768).max() <= 1
    facts = probe(path, 0, LIMITS, full_scale=2 * unit).facts
    assert facts.peak == pytest.approx(np.abs(wave).max(), abs=1e-4)


def test_an_offset_is_not_beyond_full_scale(tmp_path: Path) -> None:
    """An accelerometer that also feels the earth, in m/s2."""
    wave = noise(4000)[:, 0] / 65536
    path = write(tmp_path / "a.wav", wave + 9.81, subtype="FLOAT")
    assert of(path).problem == ""
    assert np.abs(read_clip(path, Signal(RATE, 4000, 0)) - wave * 32768).max() <= 1


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_the_largest_floats_are_clipped_at_any_rate(tmp_path: Path, rate: int) -> None:
    loud = np.where(np.arange(4000) // 40 % 2, -3e38, 3e38).astype(np.float32)
    path = write(tmp_path / "a.wav", loud, rate, subtype="FLOAT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_clip(path, Signal(RATE, 1000, 0))
    assert (int(read.min()), int(read.max()) > 30_000) == (-32768, True)


@given(arrays(np.float32, st.integers(1, 30), elements=st.floats(-4, 4, width=32)))
def test_rounding_stays_within_half_a_step_or_at_the_ends(samples: np.ndarray) -> None:
    exact = np.clip(samples.astype(np.float64) * 32768, -32768, 32767)
    assert np.abs(to_int16(samples) - exact).max() <= 0.5


@pytest.mark.parametrize("channel", [0, 2])
def test_the_channel_asked_for_is_read(tmp_path: Path, channel: int) -> None:
    path = write(tmp_path / "a.wav", noise(channels=3))
    read = read_clip(path, Signal(RATE, 1600, channel))
    np.testing.assert_array_equal(read, noise(channels=3)[:, channel])


def test_long_recordings_are_read_in_blocks_without_a_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.flac", noise(channels=2))
    monkeypatch.setattr(decoding, "_BLOCK_VALUES", 300)
    read = read_clip(path, Signal(RATE, 1600, 1))
    np.testing.assert_array_equal(read, noise(channels=2)[:, 1])
    assert of(path).problem == ""


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_a_tone_and_its_duration(tmp_path: Path, rate: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate // 2) / rate)
    path = write(tmp_path / "a.wav", tone, rate)
    length = resampled_length(len(tone), rate, RATE)
    assert length == RATE // 2
    read = read_clip(path, Signal(RATE, length, 0)) / 32768
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(length) / RATE)
    inside = slice(400, -400)  # the ends ring where the tone starts and stops
    # HQ promises 20 bits, the file and the result have 16: two steps of 16 bits in all.
    assert np.abs(read[inside] - expected[inside]).max() < 2 / 32768


@given(st.integers(1, 3000), st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000]))
def test_the_resampled_length_is_the_resampler_s_own(samples: int, rate: int) -> None:
    import soxr

    own = len(soxr.resample(np.zeros(samples, np.float32), rate, RATE, quality="HQ"))
    assert resampled_length(samples, rate, RATE) == max(1, own)


@given(st.integers(1, 50), st.integers(1, 200))
def test_clips_are_cut_from_the_start_or_repeated_from_it(samples: int, length: int) -> None:
    fitted = fit(np.arange(samples, dtype=np.int16), length)
    assert fitted.tolist() == [position % samples for position in range(length)]


def test_reading_in_the_form_probing_sees(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(channels=2), 8000)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found = of(path)
    assert found == Probe(8000, 2, 1600, "", found.facts, digest, "")
    assert (found.facts.sample_rate, found.facts.channels, found.facts.seconds) == (8000, 2, 0.2)
    assert len(read_clip(path, Signal(RATE, 3200, 1), digest)) == 3200


def test_a_recording_that_changed_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise())
    digest = of(path).digest
    write(path, noise()[::-1])
    with pytest.raises(JobError, match=r"a\.wav: changed since it was indexed; run 'asd index'"):
        read_clip(path, Signal(RATE, 1600, 0), digest)


def _encoded(kind: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, noise(48000) / 65536, 48000, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    "form",
    [
        "WAV:PCM_16",
        "WAV:FLOAT",
        "WAV:MS_ADPCM",
        "WAVEX:PCM_24",
        "RF64:PCM_16",
        "W64:PCM_16",
        "W64:FLOAT",
        "CAF:PCM_16",
        "AIFF:PCM_16",
        "AIFF:PCM_24",
        "AU:PCM_16",
        "FLAC:PCM_16",
        "OGG:VORBIS",
        "OGG:OPUS",
    ],
)
@pytest.mark.parametrize("share", [0.97, 0.5])
def test_whole_files_pass_and_cut_ones_are_noticed(tmp_path: Path, form: str, share: float) -> None:
    path = tmp_path / "a"
    data = _encoded(*form.split(":"))
    path.write_bytes(data)
    assert of(path).problem == ""
    path.write_bytes(data[: int(len(data) * share)])
    assert of(path).problem.startswith("cut short: ")
    with pytest.raises(JobError, match="cut short: "):
        read_clip(path, Signal(RATE, 10, 0))


# What fails in a callback of the decoder would be printed, and nothing else.
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF])
@pytest.mark.parametrize("more", [b"", b"\x01"])
def test_a_recording_that_was_never_closed_is_read_to_its_end(
    tmp_path: Path, size: int, more: bytes, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its power was cut while the header held a size that stands for none; and it says so."""
    monkeypatch.setattr(decoding, "_LARGE_FILE", 1000 if large else 1 << 26)
    path = tmp_path / "a.wav"
    path.write_bytes(header(1, RATE, size, noise().tobytes() + more))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found = of(path)
    assert (found.problem, found.treatment) == ("", "never closed, read to its end")
    assert (found.samples, found.digest) == (1600, digest)
    np.testing.assert_array_equal(read_clip(path, Signal(RATE, 1600, 0), digest), noise()[:, 0])


def test_a_long_recording_that_was_never_closed(tmp_path: Path) -> None:
    """RF64 keeps its size elsewhere, which is 0 there too."""
    path = tmp_path / "a.wav"
    data = bytearray(_encoded("RF64", "PCM_16"))
    start = data.index(b"ds64") + 16
    data[start : start + 8] = bytes(8)
    path.write_bytes(data)
    assert (of(path).problem, of(path).samples) == ("", 48000)


def cut_short(promised: int, there: int = 3200) -> str:
    return f"cut short: the header promises {promised} bytes of samples, {there} are there"


PLAIN = noise().tobytes()
# A chunk of three bytes, which is padded to four, before the samples.
BEHIND_A_CHUNK = b"LIST\x03\x00\x00\x00abc\x00".join(
    (header(1, RATE, 3200)[:36], header(1, RATE, 3200, PLAIN)[36:])
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BEHIND_A_CHUNK, ""),
        (b"", "not a WAV, FLAC, OGG or MP3 recording"),
        (b"It ran well all day.\n" * 100, "not a WAV, FLAC, OGG or MP3 recording"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not a WAV, FLAC, OGG or MP3 recording"),
        (header(1, RATE, 0), "no samples"),
        (header(1, RATE, 0, b"LIST\x04\x00\x00\x00abcd"), "no samples"),
        *((header(1, RATE, size, PLAIN), cut_short(size)) for size in (3201, 6400, 0x7FFFEFFF)),
        (BEHIND_A_CHUNK[:-2], cut_short(3200, 3198)),
        (header(1, RATE, 3200, bytes(3200)), "silent: all samples are equal"),
        (header(1, RATE, 3200, b"\x10\x27" * 1600), "silent: all samples are equal"),
        (header(5, RATE, 16000, noise(8000).tobytes()), "too many channels: 5, more than 4"),
        (header(65535, RATE, 160, bytes(160)), "not a WAV, FLAC, OGG or MP3 recording: Too many"),
        (header(1, 100, 3200, noise().tobytes()), "too long: 16.00 s, more than 10 s"),
        (header(1, 2**31 - 1, 3200, noise().tobytes()), "impossible sample rate: 2147483647 Hz"),
        (header(1, 0, 3200, noise().tobytes()), "not a WAV, FLAC, OGG or MP3 recording"),
    ],
)
def test_bad_recordings(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    found = of(path)
    assert found.problem.startswith(problem)
    assert bool(found.problem) == bool(problem)
    assert found.digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    samples = noise(channels=2) / 32768
    samples[1500, 1] = value
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert of(path, channel=1).problem == "NaN or infinite samples"
    assert of(path, channel=0).problem == ""
    with pytest.raises(JobError, match=r"a\.wav: NaN or infinite samples"):
        read_clip(path, Signal(RATE, 10, 1))


def test_float_samples_too_quiet_for_16_bits_are_silent(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise() / 2**31 / 4, subtype="FLOAT")
    assert of(path).problem == "silent: all samples are equal"


def test_a_channel_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(channels=2))
    assert of(path, channel=2).problem == "channel out of range: 2, the channels are 0-1"
    with pytest.raises(JobError, match="channel out of range"):
        read_clip(path, Signal(RATE, 10, 2))


def test_other_audio_formats_are_refused_whatever_their_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(), format="PVF", subtype="PCM_16")
    assert of(path).problem == "not a WAV, FLAC, OGG or MP3 recording: PVF"


@pytest.mark.parametrize("form", ["AIFF", "AU", "CAF", "W64"])
def test_what_the_library_reads_is_read(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / f"a.{form.lower()}", noise(), format=form, subtype="PCM_16")
    np.testing.assert_array_equal(read_clip(path, Signal(RATE, 1600, 0)), noise()[:, 0])
    assert path.suffix in SUFFIXES | {".aiff"}


def test_an_mp3_is_read(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)
    path = write(tmp_path / "a.mp3", tone, format="MP3", subtype="MPEG_LAYER_III")
    found = of(path)
    assert (found.problem, found.sample_rate) == ("", RATE)
    assert found.samples == pytest.approx(4 * RATE, abs=4000), "frames of 1,152, and a delay"
    power = np.abs(np.fft.rfft(read_clip(path, Signal(RATE, 4 * RATE, 0)))) ** 2
    assert power[1740:1780].sum() > 0.99 * power.sum(), "what is left is 440 Hz"


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that gives, for any input, a WAV of noise as FFmpeg writes one into a pipe."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "noise.wav").write_bytes(header(1, RATE, 0xFFFFFFFF, noise().tobytes()))
    program = folder / "ffmpeg"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *broken*) echo "moov atom not found" >&2; exit 1;; esac\n'
        f'exec cat "{folder / "noise.wav"}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return program


def test_what_only_ffmpeg_reads_is_converted(tmp_path: Path, ffmpeg: Path) -> None:
    for name in ("a.m4a", "-b.AMR"):
        (tmp_path / name).write_bytes(b"not looked at here")
        found = of(tmp_path / name)
        assert (found.problem, found.treatment) == ("", "converted by FFmpeg")
        assert found.digest == hashlib.sha256(b"not looked at here").hexdigest()
        read = read_clip(tmp_path / name, Signal(RATE, 1600, 0), found.digest)
        np.testing.assert_array_equal(read, noise()[:, 0])
    (tmp_path / "broken.m4a").touch()
    assert of(tmp_path / "broken.m4a").problem == "FFmpeg cannot read it: moov atom not found"


def test_without_ffmpeg_there_is_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.m4a").touch()
    assert of(tmp_path / "a.m4a").problem == (
        "format not read: .m4a needs FFmpeg; install it, or convert to WAV or FLAC"
    )


def test_the_true_ffmpeg_reads_what_it_wrote(tmp_path: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("FFmpeg is not installed")
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    plain = write(tmp_path / "a.wav", tone)
    subprocess.run([program, "-v", "error", "-i", plain, tmp_path / "a.m4a"], check=True)
    read = read_clip(tmp_path / "a.m4a", Signal(RATE, RATE, 0))
    assert of(tmp_path / "a.m4a").problem == ""
    assert np.sqrt(np.mean(np.square(read / 32768))) == pytest.approx(0.3 / 2**0.5, rel=0.05)


def test_what_is_no_file_is_a_problem_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert of(tmp_path / "pipe.wav") == Probe(problem="not a file")
    assert of(tmp_path / "gone.wav").problem == "cannot be read: No such file or directory"
    for name in ("pipe.wav", "gone.wav"):
        announce(tmp_path / name)


def _flac_promising(samples: int) -> bytes:
    """Return a FLAC of 1,600 samples whose header promises another number of them (36 bits)."""
    file = io.BytesIO()
    soundfile.write(file, noise(), RATE, format="FLAC", subtype="PCM_16")
    data = bytearray(file.getvalue())
    data[21] = data[21] & 0xF0 | samples >> 32
    data[22:26] = struct.pack(">I", samples & 0xFFFFFFFF)
    return bytes(data)


@pytest.mark.parametrize(
    ("samples", "limit", "problem"),
    [
        (1600, 10, ""),
        (1601, 10, "cut short: the header promises 1601 samples"),
        (2**36 - 1, 10, "too long: 4294967.30 s"),
        (2**36 - 1, 1e9, "cut short: the header promises 68719476735 samples"),
        (0, 1e9, "unknown length: the header does not say"),
    ],
)
def test_an_absurd_header_takes_no_memory(
    tmp_path: Path, samples: int, limit: float, problem: str
) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(_flac_promising(samples))
    tracemalloc.start()
    found = probe(path, 0, Limits(limit, 4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.problem.startswith(problem)
    assert bool(found.problem) == bool(problem)
    assert peak < 50e6  # bytes; a block of 2 Mi values, as it is and as 16 bits, is 12 MB


def test_a_large_file_is_judged_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wav", noise(11 * RATE))
    monkeypatch.setattr(decoding, "_LARGE_FILE", 1000)
    found = of(path)
    assert found.problem == "too long: 11.00 s, more than 10 s"
    assert found.digest == ""  # nothing but the header was read


@pytest.mark.parametrize("form", ["WAV:PCM_16", "WAV:PCM_24", "FLAC:PCM_16", "OGG:VORBIS"])
def test_a_large_file_is_heard_as_a_small_one_is(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(_encoded(*form.split(":")))
    signal = Signal(RATE, 16_000, 0)
    small, clip = of(path), read_clip(path, signal)
    monkeypatch.setattr(decoding, "_LARGE_FILE", 1000)
    assert of(path) == small
    np.testing.assert_array_equal(read_clip(path, signal, small.digest), clip)


def test_genuine_recordings_are_read_bit_for_bit() -> None:
    files = sorted(REAL.glob("dcase*/*/*/*.wav"))[::10]
    if not files:
        pytest.skip(f"no genuine recordings in {REAL}")
    for path in files:
        with wave.open(str(path)) as file:
            expected = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        found = probe(path, 0, Limits(60, 1))
        assert (found.problem, found.sample_rate, found.samples) == ("", RATE, len(expected))
        read = read_clip(path, Signal(RATE, len(expected), 0), found.digest)
        np.testing.assert_array_equal(read, centred(expected))


@pytest.mark.parametrize("channel", [0, 7])
def test_a_genuine_recording_of_eight_channels(channel: int) -> None:
    path = REAL / "mimii_8ch/fan_normal.wav"
    if not path.exists():
        pytest.skip(f"no genuine recording {path}")
    found = probe(path, channel, Limits(60, 8))
    assert (found.problem, found.sample_rate, found.channels) == ("", RATE, 8)
    body = path.read_bytes()
    start = body.index(b"data") + 8
    channels = np.frombuffer(body, "<i2", found.samples * 8, start).reshape(-1, 8)
    read = read_clip(path, Signal(RATE, found.samples, channel))
    np.testing.assert_array_equal(read, channels[:, channel])

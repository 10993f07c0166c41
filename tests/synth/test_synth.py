"""The synthesiser: layout, determinism, physics, and what it does with a folder of others."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from asd.cli.synth import command
from asd.clips.channels import residual
from asd.clips.index import index_recordings
from asd.config import IndexConfig, SynthConfig
from asd.errors import UsageError
from asd.synth import MACHINES
from asd.synth.dataset import MANIFEST, encode, plan, synthesise_machine
from asd.synth.machine import NORMAL, RATE, Grid, Unit, burst, knocks, passages, rotation, tone
from asd.synth.recording import render, take

SMALL = SynthConfig(seconds=1.0, sections=2, train_source=3, train_target=1, test_clips=1)
# Those of 2026 are further units of the same kinds.
every_machine = pytest.mark.parametrize("machine", [m for m in MACHINES if m[-3:] != "Emu"])
TWO = SMALL.model_copy(update={"channels": 2, "seconds": 4.0})


def rms(wave: np.ndarray) -> float:
    """Return the root mean square of a wave."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def normal_clip(machine: str, number: int, config: SynthConfig, condition: str = NORMAL):
    operations = MACHINES[machine]().operations(0, "source")
    clip = f"section_00_source_train_normal_{number:04d}"
    return 0, clip, operations[number % len(operations)], condition, config


def envelope_spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (K,) and the spectrum (K,) of the squared sound, its mean removed."""
    power = np.square(sound) - np.mean(np.square(sound))
    return np.fft.rfftfreq(sound.size, 1 / RATE), np.abs(np.fft.rfft(power))


@every_machine
def test_layout_is_that_of_the_2022_challenge(machine: str, tmp_path: Path) -> None:
    written = synthesise_machine(tmp_path, machine, SMALL)
    wavs = sorted((tmp_path / machine).rglob("*.wav"))
    assert written == len(wavs) == 2 * (3 + 1 + 4)
    for path in wavs:
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            assert file.getnframes() == RATE
    for section in ("00", "01"):
        table = tmp_path / machine / f"attributes_{section}.csv"
        header, *rows = list(csv.reader(table.open(encoding="utf-8")))
        assert header[:3] == ["file_name", "d1p", "d1v"]
        for name, *values in rows:
            assert (tmp_path / name).is_file()
            assert name.endswith("_" + "_".join(values) + ".wav")
    listed = {row for s in ("00", "01") for row in names_in(tmp_path / machine, s)}
    assert listed == {path.relative_to(tmp_path).as_posix() for path in wavs}


def names_in(folder: Path, section: str) -> list[str]:
    table = folder / f"attributes_{section}.csv"
    return [row[0] for row in csv.reader(table.open(encoding="utf-8"))][1:]


@every_machine
def test_target_values_do_not_occur_in_the_source(machine: str) -> None:
    kind = MACHINES[machine]()
    keys = list(kind.attributes)
    for section in range(2 * len(keys)):
        shifted = keys[section % len(keys)]
        source = kind.operations(section, "source")
        target = kind.operations(section, "target")
        assert not {o[shifted] for o in source} & {o[shifted] for o in target}
        for key in set(keys) - {shifted}:
            assert {o[key] for o in target} <= {o[key] for o in source}


@every_machine
def test_same_config_same_bytes(machine: str, tmp_path: Path) -> None:
    synthesise_machine(tmp_path / "a", machine, SMALL)
    first = digests(tmp_path / "a")
    synthesise_machine(tmp_path / "a", machine, SMALL)
    synthesise_machine(tmp_path / "b", machine, SMALL)
    assert digests(tmp_path / "a") == first == digests(tmp_path / "b")


def test_a_clip_does_not_depend_on_the_others(tmp_path: Path) -> None:
    synthesise_machine(tmp_path / "few", "valve", SMALL)
    more = SMALL.model_copy(update={"sections": 3, "train_source": 5, "test_clips": 2})
    synthesise_machine(tmp_path / "more", "valve", more)
    few, many = digests(tmp_path / "few"), digests(tmp_path / "more")
    wavs = {path for path in few if path.endswith(".wav")}
    assert wavs
    assert {path: few[path] for path in wavs} == {path: many[path] for path in wavs}


def test_another_seed_gives_other_sound() -> None:
    other = SMALL.model_copy(update={"seed": 1})
    assert not np.array_equal(
        render("fan", *normal_clip("fan", 0, SMALL)), render("fan", *normal_clip("fan", 0, other))
    )


@every_machine
def test_every_fault_changes_the_clip(machine: str) -> None:
    config = SMALL.model_copy(update={"seconds": 4.0})  # the slowest train needs 3.7 s a round
    healthy = render(machine, *normal_clip(machine, 0, config))
    for fault in MACHINES[machine].faults:
        faulty = render(machine, *normal_clip(machine, 0, config, fault))
        assert np.all(np.isfinite(faulty))
        assert rms(faulty - healthy) > 1e-5, fault


@every_machine
def test_stated_level_is_that_of_normal_operation(machine: str) -> None:
    kind = MACHINES[machine]()
    powers = []
    for seed, section in itertools.product(range(4), range(3)):
        config = SMALL.model_copy(update={"seconds": 4.0, "sections": 3, "seed": seed})
        for operation in kind.operations(section, "source") + kind.operations(section, "target"):
            run = take(machine, section, f"level_{len(powers)}", operation, NORMAL, config)
            powers.append(rms(run.grid.wave(kind.sound(run))) ** 2)
    # 1.5 dB: the noise is set relative to the level, so this is how true snr_db is on average.
    assert abs(10 * np.log10(np.mean(powers) / kind.level**2)) < 1.5


def test_noise_is_at_the_stated_ratio() -> None:
    def sound(number: int, snr_db: float) -> np.ndarray:
        config = SMALL.model_copy(update={"snr_db": snr_db})
        return render("gearbox", *normal_clip("gearbox", number, config))

    ratios = []
    for number in range(16):
        machine = sound(number, 200.0)
        noise, more = (rms(sound(number, snr_db) - machine) for snr_db in (6.0, 0.0))
        assert more / noise == pytest.approx(10 ** (6 / 20), rel=1e-3)
        ratios.append(20 * np.log10(MACHINES["gearbox"].loudness / noise))
    # A clip strays by up to 6 dB in ratio and 1 dB in level: 0.9 dB in the mean of 16.
    assert np.mean(ratios) == pytest.approx(6.0, abs=2.7)


def test_fan_sings_at_the_blade_pass_frequency() -> None:
    config = SMALL.model_copy(update={"seconds": 8.0})
    run = take("fan", *normal_clip("fan", 0, config))
    level = np.abs(MACHINES["fan"]().sound(run))
    frequencies = run.grid.frequencies
    near = np.flatnonzero((frequencies > 140) & (frequencies < 196))
    peak = frequencies[near[np.argmax(level[near])]]
    # Seven blades at 24 turns a second, give or take 4 % of the unit and 2.5 % of the clip.
    assert peak == pytest.approx(7 * 24.0, rel=0.065)
    assert level[near].max() > 10 * np.median(level[near])


@pytest.mark.parametrize("fault", ["outer", "inner", "ball"])
def test_bearing_knocks_at_the_fault_frequency(fault: str) -> None:
    balls, speed = 8, 10.0
    config = SMALL.model_copy(update={"seconds": 8.0, "snr_db": 200.0})
    operation = {"vel": "10", "loc": "A"}
    pitch = 0.21 * Unit(config.seed, "bearing", 0).vary("pitch", 0.05)
    expected = {
        "outer": balls / 2 * (1 - pitch),
        "inner": balls / 2 * (1 + pitch),
        "ball": (1 - pitch**2) / pitch,
    }[fault] * speed

    def at_fault_frequency(condition: str) -> float:
        total = 0.0
        for number in range(4):
            clip = f"section_00_source_test_anomaly_{number:04d}"
            frequencies, level = envelope_spectrum(
                render("bearing", 0, clip, operation, condition, config)
            )
            near = np.abs(frequencies / expected - 1) < 0.02
            around = np.abs(frequencies / expected - 1) < 0.3
            total += level[near].max() / np.median(level[around])
        return total / 4

    assert at_fault_frequency(fault) > 2 * at_fault_frequency(NORMAL)


def test_sections_are_other_units() -> None:
    clip, config = "section_xx_source_train_normal_0000", SMALL
    sounds = [render("fan", section, clip, {"m-n": "W"}, NORMAL, config) for section in range(3)]
    assert rms(sounds[0] - sounds[1]) > 1e-4
    factors = [Unit(0, "fan", section).vary("speed", 0.05) for section in range(6)]
    assert min(np.diff(sorted(factors))) > 0.001
    assert all(0.95 <= factor <= 1.05 for factor in factors)


def test_a_smaller_config_removes_its_own_stale_clips(tmp_path: Path) -> None:
    synthesise_machine(tmp_path, "fan", SMALL)
    smaller = SMALL.model_copy(update={"sections": 1})
    synthesise_machine(tmp_path, "fan", smaller)
    fresh = tmp_path / "fresh"
    synthesise_machine(fresh, "fan", smaller)
    assert digests(tmp_path / "fan") == digests(fresh / "fan")


def test_an_interrupted_synthesis_goes_on(tmp_path: Path, monkeypatch) -> None:
    calls = []

    def stop_at_third(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return render(*arguments)

    monkeypatch.setattr("asd.synth.dataset.render", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        synthesise_machine(tmp_path, "fan", SMALL)
    monkeypatch.undo()
    half_written = tmp_path / "fan" / "train" / f".{Path(plan('fan', SMALL)[2].path).name}.part"
    half_written.write_bytes(b"RIFF")
    assert synthesise_machine(tmp_path, "fan", SMALL) == len(plan("fan", SMALL))
    assert not half_written.exists()


@pytest.mark.parametrize("synthesised_before", [False, True])
def test_own_recordings_are_never_touched(tmp_path: Path, synthesised_before: bool) -> None:
    if synthesised_before:
        synthesise_machine(tmp_path, "fan", SMALL)
    own = tmp_path / "fan" / "train" / "my_fan.wav"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(encode(np.zeros(10)))
    before = digests(tmp_path)
    with pytest.raises(UsageError, match=r"my_fan\.wav: not made by 'asd synth'"):
        synthesise_machine(tmp_path, "fan", SMALL.model_copy(update={"sections": 1}))
    assert digests(tmp_path) == before


def test_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "fan").mkdir()
    (tmp_path / "fan" / MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=MANIFEST):
        synthesise_machine(tmp_path, "fan", SMALL)


def test_unknown_names_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'valve'"):
        synthesise_machine(tmp_path, "vavle", SMALL)
    with pytest.raises(UsageError, match="rubbing"):
        render("fan", *normal_clip("fan", 0, SMALL, "rubing"))


def test_encode_rounds_to_sixteen_bits(tmp_path: Path) -> None:
    sound = np.array([-1.0, 0.0, 0.5, 1.0])
    (tmp_path / "a.wav").write_bytes(encode(sound))
    with wave.open(str(tmp_path / "a.wav")) as file:
        samples = np.frombuffer(file.readframes(4), "<i2")
    assert samples.tolist() == [-32767, 0, 16384, 32767]


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1000, 20000))
def test_grid_transforms_back(length: int) -> None:
    grid = Grid(length)
    noise = np.random.default_rng(length).standard_normal(grid.size)
    assert grid.size >= length
    assert grid.size % 2 == 0
    # float32 transform: relative error of about 1e-7 a stage.
    np.testing.assert_allclose(grid.wave(grid.spectrum(noise)), noise, atol=1e-5)


def test_white_noise_and_coloured_noise_have_unit_power() -> None:
    grid = Grid(64000)
    white = grid.white(np.random.default_rng(0))
    colour = grid.colour([(50, 0), (1000, -6), (8000, -30)])
    assert rms(grid.wave(white)) == pytest.approx(1.0, abs=0.02)
    assert rms(grid.wave(white * colour)) == pytest.approx(1.0, abs=0.05)


def test_tone_has_the_stated_harmonics() -> None:
    grid = Grid(16000)
    random = np.random.default_rng(0)
    sound = tone(random, 100.0 * np.arange(grid.size) / RATE, [0.5, 0.0, 0.25])
    level = 2 * np.abs(np.fft.rfft(sound)) / grid.size
    # The table has 8,192 entries and is not interpolated: errors below 1e-3.
    np.testing.assert_allclose(level[[100, 200, 300]], [0.5, 0.0, 0.25], atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(speed=st.floats(1.0, 60.0), offset=st.floats(0.0, 0.99))
def test_passages_are_where_the_angle_passes(speed: float, offset: float) -> None:
    grid = Grid(8000)
    turns = rotation(np.random.default_rng(1), grid, speed, 0.01)
    at = passages(turns, offset)
    angles = np.interp(at, np.arange(grid.size), turns) - offset
    np.testing.assert_allclose(angles, np.round(angles), atol=1e-6)
    assert abs(at.size - (turns[-1] - turns[0])) <= 1


def test_knocks_keep_their_strength_and_bursts_decay() -> None:
    grid = Grid(4000)
    at = np.array([10.25, 99.5, 3999.75])
    assert knocks(grid, at, 2.0).sum() == pytest.approx(2.0 * 2 + 2.0 * 0.25, rel=1e-6)
    envelope = burst(grid, np.array([100.0]), 3.0, 0.01)
    assert envelope[99] == 0.0
    assert envelope[100] == pytest.approx(3.0)
    assert envelope[100 + 160] == pytest.approx(3.0 / np.e)


def test_verb_writes_the_machines_of_the_params(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "pipeline").mkdir()
    params = """
dataset: {name: demo, raw: data/raw/demo, machines: [fan]}
synth: {machines: [fan], seconds: 1, sections: 1, train_source: 2, train_target: 1, test_clips: 1}
features: {}
models: {}
systems: {}
"""
    (tmp_path / "pipeline" / "params.yaml").write_text(params, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(command, [], catch_exceptions=False)
    assert said.output == "synthesised 7 clips of 1 s (fan) -> data/raw/demo\n"
    assert len(list((tmp_path / "data/raw/demo/fan").rglob("*.wav"))) == 7
    rows = json.loads(CliRunner().invoke(command, ["--json"], catch_exceptions=False).output)
    assert rows == [{"machine": "fan", "clips": 7, "seconds": 1.0, "path": "data/raw/demo/fan"}]
    with pytest.raises(UsageError, match="unknown machine of synth.machines 'valve'"):
        CliRunner().invoke(command, ["--machine", "valve"], catch_exceptions=False)


def test_two_microphones_hear_the_same_run(tmp_path: Path) -> None:
    both = render("gearboxEmu", *normal_clip("gearboxEmu", 0, TWO))
    alone = TWO.model_copy(update={"channels": 1})
    assert both.shape == (4 * RATE, 2)
    assert np.array_equal(both[:, 0], render("gearboxEmu", *normal_clip("gearboxEmu", 0, alone)))
    small = TWO.model_copy(update={"seconds": 1.0})
    synthesise_machine(tmp_path, "gearboxEmu", small)
    for path in (tmp_path / "gearboxEmu").rglob("*.wav"):
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getnframes()) == (2, RATE)


def test_the_far_microphone_hears_the_hall_and_little_of_the_machine() -> None:
    def heard(snr_db: float) -> np.ndarray:
        config = TWO.model_copy(update={"snr_db": snr_db})
        return render("slider", *normal_clip("slider", 0, config)).T

    machine = heard(200.0)
    near, far = heard(0.0) - machine
    assert 20 * np.log10(rms(machine[0]) / rms(machine[1])) > 8
    assert abs(20 * np.log10(rms(near) / rms(far))) < 6


@every_machine
def test_the_residual_is_the_machine_out_of_the_hall(machine: str) -> None:
    def heard(snr_db: float) -> np.ndarray:
        config = TWO.model_copy(update={"snr_db": snr_db})
        return render(machine, *normal_clip(machine, 1, config)).T

    alone, (near, far) = heard(200.0)[0], heard(-6.0)
    left = residual(near, far)
    assert 20 * np.log10(rms(near - alone) / rms(left - alone)) > 6


def test_hidden_attributes_are_told_by_no_name_and_no_table(tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"hidden": ("fan",)})
    synthesise_machine(tmp_path, "fan", config)
    clips = index_recordings(tmp_path, "fan", IndexConfig()).clips
    assert all(clip.usable and clip.attributes == "" for clip in clips)
    assert all(clip.name.endswith("_noAttribute.wav") for clip in clips)
    told = sorted(path.read_bytes() for path in (tmp_path / "fan").rglob("*.wav"))
    synthesise_machine(tmp_path, "fan", SMALL)
    assert sorted(path.read_bytes() for path in (tmp_path / "fan").rglob("*.wav")) == told

"""Ripples of the level: what they do to each kind of feature, and that features agree."""

import numpy as np
import pytest
import torch

from asd.training.transforms import TRANSFORMS, decibel, transformed

HOP, FRAMES = 512, 256
LENGTH = HOP * FRAMES
UNITS = {"db": 1.0, "ln": float(np.log(10) / 10), "ptm": None}


def _inputs(count):
    generator = torch.Generator().manual_seed(0)
    maps = {
        name: torch.randn(count, 6, FRAMES, generator=generator) * (1 + 3 * i)
        for i, name in enumerate(UNITS)
    }
    return {"wave": 1000 + torch.rand(count, LENGTH, generator=generator), **maps}


def _ripples(classes, seed=0):
    """What was done to each input: decibels for wave, db and ln; deviations for the others."""
    inputs = _inputs(len(classes))
    found = transformed(inputs, classes, np.random.default_rng(seed), UNITS)
    wave = 20 * torch.log10(found["wave"] / inputs["wave"])
    maps = {name: found[name] - inputs[name] for name in UNITS}
    deviation = inputs["ptm"].std(-1, correction=0, keepdim=True)
    return {
        "wave": wave[:, None],
        "db": maps["db"],
        "ln": maps["ln"] / UNITS["ln"],
        "ptm": maps["ptm"] / deviation,
    }


def test_the_first_is_the_clip_as_it_is():
    assert TRANSFORMS[0] == "identity"
    inputs = _inputs(3)
    kept = {name: values.clone() for name, values in inputs.items()}
    found = transformed(inputs, np.zeros(3, int), np.random.default_rng(0), UNITS)
    for name, values in kept.items():
        assert torch.equal(found[name], values)
    transformed(inputs, np.ones(3, int), np.random.default_rng(0), UNITS)
    # Batches are the caller's: nothing is changed in place.
    assert all(torch.equal(inputs[name], values) for name, values in kept.items())


@pytest.mark.parametrize("one", range(1, len(TRANSFORMS)))
@pytest.mark.parametrize("name", ["wave", *UNITS])
def test_a_ripple_has_its_period_and_depth(one, name):
    period = int(TRANSFORMS[one].split("_")[1])
    ripple = _ripples(np.full(4, one))[name].mean(1)
    power = torch.fft.rfft(ripple.double()).abs() ** 2
    # All of it lies at one frequency: float32 leaves less than a thousandth elsewhere.
    assert power.argmax(1).tolist() == [FRAMES // period] * 4
    assert ((power.amax(1) / power.sum(1)) > 0.999).all()
    depth = 0.6 if name == "ptm" else 3.0
    # A whole period is sampled at least eight times, which may miss the crest by 8 %.
    assert ripple.amax(1).numpy() == pytest.approx(np.full(4, depth), rel=0.08)


def test_features_of_a_clip_get_the_same_ripple():
    ripples = _ripples(np.array([1, 2, 3, 4, 0, 1]))
    # A wave's gain at the first sample of a frame is what the frame's level goes up by.
    wave = ripples["wave"][..., ::HOP]
    for name, scale in (("db", 1.0), ("ln", 1.0), ("ptm", 3.0 / 0.6)):
        values = ripples[name] * scale
        torch.testing.assert_close(values, wave.expand_as(values), atol=5e-3, rtol=0)


def test_phases_follow_the_generator_alone():
    classes = np.array([1, 1, 4, 4])
    first, again, other = (_ripples(classes, seed)["db"] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)
    assert not torch.allclose(first[0], first[1], atol=0.1)


def test_a_wave_alone_counts_frames_of_512_samples():
    wave = torch.full((1, LENGTH), 100.0)
    found = transformed({"wave": wave}, np.array([4]), np.random.default_rng(0), {"wave": None})
    power = torch.fft.rfft(torch.log(found["wave"]).double() - np.log(100)).abs()
    assert int(power.argmax()) == FRAMES // 64


@pytest.mark.parametrize(
    ("config", "unit"),
    [
        ({"log": "db", "power": 2.0}, 1.0),
        ({"log": "db", "power": 1.0}, 0.5),
        ({"log": "ln", "power": 2.0}, np.log(10) / 10),
        ({"layer": 6}, None),
    ],
)
def test_the_recipe_tells_what_a_decibel_is(config, unit):
    assert decibel({"config": config}) == pytest.approx(unit)


def test_a_recipe_without_config_tells_nothing():
    assert decibel({"of": "logmel"}) is None

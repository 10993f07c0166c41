"""Class-balanced batches, and mixtures of clips."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asd.clips.audio import Signal
from asd.features.logmel import LogMel, LogMelConfig
from asd.training.examples import Mixture, balanced_batches, draw, mixed

CLASSES = st.lists(st.integers(0, 6), min_size=1, max_size=80).map(np.array)
LOGS = [
    {"log": log, "power": power, "floor": 1e-10} for log in ("db", "ln") for power in (1.0, 2.0)
]


@given(CLASSES, st.integers(2, 6), st.integers(2, 5), st.integers(0, 5))
def test_every_batch_is_balanced(classes, per_batch, per_class, epoch):
    there = len(np.unique(classes))
    chosen = min(per_batch, there)
    batches = list(balanced_batches(classes, per_batch, per_class, 0, epoch))
    assert batches
    for rows in batches:
        counts = np.bincount(classes[rows], minlength=7)
        assert (counts > 0).sum() == chosen
        assert set(counts[counts > 0]) == {per_batch * per_class // chosen}


@given(CLASSES, st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_can_be_repeated(classes, seed, epoch):
    first = [rows.tolist() for rows in balanced_batches(classes, 3, 2, seed, epoch)]
    again = [rows.tolist() for rows in balanced_batches(classes, 3, 2, seed, epoch)]
    assert first == again


def test_epochs_and_seeds_differ():
    classes = np.arange(60) % 3
    drawn = {
        (seed, epoch): np.concatenate(list(balanced_batches(classes, 3, 4, seed, epoch))).tolist()
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len({tuple(rows) for rows in drawn.values()}) == 4


def test_equal_classes_are_seen_whole_each_epoch():
    classes = np.repeat(np.arange(4), 12)
    rows = np.concatenate(list(balanced_batches(classes, 4, 6, 0, 0)))
    assert sorted(rows) == list(range(48))


def test_rare_classes_come_as_often_as_common_ones():
    classes = np.array([0] * 990 + [1] * 10)
    rows = np.concatenate(list(balanced_batches(classes, 2, 8, 0, 0)))
    counts = np.bincount(classes[rows])
    assert counts[0] == counts[1]


def _mixture(partner, share):
    return Mixture(np.array(partner), np.array(share, np.float32))


def _logged(power, config):
    """A feature as the recipe says it, of powers."""
    values = np.maximum(power ** (config["power"] / 2), config["floor"])
    return 10 * np.log10(values) if config["log"] == "db" else np.log(values)


@given(st.integers(1, 64), st.floats(0, 1), st.integers(0, 999))
def test_a_mixture_is_one_of_the_batch(count, probability, seed):
    mixture = draw(count, probability, np.random.default_rng(seed))
    assert sorted(mixture.partner.tolist()) == list(range(count))
    assert mixture.share.dtype == np.float32
    assert ((mixture.share >= 0) & (mixture.share <= 1)).all()
    again = draw(count, probability, np.random.default_rng(seed))
    np.testing.assert_array_equal(again.share, mixture.share)
    np.testing.assert_array_equal(again.partner, mixture.partner)


def test_shares_are_uniform_and_as_many_as_asked_for():
    mixture = draw(20_000, 0.5, np.random.default_rng(0))
    shares = mixture.share[mixture.share < 1]
    assert len(shares) / 20_000 == pytest.approx(0.5, abs=0.02)
    assert np.quantile(shares, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.02)
    assert (draw(99, 0.0, np.random.default_rng(0)).share == 1).all()


def test_what_is_not_mixed_stays_as_it_is():
    inputs = {"wave": torch.randn(3, 50), "logmel": torch.randn(3, 4, 5)}
    kept = {name: values.clone() for name, values in inputs.items()}
    out = mixed(inputs, _mixture([1, 2, 0], [1, 0.3, 1]), {"logmel": {"config": LOGS[0]}})
    for name, values in out.items():
        assert torch.equal(values[[0, 2]], kept[name][[0, 2]])
        assert not torch.equal(values[1], kept[name][1])
        # The batch that came in is nobody else's to change.
        assert torch.equal(inputs[name], kept[name])


@pytest.mark.parametrize("shape", [(50,), (4, 9)])
def test_waves_and_frames_of_networks_are_mixed_linearly(shape):
    values = torch.randn(3, *shape)
    out = mixed({"x": values}, _mixture([1, 2, 0], [0.25, 0.5, 0]), {"x": {"config": {"hop": 5}}})
    expected = [
        0.25 * values[0] + 0.75 * values[1],
        0.5 * values[1] + 0.5 * values[2],
        values[0],
    ]
    torch.testing.assert_close(out["x"], torch.stack(expected))


@pytest.mark.parametrize("config", LOGS)
def test_log_mels_are_mixed_as_powers(config):
    random = np.random.default_rng(0)
    power = 10 ** random.uniform(-9, 6, (2, 6, 8))
    values = torch.from_numpy(_logged(power, config)).float()
    out = mixed({"x": values}, _mixture([1, 0], [0.3, 0.0]), {"x": {"config": config}})
    expected = _logged(np.stack([0.3**2 * power[0] + 0.7**2 * power[1], power[0]]), config)
    np.testing.assert_allclose(out["x"].numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("config", LOGS)
def test_silence_stays_at_the_floor(config):
    silence = torch.from_numpy(_logged(np.zeros((2, 3, 4)), config)).float()
    out = mixed({"x": silence}, _mixture([1, 0], [0.5, 0.1]), {"x": {"config": config}})
    torch.testing.assert_close(out["x"], silence)


def test_the_log_mel_of_a_mixture_is_the_mixture_of_log_mels():
    """Of noises, whose cross terms are 0 in the mean."""
    waves = (3000 * np.random.default_rng(0).normal(size=(2, 160_000))).astype(np.int16)
    waves[1] //= 4
    share = 0.3
    together = np.round(share * waves[0] + (1 - share) * waves[1]).astype(np.int16)
    config = LogMelConfig(mels=16)
    extractor = LogMel(config, Signal(sample_rate=16000, length=160_000, channel=0))
    one, other, expected = extractor(np.stack([*waves, together])).astype(np.float32)
    out = mixed(
        {"x": torch.from_numpy(np.stack([one, other]))},
        _mixture([1, 0], [share, 1]),
        {"x": extractor.recipe},
    )
    power = [(10 ** (v / 10)).mean(axis=1) for v in (out["x"][0].numpy(), expected)]
    np.testing.assert_allclose(10 * np.log10(power[0] / power[1]), 0, atol=0.5)

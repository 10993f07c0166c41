"""The autoencoder: its shape, its windows, and its error against plain numpy."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from asd.errors import UsageError
from asd.models.autoencoder import Autoencoder, AutoencoderSettings
from asd.models.windows import cut

SMALL = AutoencoderSettings(frames=3, hop=2, hidden=(7, 2, 7))


def _network(bands=4, length=12, seed=0):
    """A small network in evaluation mode, with running statistics as after some training."""
    torch.manual_seed(seed)
    network = Autoencoder({"logmel": (bands, length)}, 0, 0, SMALL)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.weight, 1, 0.3)
            nn.init.normal_(layer.bias, 0, 0.3)
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
    network.standardise("logmel", torch.linspace(-60, -40, bands), torch.full((bands,), 6.0))
    return network.eval()


def test_it_has_the_challenges_layers():
    network = Autoencoder({"logmel": (128, 313)}, 0, 0, AutoencoderSettings())
    layers = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    widths = [layers[0].in_features, *(layer.out_features for layer in layers)]
    assert widths == [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    assert [type(layer) for layer in network.layers] == (
        [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 9 + [nn.Linear]
    )
    # Weights and biases, and scale and offset of each batch normalisation.
    linear = sum(before * after + after for before, after in pairwise(widths))
    normal = 2 * sum(widths[1:-1])
    counted = sum(p.numel() for p in network.parameters())
    assert counted == linear + normal == 267_928


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_windows_are_those_of_a_plain_loop(data):
    length = data.draw(st.integers(1, 40))
    frames = data.draw(st.integers(1, length))
    hop = data.draw(st.integers(1, 45))
    clips = torch.randn(2, 3, length)
    found = cut(clips, frames, hop)
    starts = [start for start in range(0, length, hop) if start + frames <= length]
    assert found.shape == (2, len(starts), 3, frames)
    for window, start in enumerate(starts):
        assert torch.equal(found[:, window], clips[:, :, start : start + frames])


def test_the_error_is_that_of_plain_numpy():
    network = _network()
    clips = np.random.default_rng(0).normal(-50, 8, (3, 4, 12))
    expected = [np.mean([_error(network, w) for w in _windows(clip, 3, 2)]) for clip in clips]
    with torch.inference_mode():
        found = network({"logmel": torch.from_numpy(clips).float()}).error
    # Single precision against double.
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def _windows(clip, frames, hop):
    return [clip[:, s : s + frames] for s in range(0, clip.shape[1] - frames + 1, hop)]


def _error(network, window):
    """Mean squared error of one window (F, frames), frame after frame stacked."""
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    values = (window.T.reshape(-1) - weights["mean"]) / weights["deviation"]
    hidden = values
    for layer in range(0, 9, 3):
        hidden = weights[f"layers.{layer}.weight"] @ hidden + weights[f"layers.{layer}.bias"]
        normal = {
            key: weights[f"layers.{layer + 1}.{key}"]
            for key in ("running_mean", "running_var", "weight", "bias")
        }
        hidden = (hidden - normal["running_mean"]) / np.sqrt(normal["running_var"] + 1e-5)
        hidden = np.maximum(hidden * normal["weight"] + normal["bias"], 0)
    rebuilt = weights["layers.9.weight"] @ hidden + weights["layers.9.bias"]
    rebuilt = rebuilt * weights["deviation"] + weights["mean"]
    return float(np.mean((window.T.reshape(-1) - rebuilt) ** 2))


def test_it_starts_from_the_mean_and_counts_in_units_of_the_feature():
    network = _network()
    for parameter in network.layers[-1].parameters():
        nn.init.zeros_(parameter)
    mean, level = torch.linspace(-60, -40, 4).mean(), torch.randn(2, 4, 12) * 6 - 50
    expected = ((cut(level, 3, 2) - mean) ** 2).mean((1, 2, 3))
    torch.testing.assert_close(network({"logmel": level}).error, expected)


def test_one_scale_is_that_of_all_values():
    values = torch.randn(50, 4, 12, dtype=torch.float64) * torch.tensor([1.0, 2, 3, 4])[:, None]
    values += torch.tensor([-3.0, 0, 5, 9])[:, None]
    network = _network()
    deviation = values.std((0, 2), correction=0)
    network.standardise("logmel", values.mean((0, 2)).float(), deviation.float())
    assert float(network.mean) == pytest.approx(float(values.mean()), rel=1e-5)
    assert float(network.deviation) == pytest.approx(float(values.std(correction=0)), rel=1e-5)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"logmel": (4, 12), "wave": (6000,)}, r"one feature of bands.*not logmel \+ wave"),
        ({"wave": (6000,)}, "not wave.*such as logmel"),
        ({"logmel": (4, 2)}, "3 frames at a time, clips have 2; lower"),
    ],
)
def test_what_it_cannot_read_is_one_line(shapes, message):
    with pytest.raises(UsageError, match=message):
        Autoencoder(shapes, 0, 0, SMALL)

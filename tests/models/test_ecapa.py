"""ECAPA-TDNN: its size, its parts, its place in the classifier."""

import numpy as np
import pytest
import torch

from asd.config import settings
from asd.errors import UsageError
from asd.models.ecapa import (
    SCALE,
    AttentiveStatistics,
    Ecapa,
    EcapaClassifier,
    EcapaClassifierSettings,
    SeRes2Block,
)

SMALL = EcapaClassifierSettings(channels=16, aggregated=24, attention=5, squeeze=4, embedding=6)


@pytest.mark.parametrize(("channels", "millions"), [(512, 6.2), (1024, 14.7)])
def test_it_has_the_published_size(channels, millions):
    """Desplanques et al. 2020, Table 1: 80 mel bands, 192 dimensions."""
    network = Ecapa(80, EcapaClassifierSettings(channels=channels))
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize("frames", [1, 11, 50])
def test_any_number_of_frames(frames):
    assert Ecapa(9, SMALL).eval()(torch.randn(2, 9, frames)).shape == (2, 6)


def test_attention_that_is_even_gives_mean_and_deviation():
    pool = AttentiveStatistics(7, 5).eval()
    torch.nn.init.zeros_(pool.attend[-1].weight)
    frames = torch.randn(3, 7, 13)
    values = frames.numpy()
    expected = np.concatenate([values.mean(2), values.std(2)], axis=1)
    np.testing.assert_allclose(pool(frames).detach(), expected, atol=1e-5)


def test_attention_weights_frames_a_channel_at_a_time():
    pool = AttentiveStatistics(4, 5).eval()
    frames = torch.randn(2, 4, 9)
    values = frames.numpy()
    mean, deviation = values.mean(2), values.std(2)
    context = np.concatenate(
        [values, *(np.repeat(v[:, :, None], 9, axis=2) for v in (mean, deviation))], axis=1
    )
    scores = pool.attend(torch.from_numpy(context)).detach().numpy()
    weights = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    mean = (weights * values).sum(2)
    second = (weights * values**2).sum(2)
    expected = np.concatenate([mean, np.sqrt(second - mean**2)], axis=1)
    np.testing.assert_allclose(pool(frames).detach(), expected, atol=1e-4)


def test_each_group_hears_the_one_before():
    """A change in group i of a Res2 convolution reaches groups i and later, and no other."""
    torch.manual_seed(0)
    block = SeRes2Block(2 * SCALE, dilation=2, squeeze=4).eval()
    block.before = block.after = torch.nn.Identity()
    block.excite = torch.nn.Sequential(torch.nn.Flatten(), _Ones())
    frames = torch.rand(1, 2 * SCALE, 30)
    changed = frames.clone()
    changed[:, 2 * 3 : 2 * 4] += 1.0
    moved = (block(changed) - frames - (block(frames) - frames)).abs().sum(dim=2)[0]
    groups = moved.reshape(SCALE, 2).sum(dim=1) > 1e-6
    assert groups[:3].tolist() == [False] * 3
    assert groups[3:5].all()


class _Ones(torch.nn.Module):
    def forward(self, values):
        return torch.ones_like(values)


def test_it_stacks_features_as_the_classifier_does():
    shapes = {"logmel": (16, 11), "wave": (5_120,)}
    network = EcapaClassifier(shapes, classes=4, attributes=3, settings=SMALL).eval()
    output = network({name: torch.randn(2, *shape) for name, shape in shapes.items()})
    assert network.tdnn.first[0].in_channels == 16 + 128
    assert output.embedding.shape == (2, 6)
    assert output.logits.shape == (2, 4)


def test_channels_fall_into_groups():
    with pytest.raises(UsageError, match="multiple of 8"):
        settings(EcapaClassifierSettings, {"channels": 20}, "networks.ecapa")

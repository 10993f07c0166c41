"""The x-vector TDNN: shapes, parameters, pooling."""

import pytest
import torch

from asd.config import settings
from asd.errors import UsageError
from asd.models.tdnn import Tdnn, TdnnSettings, statistics


def _expected_parameters(bands, config):
    total = 0
    for channels, kernel in zip(config.channels, config.kernels, strict=True):
        total += bands * channels * kernel + channels + 2 * channels
        bands = channels
    return total + 2 * bands * config.embedding + config.embedding


@pytest.mark.parametrize("bands", [128, 256, 384])
def test_shapes_and_parameters(bands):
    config = TdnnSettings()
    network = Tdnn(bands, config).eval()
    assert network(torch.zeros(3, bands, 313)).shape == (3, 128)
    assert sum(p.numel() for p in network.parameters()) == _expected_parameters(bands, config)


def test_default_is_the_x_vector():
    config = TdnnSettings()
    assert config.channels == (512, 512, 512, 512, 1500)
    assert config.kernels == (5, 3, 3, 1, 1)
    assert config.dilations == (1, 2, 3, 1, 1)
    # 15 frames of context, as published.
    spans = zip(config.kernels, config.dilations, strict=True)
    assert 1 + sum(d * (k - 1) for k, d in spans) == 15


def test_length_of_the_clip_is_free():
    network = Tdnn(4, TdnnSettings(channels=(8,), kernels=(3,), dilations=(2,), embedding=5)).eval()
    for frames in (1, 2, 50):
        assert network(torch.randn(2, 4, frames)).shape == (2, 5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_statistics_and_their_gradient(dtype):
    frames = (3 + torch.randn(3, 4, 20)).to(dtype).requires_grad_()
    exact = frames.detach().double().requires_grad_()
    expected = torch.cat([exact.mean(2), exact.std(2, correction=0)], 1)
    # Computed in single precision whatever the input.
    pooled = statistics(frames)
    torch.testing.assert_close(pooled.double(), expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(expected)
    (pooled * weights.float()).sum().backward()
    (expected * weights).sum().backward()
    assert frames.grad is not None
    assert exact.grad is not None
    # Gradients are handed on in the precision of the input: eight bits, of values up to 0.2 here.
    tolerance = 1e-6 if dtype == torch.float32 else 4e-3
    torch.testing.assert_close(frames.grad.double(), exact.grad, atol=tolerance, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_constant_frames_have_a_gradient(dtype):
    frames = torch.full((1, 2, 5), 3.0, dtype=dtype, requires_grad=True)
    statistics(frames).sum().backward()
    assert frames.grad is not None
    torch.testing.assert_close(frames.grad.float(), torch.full((1, 2, 5), 0.2), atol=1e-3, rtol=0)


def test_settings_must_fit_together():
    with pytest.raises(UsageError, match="one entry a convolution"):
        settings(TdnnSettings, {"channels": [8, 8]}, "networks.tdnn")

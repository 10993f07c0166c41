"""The x-vector TDNN: shapes, parameters, pooling."""

from __future__ import annotations

import pytest
import torch

from asd.config import settings
from asd.errors import UsageError
from asd.models.tdnn import Tdnn, TdnnSettings, statistics


def _expected_parameters(bands: int, config: TdnnSettings) -> int:
    total = 0
    for channels, kernel in zip(config.channels, config.kernels, strict=True):
        total += bands * channels * kernel + channels + 2 * channels
        bands = channels
    return total + 2 * bands * config.embedding + config.embedding


@pytest.mark.parametrize("bands", [128, 256, 384])
def test_shapes_and_parameters(bands: int) -> None:
    config = TdnnSettings()
    network = Tdnn(bands, config).eval()
    assert network(torch.zeros(3, bands, 313)).shape == (3, 128)
    assert sum(p.numel() for p in network.parameters()) == _expected_parameters(bands, config)


def test_default_is_the_x_vector() -> None:
    config = TdnnSettings()
    assert config.channels == (512, 512, 512, 512, 1500)
    assert config.kernels == (5, 3, 3, 1, 1)
    assert config.dilations == (1, 2, 3, 1, 1)
    # 15 frames of context, as published.
    spans = zip(config.kernels, config.dilations, strict=True)
    assert 1 + sum(d * (k - 1) for k, d in spans) == 15


def test_length_of_the_clip_is_free() -> None:
    network = Tdnn(4, TdnnSettings(channels=(8,), kernels=(3,), dilations=(2,), embedding=5)).eval()
    for frames in (1, 2, 50):
        assert network(torch.randn(2, 4, frames)).shape == (2, 5)


def test_statistics_are_mean_and_deviation() -> None:
    frames = torch.randn(3, 4, 20, dtype=torch.bfloat16)
    expected = torch.cat([frames.double().mean(2), frames.double().std(2, correction=0)], 1)
    # Computed in single precision whatever the input.
    torch.testing.assert_close(statistics(frames).double(), expected, atol=1e-5, rtol=1e-5)


def test_constant_frames_have_a_gradient() -> None:
    frames = torch.ones(1, 2, 5, requires_grad=True)
    statistics(frames).sum().backward()
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()


def test_settings_must_fit_together() -> None:
    with pytest.raises(UsageError, match="one entry a convolution"):
        settings(TdnnSettings, {"channels": [8, 8]}, "networks.tdnn")

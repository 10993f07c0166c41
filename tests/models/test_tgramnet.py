"""TgramNet as published: shapes, parameters, frames from the clip's length."""

from __future__ import annotations

import pytest
import torch

from asd.models.tgramnet import TgramNet


@pytest.mark.parametrize(
    ("length", "frames"), [(160_000, 313), (192_000, 376), (64_000, 126), (159_999, 313), (512, 2)]
)
def test_frames_are_those_of_the_log_mel(length: int, frames: int) -> None:
    network = TgramNet(length)
    assert network.frames == frames == 1 + length // 512
    assert network(torch.zeros(2, length)).shape == (2, 128, frames)


def test_parameters_are_the_published_ones() -> None:
    assert sum(p.numel() for p in TgramNet(160_000).parameters()) == 280_406


def test_layers_are_in_the_published_order() -> None:
    kinds = [type(layer).__name__ for block in TgramNet(512).refine for layer in block]
    assert kinds == ["LayerNorm", "LeakyReLU", "Conv1d"] * 3
    assert all(
        layer.bias is None
        for layer in TgramNet(512).modules()
        if isinstance(layer, torch.nn.Conv1d)
    )


def test_a_click_is_heard_in_its_own_frames() -> None:
    torch.manual_seed(0)
    network = TgramNet(16_000)
    silent = torch.zeros(1, 16_000)
    click = silent.clone()
    click[0, 8_192] = 1.0
    # Before the normalisation over time, which sees the whole clip.
    difference = (network.extract(click[:, None]) - network.extract(silent[:, None])).abs().sum(1)
    # Frame 16 is centred at sample 8192; its window reaches half a frame into the two beside it.
    assert set(difference[0].nonzero().flatten().tolist()) <= {15, 16, 17}
    assert difference[0, 16] > 0

"""The long convolution by Fourier transforms, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asd.features.positions import LongConvolution, is_long


@pytest.mark.parametrize("kernel", [32, 47, 128])
@pytest.mark.parametrize("time", [1, 31, 128, 499])
@pytest.mark.parametrize(("groups", "bias"), [(1, True), (4, False)])
@torch.inference_mode()
def test_agrees_with_the_convolution(kernel: int, time: int, groups: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv1d(8, 16, kernel, padding=kernel // 2, groups=groups, bias=bias)
    assert is_long(conv)
    values = torch.randn(2, 8, time)
    found, expected = LongConvolution(conv)(values), conv(values)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv1d(4, 4, 8, padding=4),
        nn.Conv1d(4, 4, 64, stride=2),
        nn.Conv1d(4, 4, 64, dilation=2),
        nn.Conv1d(4, 4, 64, padding="same"),
        nn.Conv1d(4, 4, 64, padding=2, padding_mode="reflect"),
        nn.Linear(4, 4),
        None,
    ],
)
def test_other_modules_are_left_alone(other: nn.Module | None) -> None:
    assert not is_long(other)

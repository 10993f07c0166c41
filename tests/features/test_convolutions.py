"""The convolutional encoder as matrix products, against the library's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from asd.features.convolutions import ConvolutionalEncoder, is_convertible, windows
from asd.features.wav2vec2 import FAMILY

SHAPES: list[dict[str, Any]] = [
    {"feat_extract_norm": "group"},
    {"feat_extract_norm": "group", "conv_bias": True},
    {"feat_extract_norm": "layer"},
    {"feat_extract_norm": "layer", "conv_bias": True},
    {"feat_extract_norm": "group", "feat_extract_activation": "relu"},
]


def waves(length: int, count: int = 2) -> torch.Tensor:
    """Clips (B, L) with an offset, which the first layer must take away."""
    noise = torch.randn(count, length, generator=torch.Generator().manual_seed(1))
    return noise * torch.tensor([1.0, 0.01])[:count, None] + 0.2


def encoders(make: Callable[..., Any], dtype: torch.dtype, **changes: Any) -> tuple[Any, Any]:
    plain = make(**changes).feature_extractor.requires_grad_(False)
    assert is_convertible(plain)
    return plain, ConvolutionalEncoder(plain, dtype)


@pytest.mark.parametrize("model_type", FAMILY)
@pytest.mark.parametrize("changes", SHAPES, ids=str)
@pytest.mark.parametrize("length", [400, 719, 48000])  # one frame, the most of one, two blocks
@torch.inference_mode()
def test_agrees_with_the_library(
    model_type: str, changes: dict[str, Any], length: int, small_model: Callable[..., Any]
) -> None:
    plain, fast = encoders(small_model, torch.float32, model_type=model_type, **changes)
    found, expected = fast(waves(length)), plain(waves(length))
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("changes", SHAPES[::2], ids=str)
@torch.inference_mode()
def test_bfloat16_is_no_worse_than_the_librarys(
    changes: dict[str, Any], small_model: Callable[..., Any]
) -> None:
    plain, fast = encoders(small_model, torch.bfloat16, **changes)
    exact = plain(waves(16000))
    with torch.autocast("cpu", torch.bfloat16):
        theirs = plain(waves(16000)).float()
        ours = fast(waves(16000)).float()
    assert (ours - exact).norm() <= 1.1 * (theirs - exact).norm()
    assert (ours - exact).norm() < 0.03 * exact.norm()


@torch.inference_mode()
def test_digital_silence(small_model: Callable[..., Any]) -> None:
    plain, fast = encoders(small_model, torch.float32)
    silence = torch.zeros(1, 4000)
    torch.testing.assert_close(fast(silence), plain(silence), rtol=1e-4, atol=2e-5)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=4),
    extra=st.integers(0, 700),
)
@settings(max_examples=25, deadline=None)
@torch.inference_mode()
def test_any_kernels_and_strides(sizes: list[tuple[int, int]], extra: int) -> None:
    """Frames of any stack of convolutions, whatever is left over at the end of a clip."""
    torch.manual_seed(0)
    encoder, channels, field, step = nn.Module(), 1, 1, 1
    encoder.conv_layers = nn.ModuleList()
    for kernel, stride in sizes:
        layer = nn.Module()
        layer.conv, layer.activation = nn.Conv1d(channels, 5, kernel, stride), nn.Tanh()
        encoder.conv_layers.append(layer)
        channels, field, step = 5, field + (kernel - 1) * step, step * stride
    clip = waves(field + extra, 1)
    expected = clip[:, None]
    for layer in encoder.conv_layers:
        expected = layer.activation(layer.conv(expected))
    found = ConvolutionalEncoder(encoder, torch.float32)(clip)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_windows_is_a_view_of_what_a_convolution_sees() -> None:
    frames = torch.arange(14.0).reshape(7, 2)
    seen = windows(frames, 3, 2)
    assert seen.data_ptr() == frames.data_ptr()
    assert seen.tolist() == [list(range(4 * i, 4 * i + 6)) for i in range(3)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda encoder: setattr(encoder.conv_layers[1], "conv", nn.Linear(12, 12)),
        lambda encoder: setattr(encoder.conv_layers[1].conv, "padding", (1,)),
        lambda encoder: setattr(encoder.conv_layers[1].conv, "dilation", (2,)),
        lambda encoder: setattr(encoder.conv_layers[0], "layer_norm", nn.GroupNorm(2, 12)),
        lambda encoder: setattr(encoder.conv_layers[1], "layer_norm", nn.GroupNorm(12, 12)),
        lambda encoder: delattr(encoder, "conv_layers"),
    ],
)
def test_other_encoders_are_left_alone(
    spoil: Callable[[Any], None], small_model: Callable[..., Any]
) -> None:
    encoder = small_model().feature_extractor
    assert is_convertible(encoder)
    spoil(encoder)
    assert not is_convertible(encoder)

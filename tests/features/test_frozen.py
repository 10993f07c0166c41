"""Every model of the family with its slow parts replaced, against the library's own parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from asd.features.frozen import (
    ConvolutionalEncoder,
    FrozenAttention,
    LongConvolution,
    freeze,
    is_convertible,
    is_long,
    windows,
)
from asd.features.projection import Projection
from asd.features.timing import FrameGrid, interpolation
from asd.features.transformer import PtmNetwork
from asd.features.wav2vec2 import FAMILY

WAVES = np.random.default_rng(0).integers(-9000, 9000, (2, 24000)).astype(np.int16)
RANDOM = np.random.default_rng(1)
WEIGHT, BIAS = RANDOM.normal(size=(16, 24)).astype(np.float32), np.zeros(16, np.float32)
ENCODERS: list[dict[str, Any]] = [
    {"feat_extract_norm": "group"},
    {"feat_extract_norm": "group", "conv_bias": True},
    {"feat_extract_norm": "layer"},
    {"feat_extract_norm": "layer", "conv_bias": True},
    {"feat_extract_norm": "group", "feat_extract_activation": "relu"},
]


def rows(model: Any, layer: int | None, precision: str, plain: bool = False) -> np.ndarray:
    network = PtmNetwork(
        model=model,
        projection=Projection(WEIGHT, BIAS, layer, np.zeros(4, np.float32)),
        times=interpolation(FrameGrid(320, 400), WAVES.shape[1], 512),
        normalize=True,
        precision=precision,
        device="cpu",
        plain=plain,
    )
    return network(WAVES).astype(np.float64)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(axis=1) / lengths))


SHAPES = [
    {"feat_extract_norm": "group"},
    {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True},
    {"hidden_act": "relu", "feat_extract_activation": "relu"},
]


@pytest.mark.parametrize("model_type", FAMILY)
@pytest.mark.parametrize("changes", SHAPES, ids=str)
@pytest.mark.parametrize("layer", [3, 1, None])
def test_agrees_with_the_library(
    model_type: str, changes: dict[str, Any], layer: int | None, small_model: Callable[..., Any]
) -> None:
    long = {} if model_type == "data2vec-audio" else {"num_conv_pos_embeddings": 32}

    def model() -> Any:
        return small_model(model_type, **long, **changes)

    exact = rows(model(), layer, "float32", plain=True)
    # float16 has 11 bits.
    np.testing.assert_allclose(rows(model(), layer, "float32"), exact, rtol=2e-3, atol=2e-3)
    half = cosine(rows(model(), layer, "bfloat16"), exact)
    assert half > 0.9995
    assert half > 1 - 2 * (1 - cosine(rows(model(), layer, "bfloat16", plain=True), exact))
    # So few units average little of the rounding away.
    assert cosine(rows(model(), layer, "int8"), exact) > 0.99


def test_bfloat16_where_the_processor_has_none(
    small_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = rows(small_model("wav2vec2"), 3, "float32")
    for module in ("products", "frozen"):
        monkeypatch.setattr(f"asd.features.{module}.has_bfloat16", lambda: False)
    assert cosine(rows(small_model("wav2vec2"), 3, "bfloat16"), exact) > 0.9995


@pytest.mark.parametrize("model_type", FAMILY)
def test_what_is_replaced(model_type: str, small_model: Callable[..., Any]) -> None:
    long = {} if model_type == "data2vec-audio" else {"num_conv_pos_embeddings": 32}
    model = small_model(model_type, **long).requires_grad_(False)
    freeze(model, torch.bfloat16, fast=True)
    kinds = [type(module) for module in model.modules()]
    assert kinds.count(ConvolutionalEncoder) == 1
    assert kinds.count(LongConvolution) == len(long)
    # WavLM's attention has gated positions, and stays as it is.
    assert kinds.count(FrozenAttention) == (0 if model_type == "wavlm" else 3)
    left = [m for m in model.encoder.layers.modules() if isinstance(m, nn.Linear)]
    assert bool(left) == (model_type == "wavlm")


def test_the_first_layer_keeps_its_precision(small_model: Callable[..., Any]) -> None:
    """Casting the rest of the model must not reach it: it alone sees the wave."""
    model = small_model(conv_dim=[12], conv_kernel=[10], conv_stride=[5], num_feat_extract_layers=1)
    model.requires_grad_(False)
    wave = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    exact = model.feature_extractor(wave)
    freeze(model, torch.bfloat16, fast=True)
    torch.testing.assert_close(
        model.feature_extractor(wave), exact.to(torch.bfloat16), rtol=2**-8, atol=1e-5
    )


def test_silence_that_fills_a_batch_up(small_model: Callable[..., Any]) -> None:
    network = PtmNetwork(
        small_model(),
        Projection(WEIGHT, BIAS, 2),
        interpolation(FrameGrid(320, 400), 16000, 512),
        normalize=True,
        precision="float32",
        device="cpu",
    )
    waves = np.zeros((5, 16000), np.int16)
    waves[[1, 3]] = WAVES[:, :16000]
    alone = np.concatenate([network(wave[None]) for wave in waves])
    assert network(waves).tobytes() == alone.tobytes()


def waves(length: int, count: int = 2) -> torch.Tensor:
    """Clips (B, L) with an offset, which the first layer must take away."""
    noise = torch.randn(count, length, generator=torch.Generator().manual_seed(1))
    return noise * torch.tensor([1.0, 0.01])[:count, None] + 0.2


def encoders(make: Callable[..., Any], dtype: torch.dtype, **changes: Any) -> tuple[Any, Any]:
    plain = make(**changes).feature_extractor.requires_grad_(False)
    assert is_convertible(plain)
    return plain, ConvolutionalEncoder(plain, dtype)


@pytest.mark.parametrize("model_type", FAMILY)
@pytest.mark.parametrize("changes", ENCODERS, ids=str)
@pytest.mark.parametrize("length", [400, 719, 48000])  # one frame, the most of one, two blocks
@torch.inference_mode()
def test_the_convolutional_encoder_agrees_with_the_library(
    model_type: str, changes: dict[str, Any], length: int, small_model: Callable[..., Any]
) -> None:
    plain, fast = encoders(small_model, torch.float32, model_type=model_type, **changes)
    found, expected = fast(waves(length)), plain(waves(length))
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("changes", ENCODERS[::2], ids=str)
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


@pytest.mark.parametrize("kernel", [32, 47, 128])
@pytest.mark.parametrize("time", [1, 31, 128, 499])
@pytest.mark.parametrize(("groups", "bias"), [(1, True), (4, False)])
@torch.inference_mode()
def test_the_long_convolution_agrees_with_the_plain_one(
    kernel: int, time: int, groups: int, bias: bool
) -> None:
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

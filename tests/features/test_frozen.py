"""Every model of the family with its slow parts replaced, against the library's own parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from asd.features.attention import FrozenAttention
from asd.features.convolutions import ConvolutionalEncoder
from asd.features.frozen import freeze
from asd.features.positions import LongConvolution
from asd.features.projection import Projection
from asd.features.ptm_network import PtmNetwork
from asd.features.timing import FrameGrid, interpolation
from asd.features.wav2vec2 import FAMILY

WAVES = np.random.default_rng(0).integers(-9000, 9000, (2, 24000)).astype(np.int16)
RANDOM = np.random.default_rng(1)
WEIGHT, BIAS = RANDOM.normal(size=(16, 24)).astype(np.float32), np.zeros(16, np.float32)


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
    for module in ("products", "attention"):
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

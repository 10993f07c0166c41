"""A model of the wav2vec 2.0 family that only computes: its slow parts replaced by faster ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from asd.features.attention import FrozenAttention, is_plain_attention
from asd.features.convolutions import ConvolutionalEncoder, is_convertible
from asd.features.positions import LongConvolution, is_long
from asd.features.products import between, frozen_linear, is_gelu


def freeze(model: Any, dtype: torch.dtype, fast: bool) -> None:
    """Turn a model into one that computes in ``dtype`` and never learns again, in place.

    What depends on the weights alone is computed here and not at every call. What is not known by
    its form (WavLM's attention) stays the library's.

    Args:
        model: the body of the model, in float32 and evaluation mode.
        dtype: of the matrix products: float32 or bfloat16, or int8 where parts are replaced; what
            is not replaced then is bfloat16.
        fast: whether parts are replaced: they are written for one clip on one thread of a CPU.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv1d) and parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    if fast:
        _replace_parts(model, dtype)
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d)):
            module.to(between(dtype))


def _replace_parts(model: Any, dtype: torch.dtype) -> None:
    if is_convertible(model.feature_extractor):
        model.feature_extractor = ConvolutionalEncoder(model.feature_extractor, dtype)
    projection = model.feature_projection
    projection.projection = _linear(projection.projection, dtype)
    positions = model.encoder.pos_conv_embed
    if is_long(getattr(positions, "conv", None)):
        positions.conv = LongConvolution(positions.conv)
    for layer in model.encoder.layers:
        if is_plain_attention(layer.attention):
            layer.attention = FrozenAttention(layer.attention, dtype)
        inner = layer.feed_forward
        fused = is_gelu(inner.intermediate_act_fn)
        inner.intermediate_dense = _linear(inner.intermediate_dense, dtype, gelu=fused)
        if fused:
            inner.intermediate_act_fn = nn.Identity()
        inner.output_dense = _linear(inner.output_dense, dtype)


def _linear(linear: nn.Linear, dtype: torch.dtype, gelu: bool = False) -> nn.Module:
    return frozen_linear(linear.weight, linear.bias, dtype, gelu)

"""The convolutional encoder of the wav2vec 2.0 family as matrix products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from asd.features.products import between, frozen_linear, is_gelu

# Bytes of a channel of the last layer that are computed at once: 50 frames of float32, 100 of
# bfloat16. The values of a block then stay in the processor's cache.
_BLOCK = 200


@dataclass(frozen=True)
class _Layer:
    """A convolution without padding as a product (k C) -> C', and what follows it."""

    kernel: int
    stride: int
    product: nn.Module
    rest: nn.Sequential

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        """Compute frames (T', C') of ``frames`` (T, C)."""
        seen = self.product(frames, lambda values: windows(values, self.kernel, self.stride))
        result: torch.Tensor = self.rest(seen)
        return result


class ConvolutionalEncoder(nn.Module):
    """Waves (B, L) float32 to frames (B, C, J), as the model's own encoder computes them.

    Frames lie one after another in memory, (T, C). What one output of a convolution sees is then a
    run of k C neighbours, and all outputs are one matrix product over a view that steps by the
    stride. A clip is taken in blocks of some output frames, and a block through all layers.

    A group norm after the first layer has a group for each channel: it takes away a channel's mean
    over time and divides by its deviation. As the layer is linear in the wave, both follow from the
    mean and the covariance of the k samples that it sees, and the norm becomes a part of the
    layer's weights.

    Args:
        encoder: the model's encoder, one of those that :func:`is_convertible` knows.
        dtype: float32, bfloat16 or int8, of the products of all layers but the first, which is
            float32: it is a hundredth of the work, and sees the wave as it was recorded.
    """

    def __init__(self, encoder: Any, dtype: torch.dtype) -> None:
        super().__init__()
        first, *others = encoder.conv_layers
        self._dtype = between(dtype)
        # No module of this one: the first layer must not be cast with the rest of the model.
        self._first = _first_layer(first)
        self._layers = [_convert(layer, dtype) for layer in others]
        self._sizes = [(c.kernel_size[0], c.stride[0]) for c in map(_conv, encoder.conv_layers)]

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """Compute frames (B, C, J) of ``waves`` (B, L)."""
        return torch.stack([self._clip(wave) for wave in waves]).transpose(1, 2)

    def _clip(self, wave: torch.Tensor) -> torch.Tensor:
        """Compute frames (J, C) of one wave (L,)."""
        first = self._first(wave)
        frames = len(wave)
        for kernel, stride in self._sizes:
            frames = (frames - kernel) // stride + 1
        blocks, at_once = [], _BLOCK // self._dtype.itemsize
        for begin, end in pairwise([*range(0, frames, at_once), frames]):
            start, stop = begin, end
            for kernel, stride in reversed(self._sizes):
                start, stop = start * stride, (stop - 1) * stride + kernel
            block = first(wave[start:stop, None]).to(self._dtype)
            for layer in self._layers:
                block = layer(block)
            blocks.append(block)
        return torch.cat(blocks)


def is_convertible(encoder: Any) -> bool:
    """Return whether :class:`ConvolutionalEncoder` can replace a model's convolutional encoder.

    It can where all layers are plain convolutions, with a layer norm after each, a group norm after
    the first, or none.
    """
    layers: Any = getattr(encoder, "conv_layers", ())
    return len(layers) > 0 and all(_is_plain(layer, layer is layers[0]) for layer in layers)


def _is_plain(layer: Any, first: bool) -> bool:
    conv, norm = getattr(layer, "conv", None), _norm(layer)
    if not isinstance(conv, nn.Conv1d):
        return False
    if (conv.groups, conv.dilation, conv.padding) != (1, (1,), (0,)):
        return False
    if isinstance(norm, nn.GroupNorm):
        return first and norm.affine and norm.num_groups == norm.num_channels
    return norm is None or isinstance(norm, nn.LayerNorm)


def windows(frames: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """Return the view (T', size C) of contiguous ``frames`` (T, C): each window in one row."""
    count, channels = (len(frames) - size) // stride + 1, frames.shape[1]
    return frames.as_strided(
        (count, size * channels), (stride * channels, 1), frames.storage_offset()
    )


def normed(
    conv: nn.Conv1d, norm: nn.GroupNorm, wave: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weights (C, 1, k) and bias (C,) of a convolution of a wave (L,) with its norm.

    The norm is over time, for each channel.
    """
    seen = windows(wave[:, None], conv.kernel_size[0], conv.stride[0]).double()
    mean = seen.mean(dim=0)
    seen = seen - mean
    covariance = seen.T @ seen / len(seen)
    weight = conv.weight[:, 0].double()  # (C, k)
    variance = ((weight @ covariance) * weight).sum(dim=1)
    scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
    bias = norm.bias.double() - scale * (weight @ mean)
    return (scale[:, None] * weight)[:, None].float(), bias.float()


def _first_layer(layer: Any) -> Callable[[torch.Tensor], _Layer]:
    """Return what makes the first layer for a wave (L,): its norm may depend on it."""
    if isinstance(_norm(layer), nn.GroupNorm):
        return partial(_normed_layer, layer)
    fixed = _convert(layer, torch.float32)
    return lambda wave: fixed


def _normed_layer(layer: Any, wave: torch.Tensor) -> _Layer:
    weight, bias = normed(_conv(layer), _norm(layer), wave)
    return _layer(layer, weight, bias, None, torch.float32)


def _convert(layer: Any, dtype: torch.dtype) -> _Layer:
    conv = _conv(layer)
    return _layer(layer, conv.weight, conv.bias, _norm(layer), dtype)


def _layer(
    layer: Any,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    norm: nn.LayerNorm | None,
    dtype: torch.dtype,
) -> _Layer:
    """Lay out a layer with ``weight`` (C', C, k) as a product over rows of k frames of C."""
    conv = _conv(layer)
    fused = norm is None and is_gelu(layer.activation)
    rest = [part for part in (norm, None if fused else layer.activation) if part is not None]
    return _Layer(
        conv.kernel_size[0],
        conv.stride[0],
        frozen_linear(weight.permute(0, 2, 1).flatten(1), bias, dtype, gelu=fused, rows=1600),
        nn.Sequential(*rest),
    )


def _conv(layer: Any) -> nn.Conv1d:
    conv: nn.Conv1d = layer.conv
    return conv


def _norm(layer: Any) -> Any:
    return getattr(layer, "layer_norm", None)

"""A model of the wav2vec 2.0 family that only computes: its slow parts replaced by faster ones.

Self-attention goes clip by clip, the convolutional encoder is a run of matrix products, and the
positional convolution is made of Fourier transforms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from asd.features.products import between, frozen_linear, has_bfloat16, is_gelu

_PROJECTIONS = ("q_proj", "k_proj", "v_proj")
# Bytes of a channel of the last layer that are computed at once: 50 frames of float32, 100 of
# bfloat16. The values of a block then stay in the processor's cache.
_BLOCK = 200
_LONG = 32  # samples of a kernel from which the transforms pay


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


class FrozenAttention(nn.Module):
    """What a plain attention module of the library computes, without a mask.

    Queries, keys and values are one product; in bfloat16 the heads are taken one after another, so
    that what a head weighs (J, J) stays in the cache: off the matrix units, the library's fused
    kernel computes in float32.

    Args:
        attention: a module that :func:`is_plain_attention` knows.
        dtype: of the products: float32, bfloat16 or int8.
    """

    def __init__(self, attention: Any, dtype: torch.dtype) -> None:
        super().__init__()
        parts = [getattr(attention, name) for name in _PROJECTIONS]
        weight = torch.cat([part.weight for part in parts])
        bias = None if parts[0].bias is None else torch.cat([part.bias for part in parts])
        self._project = frozen_linear(weight, bias, dtype)
        self._out = frozen_linear(attention.out_proj.weight, attention.out_proj.bias, dtype)
        self._heads, self._scale = attention.num_heads, attention.scaling
        self._attend = _attend_by_head
        if dtype == torch.float32:
            self._attend = _attend
        elif not has_bfloat16():
            self._attend = _attend_in_float32

    def forward(
        self, hidden_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute (B, J, H) of ``hidden_states`` (B, J, H), as the library's module returns it."""
        batch, frames, _width = hidden_states.shape
        joined = self._project(hidden_states).view(batch, frames, 3, self._heads, -1)
        query, key, value = joined.permute(2, 0, 3, 1, 4)  # each (B, heads, J, H / heads)
        heard = self._attend(query, key, value, self._scale)
        return self._out(heard.transpose(1, 2).flatten(2)), None


def is_plain_attention(module: Any) -> bool:
    """Return whether a module is scaled dot-product attention and nothing else.

    WavLM's has positions of its own besides the four linear maps.
    """
    own = {name.split(".")[0] for name, _ in module.named_parameters()}
    return own == {*_PROJECTIONS, "out_proj"} and hasattr(module, "scaling")


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
) -> torch.Tensor:
    return nn.functional.scaled_dot_product_attention(query, key, value, scale=scale)


def _attend_in_float32(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
) -> torch.Tensor:
    with torch.autocast(query.device.type, enabled=False):
        return _attend(query.float(), key.float(), value.float(), scale).to(value.dtype)


def _attend_by_head(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
) -> torch.Tensor:
    heard = torch.empty_like(value, memory_format=torch.contiguous_format)
    for clip in range(len(query)):
        for head in range(query.shape[1]):
            scores = (query[clip, head] * scale) @ key[clip, head].T
            heard[clip, head] = torch.softmax(scores, dim=-1) @ value[clip, head]
    return heard


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


class LongConvolution(nn.Module):
    """A grouped convolution of stride 1 with a long kernel, by overlap-save.

    The time axis is cut into blocks of as many outputs as the kernel has samples, and a block is
    one product of spectra at each frequency: a thirtieth of the multiplications, in float32.

    Args:
        conv: the convolution; :func:`is_long` says whether it can be one of these.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self._kernel, self._groups = conv.kernel_size[0], conv.groups
        self._padding = int(conv.padding[0])
        # The library's convolution does not turn the kernel round, a product of spectra does.
        kernel = conv.weight.detach().float().flip(-1)  # (O, I / groups, k)
        spectra = torch.fft.rfft(kernel, n=2 * self._kernel)
        by_group = spectra.unflatten(0, (self._groups, -1))
        self._spectra = by_group.permute(3, 0, 2, 1).contiguous()  # (frequencies, groups, I, O)
        self._bias = None if conv.bias is None else conv.bias.detach().float()[:, None]

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Convolve ``values`` (B, I, T) to (B, O, T') float32."""
        return torch.stack([self._clip(clip) for clip in values.float()])

    def _clip(self, values: torch.Tensor) -> torch.Tensor:
        channels, time = values.shape
        size = self._kernel
        length = time + 2 * self._padding - size + 1
        blocks = -(-length // size)
        padded = values.new_zeros(channels, (blocks + 1) * size)
        padded[:, self._padding : self._padding + time] = values
        # A block sees what comes before its outputs too, so that none of them wraps around.
        seen = padded.unfold(1, 2 * size, size).transpose(0, 1)  # (blocks, I, 2 k)
        spectra = torch.fft.rfft(seen).unflatten(1, (self._groups, -1)).permute(3, 1, 0, 2)
        products = spectra.contiguous() @ self._spectra  # (frequencies, groups, blocks, O)
        whole = torch.fft.irfft(products.permute(2, 1, 3, 0).contiguous(), n=2 * size)
        kept = whole[..., size - 1 : 2 * size - 1].flatten(1, 2)  # (blocks, O, k)
        joined = kept.transpose(0, 1).flatten(1)[:, :length]
        return joined if self._bias is None else joined + self._bias


def is_long(conv: Any) -> bool:
    """Return whether a module is a convolution over time that :class:`LongConvolution` can be."""
    return (
        isinstance(conv, nn.Conv1d)
        and conv.kernel_size[0] >= _LONG
        and (conv.stride, conv.dilation) == ((1,), (1,))
        and not isinstance(conv.padding, str)
        and conv.padding_mode == "zeros"
    )

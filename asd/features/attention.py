"""Self-attention of a frozen transformer, for one clip at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from asd.features.products import frozen_linear, has_bfloat16

_PROJECTIONS = ("q_proj", "k_proj", "v_proj")


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

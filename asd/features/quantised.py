"""Linear maps in 8 bits: weights by output, what they are applied to by call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Arrange = Callable[[torch.Tensor], torch.Tensor]

_ROWS_AT_ONCE = 256  # that are float32 for a moment, and then stay in the processor's cache
_LEAST_SPAN = 1e-30  # of what is all zeros; its inverse is a number too
_STEPS = 254  # of the 255 that 8 bits have: the last is for rounding up


class QuantisedLinear(nn.Module):
    """A linear map (..., I) -> (..., O) bfloat16 by products of 8-bit integers.

    Each output's weights have a scale of their own, and the values of a call one scale and one zero
    point, from their least and greatest. The sums are integers, so they are exact; they are scaled,
    put through GELU if that follows, and rounded to bfloat16. Processors with VNNI or AMX multiply
    8-bit integers twice as fast as bfloat16; without either the same numbers come out of float32
    products, slowly.

    Args:
        weight: (O, I).
        bias: (O,), or None.
        gelu: whether GELU (the exact one) follows.
        rows: how many rows (N, I) a call will have, about.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, gelu: bool, rows: int
    ) -> None:
        super().__init__()
        weight = weight.detach().float()
        self._scales = weight.abs().amax(dim=1).clamp(min=_LEAST_SPAN) / 127
        stored = (weight / self._scales[:, None]).round().to(torch.int8)
        self._native = has_integer_products()
        if self._native:
            stored = torch.ops.onednn.qlinear_prepack(stored, [rows, weight.shape[1]])
        self._weight = stored
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        self._bias = None if bias is None else bias.detach().float()
        self._gelu = gelu

    def forward(self, values: torch.Tensor, arrange: Arrange | None = None) -> torch.Tensor:
        """Map ``values`` (..., I) to (..., O), or what ``arrange`` makes of their steps."""
        steps, scale, zero = _quantise(values)
        if arrange is not None:
            steps = arrange(steps)
        if not self._native:
            return self._by_floats(steps, scale, zero)
        name, kind = ("gelu", "none") if self._gelu else ("none", "")
        mapped: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            *(steps, scale, zero, self._weight, self._scales, self._zeros, self._bias),
            *(1.0, 0, torch.bfloat16, name, [], kind),
        )
        return mapped

    def _by_floats(self, steps: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
        weight = self._weight.float() * (self._scales * scale)[:, None]
        with torch.autocast(steps.device.type, enabled=False):
            mapped = nn.functional.linear(steps.float() - zero, weight, self._bias)
        return (nn.functional.gelu(mapped) if self._gelu else mapped).to(torch.bfloat16)


def has_integer_products() -> bool:
    """Return whether the processor and this build of torch have fast products of 8-bit integers."""
    able = torch.cpu.get_capabilities()
    return hasattr(torch.ops.onednn, "qlinear_prepack") and bool(
        able.get("avx512_vnni") or able.get("amx_int8")
    )


def _quantise(values: torch.Tensor) -> tuple[torch.Tensor, float, int]:
    """Return steps (..., I) uint8, their scale and their zero: a value is (step - zero) scale."""
    low, high = (float(end) for end in values.aminmax())
    low, high = min(low, 0.0), max(high, 0.0)  # zero must be a step
    scale = max(high - low, _LEAST_SPAN) / _STEPS
    zero = round(-low / scale)
    rows = values.flatten(0, -2)
    steps = torch.empty(rows.shape, dtype=torch.uint8)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        # Adding a half and cutting off rounds, and all is positive.
        exact = rows[part].to(torch.float32, copy=True)
        steps[part] = exact.mul_(1 / scale).add_(zero + 0.5)
    return steps.view(values.shape), scale, zero

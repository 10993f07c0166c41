"""Linear maps of a frozen network, laid out once for the processor's matrix units.

In 8 bits, weights have a scale for each output, and what they are applied to one for each call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Arrange = Callable[[torch.Tensor], torch.Tensor]

_ROWS_AT_ONCE = 256  # that are float32 for a moment, and then stay in the processor's cache
_LEAST_SPAN = 1e-30  # of what is all zeros; its inverse is a number too
_STEPS = 254  # of the 255 that 8 bits have: the last is for rounding up


class FrozenLinear(nn.Module):
    """A linear map (..., I) -> (..., O), with GELU after it or not; nothing in it learns.

    On a CPU with bfloat16, the weight is stored in the blocked order that oneDNN's products read,
    which they would otherwise bring it into at every call, and GELU is applied to a sum before it
    is rounded and written. Elsewhere it is the plain map: before AVX-512, oneDNN's products of
    float32 take a fifth longer than those of torch's BLAS, and two thirds longer with GELU.

    A CPU without bfloat16 multiplies the same rounded values in float32: its own products of
    bfloat16 take many times as long.

    Args:
        weight: (O, I).
        bias: (O,), or None.
        dtype: of the products and of what comes out: float32 or bfloat16. Sums are float32.
        gelu: whether GELU (the exact one) follows.
        rows: how many rows (N, I) a call will have, about; the stored order may depend on it.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        dtype: torch.dtype,
        gelu: bool,
        rows: int,
    ) -> None:
        super().__init__()
        self._dtype, self._gelu = dtype, gelu
        on_cpu = weight.device.type == "cpu"
        self._of_products = torch.float32 if on_cpu and not has_bfloat16() else dtype
        self._packed = on_cpu and _can_pack()
        stored = weight.detach().to(dtype).to(self._of_products).contiguous()
        if self._packed:
            stored = torch.ops.mkldnn._reorder_linear_weight(stored, rows)
        self._weight = stored
        self._bias = None if bias is None else bias.detach().to(dtype).to(self._of_products)

    def forward(self, values: torch.Tensor, arrange: Arrange | None = None) -> torch.Tensor:
        """Map ``values`` (..., I) to (..., O).

        Args:
            values: of any floating type.
            arrange: makes (..., I) of values of another shape, once they have the type of the
                products; a value that stands in several places is cast once.
        """
        values = values.to(self._dtype)
        if arrange is not None:
            values = arrange(values)
        return self._map(values.to(self._of_products)).to(self._dtype)

    def _map(self, values: torch.Tensor) -> torch.Tensor:
        if self._packed:
            name, kind = ("gelu", "none") if self._gelu else ("none", "")
            mapped: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
                values, self._weight, self._bias, name, [], kind
            )
            return mapped
        with torch.autocast(values.device.type, enabled=False):
            mapped = nn.functional.linear(values, self._weight, self._bias)
        return nn.functional.gelu(mapped) if self._gelu else mapped


def frozen_linear(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    dtype: torch.dtype,
    gelu: bool = False,
    rows: int = 512,
) -> nn.Module:
    """Return the linear map of a type: float32, bfloat16, or int8 for a quantised one.

    The arguments are those of :class:`FrozenLinear`.
    """
    if dtype == torch.int8:
        return QuantisedLinear(weight, bias, gelu, rows)
    return FrozenLinear(weight, bias, dtype, gelu, rows)


def between(dtype: torch.dtype) -> torch.dtype:
    """Return the type of the values between linear maps of a type."""
    return torch.bfloat16 if dtype == torch.int8 else dtype


def is_gelu(activation: Any) -> bool:
    """Return whether an activation of the library, or of torch, is the exact GELU."""
    return activation is nn.functional.gelu or (
        type(activation).__name__ == "GELUActivation" and activation.act is nn.functional.gelu
    )


def has_bfloat16() -> bool:
    """Return whether oneDNN multiplies bfloat16 on this CPU; it does from AVX-512 on."""
    return torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def is_native(dtype: torch.dtype) -> bool:
    """Return whether this CPU has products of a type; float32 does the work of one it lacks."""
    if dtype == torch.int8:
        return has_integer_products()
    return dtype == torch.float32 or has_bfloat16()


def _can_pack() -> bool:
    """Return whether oneDNN's packed products are there, and the faster ones."""
    return has_bfloat16() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


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

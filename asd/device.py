"""Where networks are computed, and in which precision."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asd.errors import UsageError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Compute:
    """A device, and whether products are computed in bfloat16 there."""

    device: torch.device
    half: bool

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context that computations belong in."""
        import torch

        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    def describe(self) -> dict[str, str]:
        """Return the facts that the bits of a result depend on."""
        return {
            "device": self.device.type,
            "precision": "bfloat16" if self.half else "float32",
        }


def choose_compute(device: str, precision: str, where: str, worthwhile: bool = True) -> Compute:
    """Choose the device and precision.

    Args:
        device: ``"auto"`` for CUDA where present and else the CPU, or a device by name.
        precision: ``"float32"``, ``"bfloat16"``, or ``"auto"`` for bfloat16 on CUDA, and on a CPU
            that multiplies matrices in it.
        where: the params section that asks, for error messages.
        worthwhile: whether the products are large enough to pay for the casts on a CPU.

    Raises:
        UsageError: the device is not there.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if not there[device]:
        raise UsageError(f"{where}.device: no {device} device here; set it to auto")
    if precision == "auto":
        half = device == "cuda" or (device == "cpu" and worthwhile and cpu_has_bfloat16())
    else:
        half = precision == "bfloat16"
    return Compute(torch.device(device), half)


def cpu_has_bfloat16() -> bool:
    """Return whether this CPU multiplies matrices of bfloat16."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def multiply_accumulates(run: Callable[[], object]) -> int:
    """Return how many multiply-accumulates (MACs) the products and convolutions of a run take.

    They are counted by torch as they are computed; element-wise operations are none of them.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2

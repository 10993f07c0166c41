"""Where networks are computed, and in which precision.

Both decide what a model is, so they are asked for before anything is computed: without torch, where
the machine itself says enough.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from asd.errors import UsageError

_CPU = Path("/proc/cpuinfo")
_ROCM = Path("/dev/kfd")


@dataclass(frozen=True)
class Compute:
    """A device by name, and whether products are computed in bfloat16 there."""

    device: str
    half: bool

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context that computations belong in."""
        import torch

        return torch.autocast(self.device, torch.bfloat16, enabled=self.half)

    def describe(self) -> dict[str, str]:
        """Return the facts that the bits of a result depend on."""
        return {
            "device": self.device,
            "precision": "bfloat16" if self.half else "float32",
        }


def choose_compute(device: str, precision: str, where: str, worthwhile: bool = True) -> Compute:
    """Choose the device and precision.

    Args:
        device: ``"auto"`` for CUDA where present and else the CPU, or a device by name.
        precision: ``"float32"``, ``"bfloat16"``, or ``"auto"`` for bfloat16 on CUDA, and on a CPU
            that is faster in it.
        where: the params section that asks, for error messages.
        worthwhile: whether the products are large enough to pay for the casts on a CPU.

    Raises:
        UsageError: the device is not there.
    """
    if device == "auto":
        device = "cuda" if _has("cuda") else "cpu"
    if not _has(device):
        raise UsageError(f"{where}.device: no {device} device here; set it to auto")
    if precision == "auto":
        half = device == "cuda" or (device == "cpu" and worthwhile and cpu_is_fast_in_bfloat16())
    else:
        half = precision == "bfloat16"
    return Compute(device, half)


def cpu_is_fast_in_bfloat16() -> bool:
    """Return whether this CPU multiplies matrices faster in bfloat16 than in float32.

    One with matrix units (AMX) does, and one with AVX-512's bfloat16, unless it is Intel's: there
    the instruction takes two cycles, so that its products are half as fast as float32's (0.55
    measured; many virtual machines have such a processor, its AMX hidden). AMD's are 2.2 times as
    fast.
    """
    if _CPU.is_file():
        with _CPU.open(encoding="utf-8", errors="replace") as file:
            # Of the first processor, in this order: with many of them the file is long.
            lines = (line.split() for line in file)
            maker = next((line[-1] for line in lines if line[:1] == ["vendor_id"]), "")
            flags = next((line for line in lines if line[:1] == ["flags"]), [])
    else:
        import torch

        capable = torch.cpu.get_capabilities()
        flags = [name for name, there in capable.items() if there]
        maker = str(capable.get("cpu_name", ""))
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "Intel" not in maker)


def _has(device: str) -> bool:
    """Return whether torch can compute on a device here."""
    if device == "cpu" or (device == "cuda" and not _may_have_cuda()):
        return device == "cpu"
    import torch

    return torch.cuda.is_available() if device == "cuda" else torch.mps.is_available()


def _may_have_cuda() -> bool:
    """Return whether the build of torch and the drivers allow a GPU, so that torch is asked."""
    if version("torch").endswith("+cpu"):
        return False
    return _ROCM.exists() or any(map(_loads, ("libcuda.so.1", "nvcuda.dll")))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def multiply_accumulates(run: Callable[[], object]) -> int:
    """Return how many multiply-accumulates (MACs) the products and convolutions of a run take.

    They are counted by torch as they are computed; element-wise operations are none of them.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2

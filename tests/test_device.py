"""Where networks are computed: what is said without torch is what torch says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from asd import device
from asd.device import Compute, choose_compute, cpu_is_fast_in_bfloat16
from asd.errors import UsageError


def test_the_processor_is_known_as_torch_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cpu_is_fast_in_bfloat16()
    monkeypatch.setattr(device, "_CPU", Path("/nowhere"))
    assert cpu_is_fast_in_bfloat16() == found


INTEL, AMD = "vendor_id\t: GenuineIntel\n", "vendor_id\t: AuthenticAMD\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (AMD + "flags : fpu avx512_bf16\n", True),
        (INTEL + "flags : fpu avx512_bf16 amx_tile amx_bf16\n", True),
        (INTEL + "flags : fpu avx512_bf16\n", False),  # twice the cycles, AMX hidden
        (AMD + "flags : fpu avx512f\nflags : amx_bf16\n", False),  # all processors are one kind
        ("Features : fp asimd bf16\n", False),
    ],
)
def test_what_the_system_says_of_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name : some\n{text}")
    monkeypatch.setattr(device, "_CPU", tmp_path / "cpuinfo")
    assert cpu_is_fast_in_bfloat16() == expected
    compute = choose_compute("cpu", "auto", "train")
    assert compute == Compute("cpu", expected)
    assert choose_compute("cpu", "auto", "train", worthwhile=False) == Compute("cpu", False)


@pytest.mark.parametrize("version", ["2.13.0", "2.13.0+cu130", "2.13.0+cpu"])
@pytest.mark.parametrize("driver", [True, False])
def test_torch_is_asked_where_it_may_have_a_gpu(
    monkeypatch: pytest.MonkeyPatch, version: str, driver: bool
) -> None:
    asked = []
    monkeypatch.setattr(device, "version", lambda _: version)
    monkeypatch.setattr(device, "_loads", lambda _: driver)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(asked.append(1)) or True)
    there = driver and version != "2.13.0+cpu"
    assert choose_compute("auto", "float32", "train").device == ("cuda" if there else "cpu")
    assert bool(asked) == there
    if not there:
        with pytest.raises(UsageError, match=r"train.device: no cuda device here"):
            choose_compute("cuda", "float32", "train")


def test_it_is_what_torch_finds_here() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_compute("auto", "float32", "train").device == device


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch is asked which GPU there is")
def test_a_machine_without_a_gpu_is_known_without_torch() -> None:
    code = (
        "import sys; from asd.device import choose_compute;"
        "choose_compute('auto', 'auto', 'train');"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""The state of an interrupted run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from asd.errors import JobError
from asd.finetuning.loop import Progress, load_state, read_progress, save_state


def trained(steps: int) -> tuple[dict[str, nn.Parameter], torch.optim.Optimizer]:
    torch.manual_seed(0)
    parameters = {name: nn.Parameter(torch.randn(3)) for name in ("a", "b", "kept")}
    optimizer = torch.optim.AdamW([parameters["a"], parameters["b"]], lr=0.1)
    for _ in range(steps):
        step(parameters, optimizer)
    return parameters, optimizer


def step(parameters: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    (parameters["a"] ** 2).sum().backward()  # 'b' never has a gradient, so never a moment
    optimizer.step()


def test_goes_on_exactly(tmp_path: Path) -> None:
    path = tmp_path / "work" / "state.safetensors"
    parameters, optimizer = trained(5)
    save_state(path, "me", Progress(1, 5, [{"step": 5, "loss": 0.1 + 0.2}]), parameters, optimizer)
    assert read_progress(path, "me") == Progress(1, 5, [{"step": 5, "loss": 0.1 + 0.2}])
    again, other = trained(0)
    load_state(path, again, other)
    step(parameters, optimizer)
    step(again, other)
    for name in parameters:
        assert torch.equal(parameters[name], again[name]), name
    assert [p.name for p in path.parent.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("content", [None, b"", b"damaged state"])
def test_no_state_is_a_begin(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert read_progress(path, "me") == Progress(0, 0, [])


def test_the_state_of_another_run_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, "other", Progress(0, 3, [{}]), *trained(1))
    assert read_progress(path, "me") == Progress(0, 0, [])


def test_a_full_disk_is_a_failed_job(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("no folder")
    with pytest.raises(JobError, match="state.safetensors: cannot be written"):
        save_state(tmp_path / "work" / "state.safetensors", "me", Progress(), *trained(1))

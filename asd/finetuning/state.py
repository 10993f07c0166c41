"""The state that a killed fine-tuning goes on from: one safetensors file, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from asd.atomic import replacing

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        objective: which objective, from 0.
        step: updates of it that are done.
        history: one row an update, over all objectives so far.
    """

    objective: int = 0
    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def save_state(
    path: Path,
    identity: str,
    progress: Progress,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state: weights and moments as tensors, everything else as JSON in the header.

    Args:
        path: the file.
        identity: digest of what the run is made of.
        progress: how far it is.
        parameters: every weight that may change, by name.
        optimizer: an AdamW over some of them.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save_file

    tensors, counts = {}, {}
    for name, parameter in parameters.items():
        tensors[f"weight.{name}"] = parameter.detach().cpu().contiguous()
        moments = optimizer.state.get(parameter, {})
        for moment in _MOMENTS:
            if moment in moments:
                tensors[f"{moment}.{name}"] = moments[moment].cpu().contiguous()
        if "step" in moments:
            counts[name] = float(moments["step"])
    header = {
        "identity": identity,
        "objective": progress.objective,
        "step": progress.step,
        "history": progress.history,
        "counts": counts,
    }
    with replacing(path) as beside:
        save_file(tensors, beside, metadata={"asd": json.dumps(header)})


def read_progress(path: Path, identity: str) -> Progress:
    """Return how far the run ``identity`` is; at its begin where ``path`` is no state of it."""
    header = _header(path)
    if header.get("identity") != identity:
        return Progress()
    return Progress(header["objective"], header["step"], header["history"])


def load_state(
    path: Path, parameters: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    """Take the weights of ``parameters`` and the moments of ``optimizer`` from a state."""
    from safetensors.torch import load_file

    tensors, counts = load_file(path), _header(path)["counts"]
    optimized = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in parameters.items():
        parameter.data.copy_(tensors[f"weight.{name}"])
        if name in counts and id(parameter) in optimized:
            optimizer.state[parameter] = {
                "step": torch.tensor(counts[name]),
                **{m: tensors[f"{m}.{name}"].to(parameter.device) for m in _MOMENTS},
            }


def _header(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {}).get("asd", "{}"))
            return header
    except (SafetensorError, OSError, ValueError):
        return {}

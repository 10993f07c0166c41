"""The state that a killed training goes on from: one safetensors file, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from asd.atomic import replacing

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def save_state(
    path: Path,
    identity: str,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    history: list[dict[str, Any]],
) -> None:
    """Write weights and Adam's moments as tensors, the history as JSON in the header.

    Args:
        path: the file.
        identity: digest of the request that is being trained.
        network: with all its buffers.
        optimizer: an Adam over all of its parameters.
        history: one row an epoch that is done.
    """
    from safetensors.torch import save_file

    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for moment in _MOMENTS:
            if moment in optimizer.state.get(parameter, {}):
                tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment]
    whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    header = json.dumps({"identity": identity, "history": history})
    with replacing(path) as beside:
        save_file(whole, beside, metadata={"asd": header})


def load_state(
    path: Path, identity: str, network: nn.Module, optimizer: torch.optim.Optimizer
) -> list[dict[str, Any]]:
    """Take up the state of the request ``identity``; return the history, empty if there is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("asd", "{}"))
            if header.get("identity") != identity:
                return []
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError):
        return []
    prefix = "network."
    weights = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
    network.load_state_dict(weights)
    for name, parameter in network.named_parameters():
        found = {m: tensors[f"{m}.{name}"] for m in _MOMENTS if f"{m}.{name}" in tensors}
        if found:
            optimizer.state[parameter] = {
                # Adam keeps its count of steps on the CPU.
                moment: value if moment == "step" else value.to(parameter.device)
                for moment, value in found.items()
            }
    history: list[dict[str, Any]] = header["history"]
    return history

"""Transformations as classes, for a machine whose clips are all of one class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

TRANSFORMS = ("identity", "reversed", "slower", "faster")
_SPEED = {"slower": 0.8, "faster": 1.25}


def transformed(inputs: Mapping[str, torch.Tensor], classes: np.ndarray) -> dict[str, torch.Tensor]:
    """Return the batch with each clip transformed as its class says."""
    out = {}
    for name, values in inputs.items():
        rows = [_apply(TRANSFORMS[one], row) for row, one in zip(values, classes, strict=True)]
        out[name] = torch.stack(rows)
    return out


def _apply(transform: str, row: torch.Tensor) -> torch.Tensor:
    if transform == "reversed":
        return row.flip(-1)
    if transform in _SPEED:
        length = row.shape[-1]
        at = (torch.arange(length) * _SPEED[transform]).long() % length
        return row[..., at]
    return row

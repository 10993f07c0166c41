"""Low-rank adaptation (LoRA, Hu et al. 2021) of the query and value maps of a transformer.

The low-rank part is a parametrization of the weight itself, not a layer in the place of the linear
one as in the library peft: WavLM hands its query and value weights to torch's attention and never
calls those layers, so that an adapter in their place takes no part and learns nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

ADAPTED = ("q_proj", "v_proj", "qkv")  # the last where queries, keys and values are one map


class LowRank(nn.Module):
    """A frozen weight W (O, I) plus ``alpha / rank * up @ down``, with W itself at the begin.

    Args:
        weight: W.
        rank: columns of ``up`` (O, rank) and rows of ``down`` (rank, I).
        alpha: scale.
    """

    def __init__(self, weight: torch.Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.up = nn.Parameter(torch.zeros(outputs, rank))
        self.down = nn.Parameter(torch.empty(rank, inputs))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self._scale = alpha / rank

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the adapted weight of ``weight``."""
        # In float32 under autocast too, so that what is merged is what was trained.
        with torch.autocast(weight.device.type, enabled=False):
            return weight + self._scale * (self.up @ self.down)


def add_adapters(model: Any, rank: int, alpha: float, seed: int) -> None:
    """Freeze a model and adapt its query and value maps.

    Args:
        model: the body; changed in place.
        rank: of the adapters.
        alpha: their scale.
        seed: of their begin.
    """
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in list(_adapted(model)):
            parametrize.register_parametrization(
                layer, "weight", LowRank(layer.weight, rank, alpha)
            )


def merge_adapters(model: Any) -> None:
    """Put the adapters of a model into its weights, in place, and take them out."""
    for layer in list(_adapted(model)):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _adapted(model: Any) -> Iterator[Any]:
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in ADAPTED:
            yield module

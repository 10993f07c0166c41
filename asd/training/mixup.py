"""Mixup on cached features (Zhang et al., ICLR 2018): two clips sound at once, as share and rest.

What is stored is mixed as if the waves had been, by share * a + (1 - share) * b:

- waves linearly;
- a feature whose recipe has a logarithm (a log-mel) as powers. A wave times a share has a power
  times share squared, and the powers of two clips add up but for the cross terms, whose mean over
  phases is 0;
- everything else linearly: frames of a network, and spectra.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from asd.training.transforms import decibel

_LN10_10 = math.log(10) / 10


@dataclass(frozen=True)
class Mixture:
    """Which clips of a batch of B are mixed, and with which.

    Attributes:
        partner: (B,) the row of the batch that each is mixed with.
        share: (B,) float32, what is left of the clip itself; 1 where it is not mixed.
    """

    partner: np.ndarray
    share: np.ndarray


def draw(count: int, probability: float, random: np.random.Generator) -> Mixture:
    """Draw a mixture for a batch of ``count`` clips: partners at random, shares uniform in (0, 1).

    Args:
        count: clips of the batch, B.
        probability: of a clip to be mixed.
        random: decides all of it.
    """
    partner = random.permutation(count)
    share = random.random(count)
    chosen = random.random(count) < probability
    return Mixture(partner, np.where(chosen, share, 1.0).astype(np.float32))


def mixed(
    inputs: Mapping[str, torch.Tensor], mixture: Mixture, recipes: Mapping[str, Mapping[str, Any]]
) -> dict[str, torch.Tensor]:
    """Return a batch with each clip mixed with its partner; a share of 1 leaves a clip as it is.

    Args:
        inputs: (B, ...) features of the clips, by name.
        mixture: which are mixed, and how.
        recipes: of each feature, by name.
    """
    rows = np.flatnonzero(mixture.share < 1)
    share, partner = torch.from_numpy(mixture.share[rows]), mixture.partner[rows]
    out = {}
    for name, values in inputs.items():
        weights = share.reshape(-1, *[1] * (values.dim() - 1))
        recipe = recipes.get(name, {})
        unit = decibel(recipe)
        own, other = values[rows], values[partner]
        out[name] = values.clone()
        if unit is None:
            out[name][rows] = weights * own + (1 - weights) * other
        else:
            out[name][rows] = _powers(own, other, weights, unit).clamp_min(_lowest(recipe))
    return out


def _powers(
    own: torch.Tensor, other: torch.Tensor, share: torch.Tensor, unit: float
) -> torch.Tensor:
    """Mix two features of which one decibel is ``unit``, as powers."""
    # As natural logarithms of powers: sums of powers themselves would leave single precision.
    scale = _LN10_10 / unit
    quieter, rest = 2 * share.log(), 2 * torch.log1p(-share)
    return torch.logaddexp(own * scale + quieter, other * scale + rest) / scale


def _lowest(recipe: Mapping[str, Any]) -> float:
    """Return the lowest value of a feature with a logarithm: that of its floor."""
    config = recipe["config"]
    if not config.get("floor"):
        return -math.inf
    floor = float(config["floor"])
    return 10 * math.log10(floor) if config["log"] == "db" else math.log(floor)

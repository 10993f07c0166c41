"""Ripples of the level as classes, for a machine whose clips are all of one class.

A clip is left as it is, or its level goes up and down by 3 dB with a period of 8, 16, 32 or 64
frames, from a random phase; the network tells which. Why these and no others:

- To tell a ripple from the machine's own rhythm, the network must know that rhythm, at four time
  scales and in every band. What changes when a machine fails (a knock, a drag, a missing stroke)
  changes just that.
- Nothing else gives the class away. A shift of pitch, a tilt or a muted band is told from the
  average spectrum, where the noise of the hall lies too, and the network learns to look there.
- The same ripple can be put on everything that is stored: on a wave it is a gain, on a log-mel a
  sum. Other features follow the level in a way that only their extractor knows; there each
  channel gets a ripple in proportion to its own fluctuation.

Measured on the 75 training clips of one slide rail of DCASE 2020 with a small TDNN on log-mels,
80 steps on 60 of them, as the ROC-AUC of 12 clips of other slide rails against the other 15, two
seeds each: ripples 0.96 and 0.92; contrast 0.76 and 0.68; untrained 0.80 and 0.72. With a TDNN
twice as wide: reversal 0.65 and 0.62, speed 0.72 and 0.72, untrained 0.70 and 0.76. Ripples beside
changes of speed or pitch were worse than ripples alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

_PERIODS = (8, 16, 32, 64)
TRANSFORMS = ("identity", *(f"ripple_{period}" for period in _PERIODS))
_DECIBELS = 3.0
# On log-mels of the slide rail 3 dB are 0.6 of a band's standard deviation.
_SHARE = 0.6
_HOP = 512


def transformed(
    inputs: Mapping[str, torch.Tensor],
    classes: np.ndarray,
    random: np.random.Generator,
    units: Mapping[str, float | None],
) -> dict[str, torch.Tensor]:
    """Return the batch with each clip transformed as its class says.

    Args:
        inputs: (B, L) waves and (B, F, T) features of the same clips, by name.
        classes: (B,) indices into :data:`TRANSFORMS`.
        random: draws the phases, one a clip.
        units: how much one decibel of level adds to a value of a feature (:func:`decibel`); None
            where that is not known. Waves need none.
    """
    import torch

    phases = torch.from_numpy(random.random(len(classes)).astype(np.float32))
    frames = _frames(inputs)
    cycles = torch.tensor([0.0, *(frames / period for period in _PERIODS)])
    chosen = cycles[torch.from_numpy(classes.astype(np.int64))]
    changed = torch.from_numpy(np.flatnonzero(classes))
    out = {}
    for name, values in inputs.items():
        out[name] = values.clone()
        if not len(changed):
            continue
        ripple = _ripple(chosen[changed], phases[changed], values.shape[-1])
        out[name][changed] = _rippled(values[changed], ripple, units.get(name))
    return out


def decibel(recipe: Mapping[str, Any]) -> float | None:
    """Return how much one decibel of level adds to a value of the feature with this recipe.

    A recipe that has a logarithm and the exponent of the magnitude tells it: 10 log10 of the power
    (exponent 2) adds 1. None for any other recipe.
    """
    config = recipe.get("config", {})
    unit = {"db": 1.0, "ln": float(np.log(10) / 10)}.get(config.get("log"))
    return None if unit is None else unit * float(config["power"]) / 2


def _frames(inputs: Mapping[str, torch.Tensor]) -> float:
    """Return the number of frames T, in which periods are counted."""
    counts = [values.shape[-1] for values in inputs.values() if values.dim() == 3]
    longest = max(values.shape[-1] for values in inputs.values())
    return float(counts[0]) if counts else longest / _HOP


def _ripple(cycles: torch.Tensor, phases: torch.Tensor, length: int) -> torch.Tensor:
    """Return sines (B, length) of ``cycles`` (B,) periods a clip, from ``phases`` (B,) in turns."""
    import torch

    at = torch.arange(length, dtype=torch.float32) / length
    return torch.sin(2 * torch.pi * (cycles[:, None] * at + phases[:, None]))


def _rippled(values: torch.Tensor, ripple: torch.Tensor, unit: float | None) -> torch.Tensor:
    if values.dim() == 2:
        return values * (float(np.log(10)) * _DECIBELS / 20 * ripple).exp()
    if unit is not None:
        return values + unit * _DECIBELS * ripple[:, None]
    return values + _SHARE * values.std(dim=-1, correction=0, keepdim=True) * ripple[:, None]

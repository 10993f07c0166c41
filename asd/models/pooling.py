"""Pooling over time for training-free systems: features (B, F, T) to embeddings (B, F).

A pooling is its settings, called with frames (B, F, T); see :data:`POOLINGS`. What it gives for a
clip does not depend on the other clips of the batch.
"""

from __future__ import annotations

import math
import re
from collections import namedtuple
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from pydantic import Field
from torch import nn

from asd.config import Settings, settings
from asd.errors import UsageError
from asd.models.settings import PooledSettings
from asd.registry import Registry

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({"embedding", "logits", "error"})
_CLIPS_AT_ONCE = 4  # whose frames in double precision stay in the cache
_TENTH_IN_OCTAVES = math.log2(10) / 10  # of a decibel's power


class Pooling(Protocol):
    """What pools frames (B, F, T) float64 to (B, F), or to (B, 1) where bins are joined as well."""

    def __call__(self, frames: np.ndarray) -> np.ndarray: ...


POOLINGS: Registry[type[Settings]] = Registry(
    "pooling",
    {
        "deviation": "asd.models.pooling:Deviation",
        "fine_structure": "asd.models.pooling:FineStructure",
        "flux": "asd.models.pooling:Flux",
        "gem": "asd.models.pooling:Gem",
        "gwrp": "asd.models.pooling:Gwrp",
        "level": "asd.models.pooling:Level",
        "level_free_mean": "asd.models.pooling:LevelFreeMean",
        "lull": "asd.models.pooling:Lull",
        "max": "asd.models.pooling:Max",
        "mean": "asd.models.pooling:Mean",
        "power_mean": "asd.models.pooling:PowerMean",
        "rdp": "asd.models.pooling:Rdp",
    },
)


class Mean(Settings):
    """The mean over time of each bin."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=2)


class Max(Settings):
    """The maximum over time of each bin."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return frames.max(axis=2)


class Lull(Settings):
    """The quietest moment of each bin: the least mean over consecutive frames.

    What :class:`Max` hears of a knock, this hears of a machine that halts. Of a clip with fewer
    frames it is the mean. Four frames of the default log-mel are an eighth of a second.

    A member of the views for own recordings since they were deaf to halts of .1 to .5 s at -6 to
    -20 dB: made from genuine slide rails and propellers, these have an AUC of .51 and .52 without
    it, of .81 and .95 with it, and the official score of the propellers is .949 both times.
    """

    frames: int = Field(4, ge=1)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) to (B, F)."""
        width = min(self.frames, frames.shape[2])
        count = frames.shape[2] - width + 1
        moments = sum(frames[:, :, place : place + count] for place in range(width))
        pooled: np.ndarray = np.asarray(moments).min(axis=2) / width
        return pooled


class Deviation(Settings):
    """The standard deviation over time of each bin; beside the mean, how much it moves."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return frames.std(axis=2)


class PowerMean(Settings):
    """The mean power over time of each bin, for features in decibels: 10 log10 mean 10^(x / 10).

    Long-term power in place of the mean of its logarithm: loud moments count for more, as in the
    mean spectrum of the clip. It moves with the level as the mean and the maximum do.
    """

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        # Measured from the loudest frame no power underflows, and one of them is always 1.
        loudest = frames.max(axis=2)
        powers = frames - loudest[:, :, None]
        powers *= _TENTH_IN_OCTAVES  # a power of two takes less than half the time of one of ten
        np.exp2(powers, out=powers)
        return loudest + 10 * np.log10(powers.mean(axis=2))


class LevelFreeMean(Settings):
    """The mean over time of each bin less the clip's mean over time and bins.

    The shape of the spectrum alone: a clip that is louder by so many decibels as a whole, or
    recorded with another gain, gives the same.
    """

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        mean = frames.mean(axis=2)
        return mean - mean.mean(axis=1, keepdims=True)


class Level(Settings):
    """The clip's mean over time and bins: (B, 1), in decibels of a log-mel in decibels.

    A mean of logarithms, so that few loud moments do not move it. It is not there to be scored, but
    to tell scorers how loud a clip is (see :mod:`asd.scoring.bands`).
    """

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=2).mean(axis=1, keepdims=True)


class FineStructure(Settings):
    """The mean over time of each bin less that of the bins around it.

    What stands out of the spectrum or is missing in it: lines, gaps. Level, colour of the
    background and frequency response of the microphone, which are much the same in neighbouring
    bins, are taken off. The envelope is the mean over the bin and ``reach`` bins on both sides;
    beyond the ends the outermost bin goes on.

    The reach is chosen in sight of labels: joined with six other views it brings a genuine mixture
    of propellers and factory noise from an official score of .892 to .903, .930 and .904 with a
    reach of 2, 4 and 8, and genuine fans from .876 to .876, .876 and .879.
    """

    reach: int = Field(4, ge=1)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        mean = frames.mean(axis=2)
        bins, width = mean.shape[1], 2 * self.reach + 1
        around = np.pad(mean, ((0, 0), (self.reach, self.reach)), mode="edge")
        # Bin by bin: what a sum comes to must not depend on how many clips there are.
        envelope = sum(around[:, place : place + bins] for place in range(width)) / width
        return mean - envelope


class Flux(Settings):
    """The mean over time of each bin's change from frame to frame: mean |x_(t+1) - x_t|.

    How fast a bin fluctuates, whatever its level; 0 of a single frame.
    """

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        if frames.shape[2] < 2:
            return np.zeros(frames.shape[:2])
        steps = np.diff(frames, axis=2)
        return np.abs(steps, out=steps).mean(axis=2)


class Gwrp(Settings):
    """Global weighted rank pooling: each bin sorted descending, the n-th weighted by decay^n.

    A decay of 1 gives the mean, of 0 the maximum.
    """

    decay: float = Field(0.9, ge=0, le=1)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return self.of_ranked(ranked(frames))

    def of_ranked(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) that :func:`ranked` has sorted."""
        weights = self.decay ** np.arange(frames.shape[2])
        return frames @ (weights / weights.sum())


class Gem(Settings):
    """Generalised mean of each bin: the power-th root of the mean power.

    Powers want positive values, which decibels and transformer frames are not. So each bin is
    measured from its own minimum over time, and the minimum added again: the result moves with
    the level as the mean and the maximum do. A power of 1 gives the mean; it tends to the maximum.
    """

    power: float = Field(3.0, gt=0)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        least = frames.min(axis=2)
        reach = frames.max(axis=2) - least
        # Measured in the bin's own range no power overflows, and one value is always 1.
        share = (frames - least[:, :, None]) / np.where(reach > 0, reach, 1.0)[:, :, None]
        return least + reach * np.mean(share**self.power, axis=2) ** (1 / self.power)


class Rdp(Settings):
    """Relative deviation pooling: frames far from the clip's mean frame count for more.

    Frame t weighs (d_t / mean d)^gamma, d_t being its Euclidean distance to the mean frame; a
    gamma of 0 gives the mean.
    """

    gamma: float = Field(1.0, ge=0)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        apart = np.linalg.norm(frames - frames.mean(axis=2, keepdims=True), axis=1)
        # Only ratios of weights matter: the largest in place of the mean cannot overflow.
        largest = apart.max(axis=1, keepdims=True)
        weights = np.where(largest > 0, apart / np.where(largest > 0, largest, 1.0), 1.0)
        weights **= self.gamma
        weights /= weights.sum(axis=1, keepdims=True)
        return np.matmul(frames, weights[:, :, None])[:, :, 0]


def ranked(frames: np.ndarray) -> np.ndarray:
    """Return frames (B, F, T) with each bin sorted descending; several decays can share it."""
    return np.sort(frames, axis=2)[:, :, ::-1]


def build(name: str, values: Mapping[str, Any], where: str = "pooling") -> Pooling:
    """Return the pooling ``name`` with its settings checked.

    Raises:
        UsageError: an unknown pooling, an unknown key or an impossible value.

    Example:
        >>> frames = np.arange(6.0).reshape(1, 2, 3)  # (B, F, T)
        >>> build("mean", {})(frames).tolist(), build("max", {})(frames).tolist()
        ([[1.0, 4.0]], [[2.0, 5.0]])
        >>> build("flux", {})(frames).tolist(), build("level_free_mean", {})(frames).tolist()
        ([[1.0, 1.0]], [[-1.5, 1.5]])
    """
    return settings(POOLINGS[name], values, where)


class Pooled(nn.Module):
    """Pool each feature over time, in each of several ways: (B, F, T) to (B, F) by name.

    Several features are joined bin after bin. Nothing is learned, so a bank of these is there in
    seconds, and a training clip left out of it is as good as one never heard.

    Args:
        shapes: the shape (F, T) of one row of each feature, by name.
        classes, attributes: not used; there is nothing to classify.
        settings: the poolings.

    Raises:
        UsageError: a feature has no time axis, or a pooling or name is impossible.
    """

    Settings: ClassVar[type[Settings]] = PooledSettings

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        classes: int,
        attributes: int,
        settings: PooledSettings,
    ) -> None:
        super().__init__()
        for name, shape in shapes.items():
            if len(shape) != 2:
                raise UsageError(
                    f"feature '{name}' has rows of shape {shape}: a pooled model reads (F, T)"
                )
        self.bins = {name: max(1, round(settings.bins * of[0])) for name, of in shapes.items()}
        self.poolings = {name: _built(name, one) for name, one in settings.poolings.items()}

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> Any:
        """Return the embeddings (B, sum of F) by name; each input is (B, F, T)."""
        found: dict[str, list[np.ndarray]] = {name: [] for name in self.poolings}
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for feature, bins in self.bins.items():
                frames = inputs[feature].detach().cpu().numpy()[:, :bins]
                starts = range(0, len(frames), _CLIPS_AT_ONCE)
                some = [frames[start : start + _CLIPS_AT_ONCE] for start in starts]
                pooled = list(pool.map(self._pooled, some))
                for name in self.poolings:
                    found[name].append(np.concatenate([parts[name] for parts in pooled]))
        joined = {name: np.concatenate(parts, axis=1) for name, parts in found.items()}
        output = namedtuple("Output", self.poolings)  # type: ignore[misc]  # here: models are pickled
        return output(**{name: torch.from_numpy(one).float() for name, one in joined.items()})

    def _pooled(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """Return some clips (B, F, T) of a feature pooled in each way, (B, n F) by name."""
        frames = frames.astype(np.float64)
        in_order, found = None, {}
        for name, poolings in self.poolings.items():
            parts = []
            for pooling in poolings:
                if isinstance(pooling, Gwrp):
                    in_order = ranked(frames) if in_order is None else in_order
                    parts.append(pooling.of_ranked(in_order))
                else:
                    parts.append(pooling(frames))
            found[name] = np.concatenate(parts, axis=1)
        return found


def _built(name: str, recipes: tuple[dict[str, Any], ...]) -> tuple[Pooling, ...]:
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise UsageError(f"'{name}' cannot name an embedding; use small letters, digits and _")
    built = []
    for recipe in recipes:
        values = dict(recipe)
        kind = values.pop("pooling", None)
        if kind is None:
            raise UsageError(f"poolings.{name}: it does not say which pooling")
        built.append(build(str(kind), values, f"poolings.{name}"))
    return tuple(built)

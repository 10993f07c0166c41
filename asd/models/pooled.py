"""Pooled features: embeddings without anything learned, one for each pooling (BEYOND the paper)."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import nn

from asd.config import Settings
from asd.errors import UsageError
from asd.models.pooling import Gwrp, Pooling, build, ranked

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({"embedding", "logits", "error"})


class PooledSettings(Settings):
    """Which embeddings are made.

    Attributes:
        poolings: by the name of the embedding, a pooling with its settings, such as
            ``{pooling: gwrp, decay: 0.9}``, or a list of them, which are joined.
        bins: the share of each feature's bins that is pooled, the lowest first. The highest are
            what the filters of the recorder, or of a change of the sample rate, leave of them.
    """

    bins: float = Field(1.0, gt=0, le=1)
    poolings: dict[str, tuple[dict[str, Any], ...]] = Field(
        {"mean": ({"pooling": "mean"},)}, min_length=1
    )

    @field_validator("poolings", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """Read a single pooling as a list of one, and leave out what null takes away."""
        if not isinstance(value, Mapping):
            return value
        return {
            name: (one,) if isinstance(one, Mapping) else one
            for name, one in value.items()
            if one is not None
        }


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

    kind: ClassVar[str] = "pooling"
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
        for feature, bins in self.bins.items():
            frames = inputs[feature].detach().cpu().numpy()[:, :bins].astype(np.float64)
            in_order = None
            for name, poolings in self.poolings.items():
                for pooling in poolings:
                    if isinstance(pooling, Gwrp):
                        in_order = ranked(frames) if in_order is None else in_order
                        found[name].append(pooling.of_ranked(in_order))
                    else:
                        found[name].append(pooling(frames))
        joined = {name: np.concatenate(parts, axis=1) for name, parts in found.items()}
        output = namedtuple("Output", self.poolings)  # type: ignore[misc]  # here: models are pickled
        return output(**{name: torch.from_numpy(one).float() for name, one in joined.items()})


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

"""Class heads: from an embedding (B, D) to logits (B, C), one file each.

The softmax of the logits is the distribution over classes, and their cross entropy the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asd.config import settings
from asd.errors import UsageError
from asd.registry import Registry

HEADS: Registry[Any] = Registry(
    "head",
    {
        "linear": "asd.models.heads.linear:Linear",
        "arcface": "asd.models.heads.arcface:ArcFace",
        "adacos": "asd.models.heads.adacos:AdaCos",
        "sub_cluster_adacos": "asd.models.heads.sub_cluster_adacos:SubClusterAdaCos",
        "adaproj": "asd.models.heads.adaproj:AdaProj",
    },
)
LINEAR = "linear"


def build_head(values: Mapping[str, Any], dimension: int, classes: int) -> Any:
    """Build a head from its section of the params.

    Args:
        values: ``kind`` (default: linear) and the head's own settings.
        dimension: of the embedding, D.
        classes: how many, C.

    Raises:
        UsageError: the kind or one of the settings is unknown or impossible.
    """
    own = dict(values)
    name = own.pop("kind", LINEAR)
    if not isinstance(name, str):
        raise UsageError(f"models: head: kind: must be a name, not {name!r}")
    kind = HEADS[name]
    return kind(dimension, classes, settings(kind.Settings, own, f"models: head ({name})"))


def is_linear(values: Mapping[str, Any]) -> bool:
    """Return whether a section of the params asks for the linear head, as an empty one does."""
    return dict(values) in ({}, {"kind": LINEAR})

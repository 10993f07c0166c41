"""Networks: one file each, pure modules that know shapes and nothing of training or files.

A new network or head is one new file and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asd.registry import Registry

NETWORKS: Registry[Any] = Registry(
    "network",
    {
        "tdnn": "asd.models.tdnn:Classifier",
        "ecapa": "asd.models.ecapa:EcapaClassifier",
        "branches": "asd.models.branches:Branches",
        "autoencoder": "asd.models.autoencoder:Autoencoder",
        "mobilenetv2": "asd.models.mobilenetv2:MobileNetV2",
        "pooled": "asd.models.pooling:Pooled",
    },
    "asd.networks",
    "asd.models.settings",
)
HEADS: Registry[Any] = Registry(
    "head",
    {
        "linear": "asd.models.heads:Linear",
        "arcface": "asd.models.heads:ArcFace",
        "adacos": "asd.models.heads:AdaCos",
        "sub_cluster_adacos": "asd.models.heads:SubClusterAdaCos",
        "adaproj": "asd.models.heads:AdaProj",
    },
    "asd.heads",
    "asd.models.settings",
)
LINEAR = "linear"


def kind_of(network: str) -> str:
    """Return the kind of a network, such as ``"classifier"``, which says what it is trained for.

    Raises:
        UsageError: there is no such network.
    """
    return getattr(NETWORKS.settings(network), "kind", "") or NETWORKS[network].kind


def is_linear(head: Mapping[str, Any]) -> bool:
    """Return whether a section of the params asks for the linear head, as an empty one does."""
    return dict(head) in ({}, {"kind": LINEAR})

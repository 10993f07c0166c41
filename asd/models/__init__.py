"""Networks: one file each, pure modules that know shapes and nothing of training or files."""

from __future__ import annotations

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
)

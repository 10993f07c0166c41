"""Objectives: what each kind of network is trained for, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asd.registry import Registry

if TYPE_CHECKING:
    from asd.training.objectives.base import Objective

OBJECTIVES: Registry[type[Objective]] = Registry(
    "objective",
    {
        "classifier": "asd.training.objectives.classification:Classification",
        "autoencoder": "asd.training.objectives.reconstruction:Reconstruction",
        "pooling": "asd.training.objectives.nothing:Nothing",
        "window_classifier": "asd.training.objectives.window_classification:WindowClassification",
    },
)

"""From features to banks: the sections extract, models, joint, train and embed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from asd.config.base import Device, Name, Positive, Precision, Settings

ClassPart = Literal["machine", "section", "domain", "attributes"]
CLASS_PARTS: tuple[ClassPart, ...] = ("machine", "section", "domain", "attributes")

# What stands for the machine where a model is of all machines.
ALL = "all"


class ExtractConfig(Settings):
    """How features are computed; nothing here changes what is computed."""

    workers: Annotated[int, Field(ge=0)] = 0
    device: Device = "auto"


class LossWeights(Settings):
    """Weights of the terms of Eq. 5; zero switches a term off."""

    cross_entropy: float = Field(1.0, ge=0)
    triplet: float = Field(1.0, ge=0)
    auxiliary: float = Field(0.0, ge=0)


class ModelConfig(Settings):
    """One model: the features it reads, its network and its losses.

    ``network`` is a name of the section ``networks`` or of the registry of networks; ``settings``
    override what that section sets. ``head`` names the head of a classifier as ``kind``, one of
    :mod:`asd.models.heads`, with its settings; none is a linear one. ``classes`` says what makes a
    class of a joint model. ``train`` overrides settings of the section ``train``; a network of the
    section ``networks`` may say it for all models that use it.
    """

    features: tuple[Name, ...] = Field(min_length=1)
    network: Name = "tdnn"
    settings: dict[str, Any] = Field({})
    head: dict[str, Any] = Field({})
    classes: tuple[ClassPart, ...] = Field(CLASS_PARTS, min_length=1)
    losses: LossWeights = LossWeights()
    train: dict[str, Any] = Field({})


class TrainConfig(Settings):
    """How every model is trained.

    ``mixup`` is the share of the clips of a batch that are mixed with another clip
    (:mod:`asd.training.examples`).
    """

    epochs: Positive = 100
    learning_rate: float = Field(2e-4, gt=0)
    classes_per_batch: Annotated[int, Field(ge=2)] = 6
    clips_per_class: Annotated[int, Field(ge=2)] = 8
    batch_size: Annotated[int, Field(ge=2)] = 512
    mixup: float = Field(0.0, ge=0, le=1)
    held_out: float = Field(0.0, ge=0, lt=1)
    seed: int = 0
    device: Device = "auto"
    precision: Precision = "auto"


class EmbedConfig(Settings):
    """How banks are computed."""

    batch_size: Positive = 32
    device: Device = "auto"
    precision: Precision = "auto"

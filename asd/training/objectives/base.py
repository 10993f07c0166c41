"""What the loop asks of an objective: batches, and the loss of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from asd.config import ModelConfig, TrainConfig
from asd.device import Compute
from asd.training.data import StoredClips
from asd.training.labels import Labels


@dataclass(frozen=True)
class Batch:
    """Clips, or windows of clips, of one step, on the CPU.

    Attributes:
        inputs: (B, F, T) features and (B, L) waves, or windows (B, F, frames) of a feature,
            float32, by name.
        targets: what the objective compares the outputs with, (B, ...) by name.
    """

    inputs: Mapping[str, torch.Tensor]
    targets: Mapping[str, torch.Tensor]


def no_classes(task: str) -> dict[str, Any]:
    """Return the facts of an objective that tells no classes apart."""
    return {"task": task, "classes": [], "attribute_classes": [], "attribute_head": False}


class Objective(ABC):
    """What a network is trained for, over the training clips of one machine.

    Args:
        clips: the training clips.
        labels: their classes.
        model: the model's features and losses.
        config: how it is trained.

    Attributes:
        reads: the settings of :class:`TrainConfig` that it has a use for, beside those of all.
        learns: whether there is anything to train.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    learns: ClassVar[bool] = True

    def __init__(
        self, clips: StoredClips, labels: Labels, model: ModelConfig, config: TrainConfig
    ) -> None:
        self.clips, self.labels, self.model, self.config = clips, labels, model, config

    @property
    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What the objective adds to the request of a model, such as the names of classes."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; the seed and the epoch decide them and nothing else."""

    @abstractmethod
    def step(
        self, network: nn.Module, batch: Batch, compute: Compute
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of a batch and what to write down of it, each a scalar tensor."""

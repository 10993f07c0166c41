"""The objective of a network that classifies windows: each has the class of its clip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from asd.device import Compute
from asd.training.objectives.base import Batch
from asd.training.objectives.examples import Examples
from asd.training.objectives.windows import WindowObjective


class WindowClassification(WindowObjective):
    """Cross entropy of the primary classes over the windows of all clips."""

    @property
    def facts(self) -> dict[str, Any]:
        """The task and the names of the classes."""
        return {
            "task": self.labels.task,
            "classes": list(self.labels.classes),
            "attribute_classes": [],
            "attribute_head": False,
        }

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield batches of windows (n, F, frames), the target ``classes`` (n,)."""
        examples = Examples(self.clips, self.labels, self.config.seed, epoch)
        for windows, drawn in self.windows(len(examples.classes), examples.read, epoch):
            yield Batch({self.feature: windows}, {"classes": examples.targets(drawn)})

    def step(
        self, network: nn.Module, batch: Batch, compute: Compute
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the cross entropy of a batch of windows, and the accuracy."""
        windows = batch.inputs[self.feature].to(compute.device)
        classes = batch.targets["classes"].to(compute.device)
        with compute.autocast():
            output: torch.Tensor = network.classify(windows)  # type: ignore[operator]
        logits = output.float()
        accuracy = (logits.argmax(dim=1) == classes).float().mean()
        return F.cross_entropy(logits, classes), {"accuracy": accuracy}

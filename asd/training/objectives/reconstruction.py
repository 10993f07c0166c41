"""The autoencoder's objective: reconstruct the windows of the clips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from asd.device import Compute
from asd.training.objectives.base import Batch, no_classes
from asd.training.objectives.windows import WindowObjective


class Reconstruction(WindowObjective):
    """Mean squared error over the windows of all sections; there are no classes."""

    @property
    def facts(self) -> dict[str, Any]:
        """That there are no classes."""
        return no_classes("reconstruction")

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield batches of windows (n, F, frames)."""
        for windows, _ in self.windows(len(self.clips), self.clips.batch, epoch):
            yield Batch({self.feature: windows}, {})

    def step(
        self, network: nn.Module, batch: Batch, compute: Compute
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the mean error of a batch of windows, in squared units of the feature."""
        windows = batch.inputs[self.feature].to(compute.device)
        with compute.autocast():
            errors: torch.Tensor = network.error(windows)  # type: ignore[operator]
        return errors.mean(), {}

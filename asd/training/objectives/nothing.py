"""The objective of networks without weights: there is nothing to train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import nn

from asd.device import Compute
from asd.training.objectives.base import Batch, Objective, no_classes


class Nothing(Objective):
    """No batch and no loss; the model is there at once, and no setting of training concerns it."""

    learns: ClassVar[bool] = False

    @property
    def facts(self) -> dict[str, Any]:
        """That there are no classes."""
        return no_classes("nothing")

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield nothing."""
        return iter(())

    def step(
        self, network: nn.Module, batch: Batch, compute: Compute
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Never called: there are no batches."""
        raise NotImplementedError

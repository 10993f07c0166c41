"""The paper's objective (Eq. 5): classify the clips, and hold those of a class together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.device import Compute
from asd.training.losses import total_loss
from asd.training.objectives.base import Batch, Objective
from asd.training.sampler import balanced_batches
from asd.training.transforms import TRANSFORMS, transformed

# Keeps the phases of the ripples apart from the order of the batches, which has the same seed.
_PHASES = 1


class Classification(Objective):
    """Cross entropy, batch-hard triplet and auxiliary loss over class-balanced batches.

    Where the clips have one class, each is taken once as every transformation of itself
    (:mod:`asd.training.transforms`), so an epoch is as many times longer.
    """

    @property
    def facts(self) -> dict[str, Any]:
        """The task, the names of the classes, and whether there is an attribute head."""
        labels = self.labels
        auxiliary = self.model.losses.auxiliary > 0
        return {
            "task": labels.task,
            "classes": list(labels.classes),
            "attribute_classes": list(labels.attribute_classes),
            "attribute_head": auxiliary and len(labels.attribute_classes) > 1,
        }

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield batches with the targets ``classes`` (B,) and ``attributes`` (B,), int64."""
        clips, labels, config = self.clips, self.labels, self.config
        transforming = labels.task == "transformations"
        # Row i of the transformed clips is clip i % N.
        classes = (
            np.repeat(np.arange(len(TRANSFORMS)), len(clips)) if transforming else labels.primary
        )
        random = np.random.default_rng([config.seed, epoch, _PHASES])
        for drawn in balanced_batches(
            classes, config.classes_per_batch, config.clips_per_class, config.seed, epoch
        ):
            rows = drawn % len(clips)
            inputs = clips.batch(rows)
            if transforming:
                inputs = transformed(inputs, classes[drawn], random, clips.decibels)
            yield Batch(
                inputs,
                {
                    "classes": torch.from_numpy(classes[drawn].astype(np.int64)),
                    "attributes": torch.from_numpy(labels.attribute[rows].astype(np.int64)),
                },
            )

    def step(
        self, network: nn.Module, batch: Batch, compute: Compute
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of Eq. 5, its terms, the accuracy and two signs of a collapse."""
        inputs = {name: values.to(compute.device) for name, values in batch.inputs.items()}
        targets = {name: values.to(compute.device) for name, values in batch.targets.items()}
        with compute.autocast():
            output = network(inputs)
        # Distances and logarithms are taken in single precision.
        embedding, logits = output.embedding.float(), output.logits.float()
        attribute = output.attribute_logits
        losses = total_loss(
            self.model.losses,
            embedding,
            logits,
            targets["classes"],
            None if attribute is None else attribute.float(),
            targets["attributes"],
        )
        measures = {
            "cross_entropy": losses.cross_entropy,
            "triplet": losses.triplet,
            "auxiliary": losses.auxiliary,
            "accuracy": (logits.argmax(dim=1) == targets["classes"]).float().mean(),
            "active_triplets": losses.active_triplets,
            "embedding_norm": embedding.norm(dim=1).mean(),
        }
        return losses.total, measures

"""The paper's objective (Eq. 5): classify the clips, and hold those of a class together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from asd.device import Compute
from asd.training.losses import Mixed, total_loss
from asd.training.mixup import draw, mixed
from asd.training.objectives.base import Batch, Objective
from asd.training.objectives.examples import Examples
from asd.training.sampler import balanced_batches

# Keeps the mixtures apart from the order of the examples, which has the same seed.
_MIXTURES = 2


class Classification(Objective):
    """Cross entropy, batch-hard triplet and auxiliary loss over class-balanced batches.

    Where the clips have one class, each is taken once as every transformation of itself
    (:mod:`asd.training.transforms`), so an epoch is as many times longer.
    """

    reads: ClassVar[tuple[str, ...]] = ("classes_per_batch", "clips_per_class", "mixup")

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
        """Yield batches with the targets ``classes`` (B,) and ``attributes`` (B,), int64.

        With mixup also ``partner`` (B,) int64 and ``share`` (B,), of :class:`Mixture`.
        """
        config = self.config
        mixing = np.random.default_rng([config.seed, epoch, _MIXTURES])
        examples = Examples(self.clips, self.labels, config.seed, epoch)
        for drawn in balanced_batches(
            examples.classes, config.classes_per_batch, config.clips_per_class, config.seed, epoch
        ):
            attributes = self.labels.attribute[examples.rows(drawn)].astype(np.int64)
            inputs = examples.read(drawn)
            targets = {
                "classes": examples.targets(drawn),
                "attributes": torch.from_numpy(attributes),
            }
            if config.mixup:
                mixture = draw(len(drawn), config.mixup, mixing)
                inputs = mixed(inputs, mixture, self.clips.recipes)
                targets["partner"] = torch.from_numpy(mixture.partner)
                targets["share"] = torch.from_numpy(mixture.share)
            yield Batch(inputs, targets)

    def step(
        self, network: nn.Module, batch: Batch, compute: Compute
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of Eq. 5, its terms, the accuracy and two signs of a collapse."""
        inputs = {name: values.to(compute.device) for name, values in batch.inputs.items()}
        targets = {name: values.to(compute.device) for name, values in batch.targets.items()}
        classes = targets["classes"]
        head: Any = network.primary
        with compute.autocast():
            output = network(inputs)
        # Distances and logarithms are taken in single precision.
        embedding, logits = output.embedding.float(), output.logits.float()
        attribute = output.attribute_logits

        def with_margin(own: torch.Tensor) -> torch.Tensor:
            return head(embedding, own) if head.margin else logits

        partners = None
        if "share" in targets:
            partner = targets["partner"]
            partners = Mixed(partner, targets["share"], with_margin(classes[partner]))
        losses = total_loss(
            self.model.losses,
            embedding,
            with_margin(classes),
            classes,
            None if attribute is None else attribute.float(),
            targets["attributes"],
            partners,
        )
        if partners is not None:
            # The class that more of the clip is of.
            classes = torch.where(partners.share >= 0.5, classes, classes[partners.partner])
        measures = {
            "cross_entropy": losses.cross_entropy,
            "triplet": losses.triplet,
            "auxiliary": losses.auxiliary,
            "accuracy": (logits.argmax(dim=1) == classes).float().mean(),
            "active_triplets": losses.active_triplets,
            "embedding_norm": embedding.norm(dim=1).mean(),
        }
        return losses.total, measures

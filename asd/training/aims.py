"""What each kind of network is trained for, as far as it decides a model: no torch is needed.

How it is done, batches and losses, is in :mod:`asd.training.objectives`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from asd.config import ModelConfig
from asd.errors import unknown_name
from asd.models import kind_of
from asd.training.labels import Labels


@dataclass(frozen=True)
class Aim:
    """What networks of a kind are trained for.

    Attributes:
        objective: the class of :mod:`asd.training.objectives`; ``""`` where nothing is learned.
        reads: the settings of :class:`asd.config.TrainConfig` that it has a use for, beside those
            of all.
        task: what a model is said to be trained for that tells no classes apart; ``""`` for the
            task of its labels.
        attributes: whether it may have a head of attribute classes.
    """

    objective: str = ""
    reads: tuple[str, ...] = ()
    task: str = ""
    attributes: bool = False

    def facts(self, labels: Labels, model: ModelConfig) -> dict[str, Any]:
        """Return what it adds to the request of a model: task, classes, attribute classes."""
        if self.task:
            return {
                "task": self.task,
                "classes": (),
                "attribute_classes": (),
                "attribute_head": False,
            }
        attributes = labels.attribute_classes if self.attributes else ()
        return {
            "task": labels.task,
            "classes": labels.classes,
            "attribute_classes": attributes,
            "attribute_head": model.losses.auxiliary > 0 and len(attributes) > 1,
        }


AIMS: Mapping[str, Aim] = MappingProxyType(
    {
        "classifier": Aim(
            "Classification", ("classes_per_batch", "clips_per_class", "mixup"), attributes=True
        ),
        "autoencoder": Aim("Reconstruction", ("batch_size",), task="reconstruction"),
        "pooling": Aim(task="nothing"),
        "window_classifier": Aim("WindowClassification", ("batch_size",)),
    }
)


def aim_of(network: str) -> Aim:
    """Return what a network is trained for.

    Raises:
        UsageError: there is no such network, or it is of a kind that nothing is known of.
    """
    kind = kind_of(network)
    if kind not in AIMS:
        raise unknown_name("kind of network", kind, AIMS)
    return AIMS[kind]

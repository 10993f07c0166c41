"""What each kind of network is trained for: batches, and the loss of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from asd.config import ModelConfig, TrainConfig, settings
from asd.device import Compute
from asd.models import NETWORKS
from asd.models.windows import cut
from asd.training.data import StoredClips
from asd.training.examples import Examples, balanced_batches, draw, mixed, noisy
from asd.training.labels import Labels
from asd.training.loop import Batch, Objective
from asd.training.losses import Mixed, total_loss

# Keeps the mixtures apart from the order of the examples, which has the same seed.
_MIXTURES, _NOISES = 2, 4
# Enough that a batch mixes clips of all sections; few enough to be held in memory at once.
CLIPS_TOGETHER = 64

Read = Callable[[np.ndarray], dict[str, torch.Tensor]]


class ModelObjective(Objective):
    """What a network is trained for from stored features, over the training clips of one machine.

    Args:
        clips: the training clips.
        labels: their classes.
        model: the model's features and losses.
        config: how it is trained.
        noise: clips of noise alone that a classifier mixes in, if there are any.
    """

    def __init__(
        self,
        clips: StoredClips,
        labels: Labels,
        model: ModelConfig,
        config: TrainConfig,
        noise: StoredClips | None = None,
    ) -> None:
        self.clips, self.labels, self.model, self.config = clips, labels, model, config
        self.noise = noise


class Classification(ModelObjective):
    """The paper's objective (Eq. 5): classify the clips, and hold those of a class together.

    Cross entropy, batch-hard triplet and auxiliary loss over class-balanced batches.

    Where the clips have one class, each is taken once as every transformation of itself
    (:mod:`asd.training.transforms`), so an epoch is as many times longer.
    """

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield batches with the targets ``classes`` (B,) and ``attributes`` (B,), int64.

        With mixup also ``partner`` (B,) int64 and ``share`` (B,), of :class:`Mixture`.
        """
        config = self.config
        mixing, hall = (
            np.random.default_rng([config.seed, epoch, what]) for what in (_MIXTURES, _NOISES)
        )
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
            if self.noise is not None:
                machines = [self.clips.machines[row] for row in examples.rows(drawn)]
                ratio = config.noise_snr_db
                inputs = noisy(inputs, self.noise, machines, config.noise_share, ratio, hall)
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
        inputs, targets = batch.on(compute.device)
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


class WindowObjective(ModelObjective):
    """What such objectives share: they read one feature, and ``batch_size`` windows a step."""

    @property
    def feature(self) -> str:
        """The feature that is read."""
        return self.model.features[0]

    def windows(
        self, count: int, read: Read, epoch: int
    ) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
        """Yield the windows of an epoch, and what each is from; see :func:`shuffled_windows`.

        Args:
            count: how many clips, or examples made of clips, there are.
            read: returns the features of those at rows (n,), by name.
            epoch: decides the order, with the seed.
        """
        kind = NETWORKS.settings(self.model.network)
        shape: Any = settings(kind, self.model.settings, "models: settings")
        return shuffled_windows(
            count,
            lambda rows: cut(read(rows)[self.feature], shape.frames, shape.hop),
            self.config.batch_size,
            np.random.default_rng([self.config.seed, epoch]),
        )


def shuffled_windows(
    count: int,
    read: Callable[[np.ndarray], torch.Tensor],
    size: int,
    random: np.random.Generator,
) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """Yield every window of every clip once, in random order, in batches.

    The clips are read a part at a time, in random order, and the windows of a part are shuffled:
    all windows of thousands of clips would not fit in memory, and those of one clip are much alike.

    Args:
        count: clips, N.
        read: returns the windows (n, W, F, frames) of the clips at rows (n,).
        size: windows a batch; a part is divided evenly, so batches are this large or somewhat
            larger, and smaller only where a part has fewer windows.
        random: decides the order.

    Yields:
        Windows (n, F, frames), and the row (n,) of the clip that each is from.
    """
    parts = max(1, count // CLIPS_TOGETHER)
    for rows in np.array_split(random.permutation(count), parts):
        windows = read(rows)
        places = random.permutation(len(rows) * windows.shape[1])
        for batch in np.array_split(places, max(1, len(places) // size)):
            clip, window = np.divmod(batch, windows.shape[1])
            yield windows[torch.from_numpy(clip), torch.from_numpy(window)], rows[clip]


class Reconstruction(WindowObjective):
    """Mean squared error over the windows of all sections; there are no classes."""

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


class WindowClassification(WindowObjective):
    """Cross entropy of the primary classes over the windows of all clips."""

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

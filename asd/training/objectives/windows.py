"""Batches of windows, for networks that look at a clip window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import torch

from asd.config import settings
from asd.models import NETWORKS
from asd.models.windows import cut
from asd.training.objectives.base import Objective

# Enough that a batch mixes clips of all sections; few enough to be held in memory at once.
CLIPS_TOGETHER = 64

Read = Callable[[np.ndarray], dict[str, torch.Tensor]]


class WindowObjective(Objective):
    """What such objectives share: they read one feature, and ``batch_size`` windows a step."""

    reads: ClassVar[tuple[str, ...]] = ("batch_size",)

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
        kind = NETWORKS[self.model.network].Settings
        shape = settings(kind, self.model.settings, "models: settings")
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

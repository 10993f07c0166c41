"""Class-balanced batches: P classes x K clips (Hermans et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def balanced_batches(
    classes: np.ndarray, per_batch: int, per_class: int, seed: int, epoch: int
) -> Iterator[np.ndarray]:
    """Yield the batches of one epoch, each (n,) rows into ``classes``.

    A batch has ``per_batch`` classes with ``per_class`` clips each. With fewer classes the batch
    keeps its size and each class has more clips. An epoch has as many batches as the clips fill;
    each class goes through its clips in random order and begins again when they are used up, so
    rare classes are seen as often as common ones.

    Args:
        classes: (N,) class of each training clip, 0 or more.
        per_batch: classes a batch, P.
        per_class: clips a class, K.
        seed, epoch: decide the order; nothing else does, so an epoch can be repeated exactly.
    """
    random = np.random.default_rng([seed, epoch])
    rows = [np.flatnonzero(classes == one) for one in np.unique(classes)]
    chosen = min(per_batch, len(rows))
    each = per_batch * per_class // chosen
    decks = [_Deck(own, random) for own in rows]
    order = _Deck(np.arange(len(rows)), random)
    for _ in range(max(1, round(len(classes) / (chosen * each)))):
        yield np.concatenate([decks[one].draw(each) for one in order.draw_distinct(chosen)])


class _Deck:
    """Rows in random order, shuffled anew when they are used up."""

    def __init__(self, rows: np.ndarray, random: np.random.Generator) -> None:
        self._rows, self._random = rows, random
        self._left = random.permutation(rows)

    def draw(self, count: int) -> np.ndarray:
        """Take ``count`` rows."""
        taken = []
        while count > 0:
            if not len(self._left):
                self._left = self._random.permutation(self._rows)
            part, self._left = self._left[:count], self._left[count:]
            taken.append(part)
            count -= len(part)
        return np.concatenate(taken)

    def draw_distinct(self, count: int) -> np.ndarray:
        """Take ``count`` rows that are all different; ``count`` is at most their number."""
        if len(self._left) < count:
            self._left = self._random.permutation(self._rows)
        return self.draw(count)

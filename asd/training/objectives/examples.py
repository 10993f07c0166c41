"""What a classifying objective draws from."""

from __future__ import annotations

import numpy as np
import torch

from asd.errors import UsageError
from asd.training.data import StoredClips
from asd.training.labels import Labels
from asd.training.transforms import TRANSFORMS, transformed

# Keeps the phases of the ripples apart from the order of the examples, which has the same seed.
_PHASES = 1


class Examples:
    """The clips; or, where they have one class, each of them as every transformation of itself.

    Args:
        clips: the training clips, N.
        labels: their classes.
        seed, epoch: decide how clips are transformed.

    Attributes:
        classes: (M,) the primary class of each example; M is N, or a multiple of it.
    """

    def __init__(self, clips: StoredClips, labels: Labels, seed: int, epoch: int) -> None:
        self._clips = clips
        self._transforming = labels.task == "transformations"
        if self._transforming and set(clips.spectra) == set(clips.shapes):
            raise UsageError(
                f"{clips.machine}: its clips are of one class, so a model learns from ripples of"
                f" their level, which {' + '.join(clips.shapes)} cannot have; give the model a"
                " feature with a time axis too, such as logmel"
            )
        self._random = np.random.default_rng([seed, epoch, _PHASES])
        self.classes = (
            np.repeat(np.arange(len(TRANSFORMS)), len(clips))
            if self._transforming
            else labels.primary
        )

    def rows(self, drawn: np.ndarray) -> np.ndarray:
        """Return the clip (n,) that each of the examples ``drawn`` (n,) is made of."""
        return drawn % len(self._clips)

    def read(self, drawn: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the features (n, ...) of the examples ``drawn`` (n,), float32, by name."""
        inputs = self._clips.batch(self.rows(drawn))
        if not self._transforming:
            return inputs
        # The spectrum of a whole clip is nearly the same with a ripple and without.
        still = {name: inputs.pop(name) for name in self._clips.spectra}
        changed = transformed(inputs, self.classes[drawn], self._random, self._clips.decibels)
        return changed | still

    def targets(self, drawn: np.ndarray) -> torch.Tensor:
        """Return the primary classes (n,) of the examples ``drawn`` (n,), int64."""
        return torch.from_numpy(self.classes[drawn].astype(np.int64))

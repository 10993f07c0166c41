"""The classifier's own doubt that a clip is of its section (the paper's Eq. 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asd.errors import UsageError
from asd.scoring.base import Scorer, SectionModel, Training


class Posterior(Scorer):
    """Score log((1 - p) / p), p being the softmax output for the correct class (Eq. 6).

    The correct classes of a section are those that its training clips have. Where a section has
    several (one for each combination of attributes), a normal clip is in one operating state, not
    in all of them: p is that of the most likely one. Their sum would be 1 for every clip of a
    machine with one section.

    ``logits`` are (N, C), or (N, W, C) for a network that looks at W windows of a clip; then the
    score of a class is the mean over the windows (the MobileNetV2 baseline of Table VI).

    The training scores are those of clips that the network was trained on: leaving one out would
    mean training again, so they are lower than those of unseen normal clips.
    """

    needs: Mapping[str, tuple[int, ...]] = {"logits": (2, 3)}
    compares = False

    def fit_section(self, training: Training) -> SectionModel:
        """Find the classes of the section.

        Raises:
            UsageError: the model tells no classes apart, or the section's clips have none.
        """
        logits = training.arrays["logits"]
        count = logits.shape[-1]
        if count < 2:
            raise UsageError(
                f"section {training.section}: scorer 'posterior' needs a model of two classes or"
                f" more, not {count}; use a scorer that reads the embedding, such as 'cosine'"
            )
        classes = np.unique(training.classes[training.classes >= 0])
        if not classes.size or classes[-1] >= count:
            raise UsageError(
                f"section {training.section}: its training clips have classes"
                f" {classes.tolist()}, the model has {count} logits; run 'asd embed' again"
            )
        return Doubt(classes)


@dataclass(frozen=True)
class Doubt:
    classes: np.ndarray

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        odds = log_odds_against(outputs["logits"])[..., self.classes]
        if odds.ndim == 3:
            odds = odds.mean(axis=1)
        return odds.min(axis=-1)


def log_odds_against(logits: np.ndarray) -> np.ndarray:
    """Return log((1 - p_c) / p_c) of each class c, exact for any finite logits.

    It is the log-sum-exp of the other logits less the logit itself; going through p would round
    to 0 or 1 and overflow.

    Args:
        logits: (..., C) with C > 1.

    Returns:
        (..., C) float64.
    """
    values = logits.astype(np.float64)
    largest = values.argmax(axis=-1, keepdims=True)
    shift = np.take_along_axis(values, largest, axis=-1)
    powers = np.exp(values - shift)
    # The largest contributes 1 to the sum over the others, so nothing cancels but for itself.
    rest = powers.sum(axis=-1, keepdims=True) - powers
    np.put_along_axis(rest, largest, 1.0, axis=-1)
    others = shift + np.log(np.maximum(rest, 1.0))
    runners_up = values.copy()
    np.put_along_axis(runners_up, largest, -np.inf, axis=-1)
    second = runners_up.max(axis=-1, keepdims=True)
    summed = second + np.log(np.exp(runners_up - second).sum(axis=-1, keepdims=True))
    np.put_along_axis(others, largest, summed, axis=-1)
    return others - values


Posterior.Fitted = Doubt

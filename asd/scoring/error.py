"""The reconstruction error of an autoencoder as the anomaly score (the paper's Table VI)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asd.scoring.base import Scorer, SectionModel, Training


class Error(Scorer):
    """Take the array ``error`` (N,) as the score, as it is.

    The training scores are the errors of the clips that the network was trained on: leaving one
    out would mean training again, so they are lower than those of unseen normal clips.
    """

    needs: Mapping[str, tuple[int, ...]] = {"error": (1,)}
    compares = False

    def fit_section(self, training: Training) -> SectionModel:
        """There is nothing to fit."""
        return Errors()


@dataclass(frozen=True)
class Errors:
    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return outputs["error"].astype(np.float64)


Error.Fitted = Errors

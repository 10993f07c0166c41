"""The models of a system side by side: features computed once, outputs of each model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from asd.clips.audio import Signal
from asd.config import EmbedConfig, settings
from asd.detection.embedder import Embedder
from asd.detection.layout import Layout
from asd.errors import JobError
from asd.features import Extractor
from asd.scoring.bank import Bank, read_bank

Outputs = Mapping[str, Mapping[str, np.ndarray]]
"""By model, what it gives for clips: (n, ...) by name."""


class Ensemble:
    """One model or more that hear the same clips.

    Args:
        embedders: by model.

    Attributes:
        signal: the form of the clips.
        extractors: of all features that the models read, by name.

    Raises:
        JobError: the models were trained on clips of another form, or on other features of one
            name.
    """

    def __init__(self, embedders: Mapping[str, Embedder]) -> None:
        self.embedders = dict(embedders)
        first, one = next(iter(self.embedders.items()))
        self.signal: Signal = one.signal
        self.extractors: dict[str, Extractor] = {}
        for model, embedder in self.embedders.items():
            if embedder.signal != self.signal:
                raise JobError(
                    f"models {first} and {model} were trained on clips of another length or rate;"
                    " run 'asd train' and 'asd embed' again"
                )
            for name, extractor in embedder.extractors.items():
                known = self.extractors.setdefault(name, extractor)
                if known.recipe != extractor.recipe:
                    raise JobError(
                        f"models {first} and {model} were trained on other kinds of {name};"
                        " run 'asd train' and 'asd embed' again"
                    )

    def features(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the features (n, ...) of canonical clips (n, L) int16, by name."""
        known: dict[str, np.ndarray] = {}
        found: dict[str, np.ndarray] = {}
        for embedder in self.embedders.values():
            found |= embedder.features(clips, known)
        return found

    def outputs(self, features: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
        """Run every model over features (n, ...) by name."""
        return {
            model: embedder.outputs({name: features[name] for name in embedder.extractors})
            for model, embedder in self.embedders.items()
        }


def rows_of(outputs: Outputs, rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Return some of the clips of outputs."""
    return {
        model: {name: values[rows] for name, values in arrays.items()}
        for model, arrays in outputs.items()
    }


def load_pair(layout: Layout, model: str) -> tuple[Bank, Embedder]:
    """Load the bank of a model, and the model that it was made by.

    Raises:
        UsageError: one of them is missing.
        JobError: one of them is damaged, or they do not belong together.
    """
    path = layout.bank(model)
    bank = read_bank(path)
    config = settings(EmbedConfig, bank.provenance.get("params", {}), str(path))
    embedder = Embedder.load(layout.model(model), config, layout.params.features, layout.root)
    if bank.provenance.get("model") != embedder.trained.digest:
        folder = layout.model(model)
        raise JobError(f"{path}: made by another model than {folder}; run 'asd embed' again")
    if bank.provenance.get("machine") != layout.machine:
        of = bank.provenance.get("machine")
        raise JobError(f"{path}: a bank of machine {of}; run 'asd embed' again")
    return bank, embedder

"""Trained models with the extractors of their features: from clips to outputs, with no store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asd.clips.audio import Signal
from asd.config import EmbedConfig
from asd.device import choose_compute
from asd.digest import canonical_json
from asd.errors import JobError
from asd.features import EXTRACTORS, Extractor, build_extractor
from asd.features.base import placement
from asd.scoring.scored import FittedDetector
from asd.training.artifact import load_model
from asd.training.embedding import outputs_of
from asd.workspace import Workspace

# One clip alone is multiplied by other kernels than a batch, and gets other last bits than the
# pipeline gave it; from four on they are the same ones (measured on CPUs with and without AMX).
LEAST_BATCH = 4


class Embedder:
    """A trained model, loaded once, its extractors rebuilt from the recipes of its training.

    Args:
        record: of the model.
        machine: whose clips it is given.
        config: batch size, device and precision.
        features: the section ``features`` of the params; only what no recipe tells is read, the
            place of a checkpoint.
        root: the project's folder, which such places are relative to.

    Attributes:
        trained: the model.
        extractors: of its features, by name.
        signal: the form of the clips that it hears.

    Raises:
        UsageError: no such model, or a checkpoint is missing.
        JobError: the model is damaged, or an extractor no longer does what it did.
    """

    def __init__(
        self,
        record: Path,
        machine: str,
        config: EmbedConfig,
        features: Mapping[str, Mapping[str, Any]],
        root: Path,
    ) -> None:
        self.trained = load_model(record)
        self.extractors = {
            feature: _rebuild(feature, recipe, features.get(feature, {}), root)
            for feature, recipe in self.trained.request.recipes_of(machine).items()
        }
        self.signal: Signal = next(iter(self.extractors.values())).signal
        self._compute = choose_compute(config.device, config.precision, "embed")
        self._network = self.trained.network.to(self._compute.device).eval()
        self._size = config.batch_size

    def outputs(self, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network over features (n, ...): outputs (n, ...) float32 by name."""
        found: dict[str, list[np.ndarray]] = {}
        count = len(next(iter(features.values())))
        for rows, kept in _blocks(count, self._size):
            inputs = {name: torch.from_numpy(v[rows]).float() for name, v in features.items()}
            for name, values in outputs_of(self._network, inputs, self._compute).items():
                found.setdefault(name, []).append(values[:kept])
        return {name: np.concatenate(parts) for name, parts in found.items()}


class Ensemble:
    """One model or more that hear the same clips.

    Args:
        embedders: by model.

    Attributes:
        signal: the form of the clips.
        extractors: of all features that the models read, by name.

    Raises:
        JobError: the models hear clips of another form or channel, or read other features of one
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
                    f"models {first} and {model} hear clips of another length, rate or channel:"
                    " recordings are given to systems of one channel; after other changes run"
                    " 'asd train' and 'asd embed' again"
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
        return {name: in_batches(one, clips) for name, one in self.extractors.items()}

    def outputs(self, features: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
        """Run every model over features (n, ...) by name."""
        return {
            model: embedder.outputs({name: features[name] for name in embedder.extractors})
            for model, embedder in self.embedders.items()
        }


def _rebuild(
    feature: str, recipe: Mapping[str, Any], values: Mapping[str, Any], root: Path
) -> Extractor:
    kind = EXTRACTORS[recipe["extractor"]]
    own = {"extractor": recipe["extractor"], **recipe["config"], **placement(kind, values, root)}
    extractor = build_extractor(EXTRACTORS, feature, own, Signal(**recipe["signal"]))
    if canonical_json(extractor.recipe) != canonical_json(recipe):
        what = next(key for key, value in extractor.recipe.items() if value != recipe.get(key))
        raise JobError(
            f"feature '{feature}' is computed otherwise than when the model was trained (another"
            f" {what}); run 'asd extract' and 'asd train' again"
        )
    return extractor


def _blocks(count: int, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the rows of each batch and how many of them count; the first fills up a short one."""
    for start in range(0, count, size):
        kept = min(size, count - start)
        width = min(size, max(LEAST_BATCH, 1 << (kept - 1).bit_length()))
        rows = np.arange(start, start + width)
        yield np.where(rows < start + kept, rows, start), kept


def in_batches(extractor: Extractor, clips: np.ndarray) -> np.ndarray:
    """Compute rows (n, ...) of canonical clips (n, L) int16, batch by batch."""
    parts = [
        extractor(clips[rows])[:kept] for rows, kept in _blocks(len(clips), extractor.batch_size)
    ]
    return np.concatenate(parts)


def load_ensemble(workspace: Workspace, *detectors: FittedDetector) -> Ensemble:
    """Load the models that detectors of a machine compare the outputs of.

    Raises:
        UsageError: a model or a checkpoint is missing.
        JobError: a model is damaged, or is not the one that a detector was made with.
    """
    features, embedders = workspace.params.features, dict[str, Embedder]()
    for detector in detectors:
        for model, made_by in detector.models.items():
            path = workspace.model_record(model, detector.machine)
            if model not in embedders:
                embedders[model] = Embedder(
                    path, detector.machine, made_by.embed, features, workspace.root
                )
            if embedders[model].trained.digest != made_by.digest:
                raise JobError(
                    f"{path.parent}: another model than the one whose clips were scored;"
                    " run 'asd embed' and 'asd score' again"
                )
    return Ensemble(embedders)

"""The features of a training clip, from its recording or, where that is gone, from the store."""

from __future__ import annotations

import numpy as np

from asd.clips.audio import read_windows
from asd.clips.record import read_index
from asd.detection.ensemble import Ensemble
from asd.detection.layout import Layout
from asd.errors import AsdError
from asd.features import Extractor
from asd.scoring.bank import Bank
from asd.store import FeatureStore, Shard
from asd.store.digest import sha256_json


def training_features(
    layout: Layout, embedder: Ensemble, view: Extractor, bank: Bank, row: int
) -> tuple[dict[str, np.ndarray], np.ndarray] | None:
    """Return what the network reads of a training clip, and the log-mel to show.

    Args:
        layout: the project and machine.
        embedder: the models, with their extractors.
        view: the extractor of the log-mel to show.
        bank: the bank.
        row: of the clip in the bank.

    Returns:
        Features (1, ...) by name and the log-mel (F, T) float16; None where neither the recording
        nor the store has them.
    """
    wave = _wave(layout, embedder, bank.content[row])
    if wave is not None:
        return embedder.features(wave), view(wave)[0]
    stored = {
        name: _stored(layout, name, extractor, bank, row)
        for name, extractor in embedder.extractors.items()
    }
    if any(values is None for values in stored.values()):
        return None
    features = {name: values for name, values in stored.items() if values is not None}
    for name, extractor in embedder.extractors.items():
        if extractor.name == "wave":
            return features, view(features[name])[0]
        if extractor.recipe == view.recipe:
            return features, features[name][0]
    return None


def _wave(layout: Layout, embedder: Ensemble, content: str) -> np.ndarray | None:
    """Read the clip (1, L) of the digest ``content``, if the index finds it."""
    try:
        clips = read_index(layout.index)
        clip = next(clip for clip in clips if clip.usable and clip.content == content)
        path = layout.raw / clip.path
        return read_windows(path, embedder.signal, (clip.start,), clip.digest)
    except (AsdError, StopIteration):
        return None


def _stored(
    layout: Layout, feature: str, extractor: Extractor, bank: Bank, row: int
) -> np.ndarray | None:
    """Read the row (1, ...) of a training clip from the store, if it is there."""
    path = FeatureStore(layout.features).path(layout.machine, feature, bank.section[row], "train")
    try:
        shard = Shard.open(path)
        found = shard.column("content").index(bank.content[row])
    except (AsdError, ValueError):
        return None
    if shard.digest != sha256_json(extractor.recipe):
        return None
    return np.array(shard.features[found : found + 1])

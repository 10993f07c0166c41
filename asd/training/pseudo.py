"""Pseudo-labels: what stands for the attributes of clips whose names hide them.

The embeddings of a training-free model (:mod:`asd.models.pooling`) are clustered by k-means, each
machine's and section's for themselves, source clips alone: a cluster then counts as an operating
state. Target clips, which are few, stay one class. (An entry of 2025 did so on its own encoder's
embeddings, with k about 0.8 % of the clips.)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from asd.config import PseudoLabels, settings
from asd.errors import JobError, UsageError
from asd.models import NETWORKS, kind_of
from asd.store import FeatureStore
from asd.training.data import StoredClips

_LEAST = 2  # clusters; one would tell nothing
_TOGETHER = 64


def attributes_of(clips: StoredClips, store: FeatureStore, rule: PseudoLabels | None) -> list[str]:
    """Return the attributes (N,) of training clips, pseudo-labels where a section has none.

    Args:
        clips: the training clips of a machine, or of several.
        store: where the features of the model that is clustered lie.
        rule: how clips are clustered; None leaves the attributes as they are.

    Raises:
        UsageError: the model learns, has no such embedding, or its features are not in the store.
        JobError: its features hold other clips.
    """
    attributes = list(clips.table.attributes)
    if rule is None:
        return attributes
    sections = list(zip(clips.machines, clips.table.section, strict=True))
    for section in sorted(set(sections)):
        rows = [row for row, of in enumerate(sections) if of == section]
        source = [row for row in rows if clips.table.domain[row] != "target"]
        if len(source) > _LEAST and not any(attributes[row] for row in rows):
            for row, number in zip(source, _clusters(clips, store, rule, source), strict=True):
                attributes[row] = f"pseudo={number}"
    return attributes


def inputs(
    store: FeatureStore, machine: str | Sequence[str], rule: PseudoLabels | None
) -> dict[str, dict[str, str]]:
    """Return the identities of the shards that are clustered, by feature and section."""
    if rule is None:
        return {}
    return StoredClips(store, machine, rule.features, "train").identities


def clusters(count: int, share: float) -> int:
    """Return how many clusters so many source clips have: a share of them, two at least."""
    return max(_LEAST, round(share * count))


def _clusters(
    clips: StoredClips, store: FeatureStore, rule: PseudoLabels, rows: Sequence[int]
) -> list[int]:
    machine = clips.machines[rows[0]]
    own = StoredClips(store, machine, rule.features, "train")
    place = {
        key: row for row, key in enumerate(zip(own.table.section, own.table.name, strict=True))
    }
    chosen = [place.get((clips.table.section[row], clips.table.name[row]), -1) for row in rows]
    contents = [own.table.content[row] for row in chosen]
    if -1 in chosen or contents != [clips.table.content[row] for row in rows]:
        raise JobError(
            f"{store.root / machine}: {rule.features[0]} holds other training clips than the model"
            f" reads; run 'asd extract --machine {machine}'"
        )
    identities = json.dumps(own.identities, sort_keys=True)
    text = rule.model_dump_json()
    return list(_of_store(str(store.root), machine, text, identities, tuple(chosen)))


@lru_cache(64)  # plans ask again and again
def _of_store(
    root: str, machine: str, rule: str, identities: str, rows: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the cluster (n,) of each of some training clips of a machine."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    one = PseudoLabels.model_validate_json(rule)
    clips = StoredClips(FeatureStore(Path(root)), machine, one.features, "train")
    points = _embeddings(clips.only(np.array(rows)), one)
    points = (points - points.mean(axis=0)) / (points.std(axis=0) + 1e-6)
    count = min(clusters(len(points), one.share), len(points))
    with threadpool_limits(1):  # sums would depend on the number of threads
        found = KMeans(count, n_init=4, random_state=0).fit_predict(points)
    return tuple(int(number) for number in found)


def _embeddings(clips: StoredClips, rule: PseudoLabels) -> np.ndarray:
    """Return an embedding (N, D) float64 of a training-free model."""
    import torch

    kind = NETWORKS[rule.network]
    if kind_of(rule.network) != "pooling":
        raise UsageError(f"pseudo.model: '{rule.model}' learns; name one whose network is pooled")
    network = kind(
        shapes=clips.shapes,
        classes=0,
        attributes=0,
        settings=settings(kind.Settings, rule.settings, "pseudo.model: settings"),
    ).eval()
    found = []
    with torch.inference_mode():
        for start in range(0, len(clips), _TOGETHER):
            rows = np.arange(start, min(start + _TOGETHER, len(clips)))
            outputs = network(clips.batch(rows))._asdict()
            if rule.embedding not in outputs:
                known = ", ".join(outputs)
                raise UsageError(
                    f"pseudo.embedding: '{rule.model}' gives none of the name"
                    f" '{rule.embedding}'; known: {known}"
                )
            found.append(outputs[rule.embedding].numpy())
    return np.concatenate(found).astype(np.float64)

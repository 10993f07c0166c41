"""Reference sets: what a test clip is compared with, made of a section's training clips.

One set, or one for the source and one for the target domain; target clips may be multiplied (SMOTE,
MemMixup), source clips replaced by k-means centroids (BEYOND the paper's Eq. 7, which compares with
every training clip of the section). The domains are those of training clips; where a section has
no clip of the target domain, or none of another, there is one set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from asd.config import Positive, Settings
from asd.scoring.distances import Space, blocks, nearest

Count = Annotated[int, Field(ge=0)]


class ReferenceSettings(Settings):
    """How reference sets are made.

    Attributes:
        banks: ``one`` set, or ``two``: one a domain, the score being the minimum over both.
        smote_ratio: target clips wanted, as a share of the source clips; 0 makes none.
        smote_neighbours: how many nearest target clips a synthetic one may lie towards.
        memmixup: how many nearest source clips are mixed into each target clip; 0 for none.
        memmixup_share: the share of the target clip in a mixture.
        seed: of whatever is drawn at random.
    """

    banks: Literal["one", "two"] = "one"
    smote_ratio: float = Field(0.0, ge=0, le=1)
    smote_neighbours: Positive = 2
    memmixup: Count = 0
    memmixup_share: float = Field(0.9, gt=0, lt=1)
    seed: Count = 0


@dataclass(frozen=True)
class Rows:
    """Embeddings to compare with.

    Attributes:
        values: (M, D), the source clips first; float64 where some are made of others.
        sources: how many rows are source clips.
    """

    values: np.ndarray
    sources: int


def reference_rows(
    embedding: np.ndarray, domains: np.ndarray, space: Space, config: ReferenceSettings
) -> list[Rows]:
    """Return the one or two sets of rows that a section's clips are compared with.

    Args:
        embedding: (N, D) of the training clips.
        domains: (N,) their domains; what is not ``"target"`` counts as source.
        space: where the neighbours of a clip are looked for; mixtures are made of the
            embeddings themselves.
    """
    target = np.flatnonzero(domains == "target")
    source = np.flatnonzero(domains != "target")
    # A section of one domain is all of them, and not copied.
    parts = [embedding if len(of) == len(embedding) else embedding[of] for of in (source, target)]
    if len(target) and len(source):
        wanted = int(config.smote_ratio * len(source)) - len(target)
        parts += [
            smote(embedding, target, wanted, space, config),
            memmixup(embedding, target, source, space, config),
        ]
    if config.banks == "one" or not len(target) or not len(source):
        return [_joined(parts, len(source))]
    return [_joined(parts[:1], len(source)), _joined(parts[1:], 0)]


def smote(
    values: np.ndarray, target: np.ndarray, wanted: int, space: Space, config: ReferenceSettings
) -> np.ndarray:
    """Make ``wanted`` clips, each at random between a target clip and one of its nearest ones.

    Args:
        values: (N, D) embeddings of the training clips.
        target: the target clips among them, (T,).

    Returns:
        The synthetic embeddings (S, D); none where T < 2.
    """
    if wanted < 1 or len(target) < 2:
        return values[:0]
    values = values.astype(np.float64)
    draw = np.random.default_rng(config.seed)
    mapped = space.map(values[target])
    apart = space.between(mapped, mapped)
    np.fill_diagonal(apart, np.inf)
    neighbours = min(config.smote_neighbours, len(target) - 1)
    # In order of distance, so that what is drawn does not depend on how they were found.
    near = np.argsort(apart, axis=1, kind="stable")[:, :neighbours]
    first = draw.integers(len(target), size=wanted)
    second = near[first, draw.integers(neighbours, size=wanted)]
    share = draw.random(wanted)[:, None]
    start = values[target[first]]
    return start + share * (values[target[second]] - start)


def memmixup(
    values: np.ndarray,
    target: np.ndarray,
    source: np.ndarray,
    space: Space,
    config: ReferenceSettings,
) -> np.ndarray:
    """Mix each target clip t with its nearest source clips s: 0.9 t + 0.1 s.

    Args:
        values: (N, D) embeddings of the training clips.
        target: the target clips among them, (T,).
        source: the source clips among them, (S,).

    Returns:
        The mixtures (T * k, D), k = min(memmixup, S).
    """
    count = min(config.memmixup, len(source))
    if not count:
        return values[:0]
    values = values.astype(np.float64)
    mapped, points = space.map(values[target]), space.map(values[source])
    near = np.concatenate(
        [
            np.sort(nearest(space.between(mapped[block], points), count), axis=1)
            for block in blocks(len(target), len(source))
        ]
    )
    share = config.memmixup_share
    mixed = share * values[np.repeat(target, count)]
    mixed += (1 - share) * values[source[near.ravel()]]
    return mixed


def _joined(parts: list[np.ndarray], sources: int) -> Rows:
    there = [part for part in parts if len(part)]
    return Rows(there[0] if len(there) == 1 else np.concatenate(there), sources)

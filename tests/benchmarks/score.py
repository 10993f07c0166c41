"""Scoring 4,200 test clips against a bank of 21,000 rows, section by section.

Ours: the ``cosine`` scorer (the paper's Eq. 7) as ``asd score`` runs it, from banks in memory to
scores: fitted to 42 sections of 500 training clips, then 100 test clips of each section against the
clips of their own section, in double precision. Peers: the nearest of all 21,000 rows, which is
what one writes first: a flat faiss index of inner products over rows of length 1, and
scikit-learn's brute-force NearestNeighbors with the cosine distance, both fitted and asked within
the measured time, in single precision. They find the nearest clip of *any* section, which is not
the method's score but never farther; ours is compared with a plain computation of each section, the
peers with each other and as a lower bound of ours.

One thread each: ours takes no more by design, so that the last bits of a score do not depend on the
machine. What faiss takes on all cores is in the notes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.base import Bound, Result, fastest
from tests.benchmarks.material import section_keys

BOUNDS = (
    Bound("faiss, flat", at_least=10.0, aim=20.0),
    Bound("scikit-learn, brute force", at_least=10.0, aim=20.0),
)
SECTIONS, TRAIN, TEST, DIMENSIONS, ROUNDS = 42, 500, 100, 128, 5


def run(scratch: Path) -> Result:
    """Score the same clips on all sides."""
    import faiss
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    from asd.scoring import build

    train, test = _bank(TRAIN, "train", 0), _bank(TEST, "test", 1)
    bank, clips = train.arrays["embedding"], test.arrays["embedding"]

    def ours() -> np.ndarray:
        return build("cosine", {}).fit(train).score(test.arrays, test.clips.section)

    def flat() -> np.ndarray:
        index = faiss.IndexFlatIP(DIMENSIONS)
        index.add(_unit(bank))
        return 1.0 - index.search(_unit(clips), 1)[0][:, 0]

    def brute() -> np.ndarray:
        search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric="cosine")
        return search.fit(bank).kneighbors(clips)[0][:, 0]

    _check(ours(), flat(), brute(), train, test)
    with threadpool_limits(limits=1):
        taken = fastest({"ours": ours, BOUNDS[0].peer: flat, BOUNDS[1].peer: brute}, ROUNDS)
    taken = {name: 1000 * value for name, value in taken.items()}
    mine = taken.pop("ours")
    cores = len(os.sched_getaffinity(0))
    everywhere = 1000 * fastest({"faiss": flat}, ROUNDS)["faiss"]
    return Result(
        name="score",
        work=f"{SECTIONS * TEST:,} clips against {SECTIONS * TRAIN:,} rows of {DIMENSIONS}",
        unit="ms",
        ours=mine,
        peers=taken,
        ratios={name: value / mine for name, value in taken.items()},
        bounds=BOUNDS,
        notes=f"one thread each; faiss takes {everywhere:.0f} ms on all {cores} cores",
    )


def _bank(each: int, split: str, seed: int) -> Any:
    """Return a bank of ``each`` clips a section, scattered around that section's centre."""
    from asd.clip_table import ClipTable
    from asd.scoring.bank import Bank

    keys = section_keys(SECTIONS)
    centres = np.random.default_rng(9).normal(size=(SECTIONS, 1, DIMENSIONS))
    scatter = np.random.default_rng(seed).normal(size=(SECTIONS, each, DIMENSIONS))
    names = [f"{split}_{number:05d}.wav" for number in range(SECTIONS * each)]
    # Sections of different machines are apart here, as one bank holds those of one machine.
    section = [f"{machine}_{number}" for machine, number in keys for _ in range(each)]
    rows = (centres + scatter).reshape(-1, DIMENSIONS).astype(np.float32)
    clips = ClipTable.of_columns({"name": names, "recording": names, "section": section})
    return Bank(clips, np.zeros(len(names), np.int32), {"embedding": rows})


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _check(ours: np.ndarray, flat: np.ndarray, brute: np.ndarray, train: Any, test: Any) -> None:
    bank = _unit(train.arrays["embedding"].astype(np.float64)).reshape(SECTIONS, TRAIN, -1)
    clips = _unit(test.arrays["embedding"].astype(np.float64)).reshape(SECTIONS, TEST, -1)
    plain = 1.0 - np.einsum("std,snd->stn", clips, bank, optimize=True).max(axis=2)
    np.testing.assert_allclose(ours, plain.ravel(), atol=1e-12)
    np.testing.assert_allclose(flat, brute, atol=2e-6)
    assert (flat <= ours + 2e-6).all()

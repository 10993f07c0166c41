"""Banks of random clips for the scoring tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from asd.scoring.bank import Bank

MakeBank = Callable[..., Bank]


@pytest.fixture(scope="session")
def make_bank() -> MakeBank:
    """Return a function that makes a bank.

    Its arguments: ``clips`` maps a section to its numbers of source and target clips; rows are
    shuffled. Class c of a section's clips is one of its own two classes. ``embedding`` (N, D)
    replaces the random one.
    """

    def make(
        clips: Mapping[str, tuple[int, int]],
        dimensions: int = 5,
        seed: int = 0,
        embedding: np.ndarray | None = None,
    ) -> Bank:
        draw = np.random.default_rng(seed)
        rows = [
            (section, domain, 2 * number + clip % 2)
            for number, (section, (source, target)) in enumerate(clips.items())
            for clip, domain in enumerate(["source"] * source + ["target"] * target)
        ]
        rows = [rows[i] for i in draw.permutation(len(rows))]
        count = len(rows)
        if embedding is None:
            shift = np.array([domain == "target" for _, domain, _ in rows])[:, None]
            embedding = draw.normal(size=(count, dimensions)) + 1.5 * shift + 0.3
        return Bank(
            name=tuple(f"clip_{i:04d}.wav" for i in range(count)),
            section=tuple(section for section, _, _ in rows),
            domain=tuple(domain for _, domain, _ in rows),
            label=("normal",) * count,
            attributes=tuple(f"vel={i % 3};f-n=ä" for i in range(count)),
            content=tuple(f"{i:064x}" for i in range(count)),
            classes=np.array([label for _, _, label in rows], np.int32),
            arrays={
                "embedding": embedding.astype(np.float32),
                "logits": draw.normal(size=(count, 2 * len(clips)), scale=4).astype(np.float32),
                "error": draw.gamma(2.0, size=count).astype(np.float32),
            },
            provenance={"model": "a" * 64, "seed": 1, "inputs": {"train": "b" * 64}},
        )

    return make

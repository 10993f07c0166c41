"""Banks of random clips for the scoring tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from asd.clip_table import COLUMNS, ClipTable
from asd.scoring.bank import Bank

MakeBank = Callable[..., Bank]
Changed = Callable[..., Bank]


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
        names = [f"clip_{i:04d}.wav" for i in range(count)]
        clips_of = ClipTable.of_columns(
            {
                "name": names,
                "recording": names,
                "section": [section for section, _, _ in rows],
                "split": ["train"] * count,
                "domain": [domain for _, domain, _ in rows],
                "label": ["normal"] * count,
                "attributes": [f"vel={i % 3};f-n=ä" for i in range(count)],
                "content": [f"{i:064x}" for i in range(count)],
            }
        )
        return Bank(
            clips=clips_of,
            classes=np.array([label for _, _, label in rows], np.int32),
            arrays={
                "embedding": embedding.astype(np.float32),
                "logits": draw.normal(size=(count, 2 * len(clips)), scale=4).astype(np.float32),
                "level": draw.normal(size=(count, 1), scale=3).astype(np.float32),
                "error": draw.gamma(2.0, size=count).astype(np.float32),
            },
        )

    return make


@pytest.fixture(scope="session")
def changed() -> Changed:
    """Return a function that gives a bank with other columns (N,) of clips, by name."""

    def change(bank: Bank, **columns: Sequence[object]) -> Bank:
        clips = {column: bank.clips.column(column) for column in COLUMNS}
        return replace(bank, clips=ClipTable.of_columns({**clips, **columns}))

    return change


@pytest.fixture(scope="session")
def only() -> Callable[[Bank, np.ndarray], Bank]:
    """Return a function that gives some clips of a bank, by a mask or by their numbers."""

    def choose(bank: Bank, rows: np.ndarray) -> Bank:
        arrays = {name: values[rows] for name, values in bank.arrays.items()}
        return Bank(bank.clips.only(rows), bank.classes[rows], arrays)

    return choose

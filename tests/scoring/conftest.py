"""Banks of random clips, and every scorer with settings that matter, for the scoring tests."""

from dataclasses import replace

import numpy as np
import pytest

from asd.clip_table import COLUMNS, ClipTable
from asd.scoring import SCORERS, build
from asd.scoring.bank import Bank

MANY = {"banks": "two", "smote_ratio": 0.5, "memmixup": 3}
CASES = [
    ("bands", {}),
    ("bands", {"share": 0.5, "floor": 0.0}),
    ("bands", {"share": 0.5, "level": "level"}),
    ("cosine", {}),
    ("error", {}),
    ("gmm", {}),
    ("gmm", {"components": 2, **MANY}),
    ("mahalanobis", {}),
    ("mahalanobis", MANY),
    ("neighbours", {"k": 3}),
    ("neighbours", {"distance": "standardised", "centroids": 4, **MANY}),
    ("neighbours", {"distance": "euclidean", "density": "ldn", "density_k": 2, **MANY}),
    ("neighbours", {"density": "varmin", "k": 2, **MANY}),
    ("neighbours", {"density": "ldn", "centroids": 4, "smote_ratio": 0.9}),
    ("posterior", {}),
    ("varmin", {}),
    ("varmin", {"k": 2, "distance": "cosine"}),
    ("varmin", {"distance": "cosine", "level": "level"}),
]
CASES += [(name, {}) for name in SCORERS if name not in dict(CASES)]


@pytest.fixture(scope="session")
def cases():
    """Return every scorer of the package, with settings that matter or its defaults, by name."""
    return CASES


@pytest.fixture(params=CASES, ids=[f"{name}{i}" for i, (name, _) in enumerate(CASES)])
def case(request):
    """Return one of the cases: the scorer's name, and its settings."""
    return request.param


@pytest.fixture
def scorer(case):
    """Return the scorer of one of the cases."""
    return build(*case)


@pytest.fixture(scope="session")
def make_bank():
    """Return a function that makes a bank.

    Its arguments: ``clips`` maps a section to its numbers of source and target clips; rows are
    shuffled. Class c of a section's clips is one of its own two classes. ``embedding`` (N, D)
    replaces the random one.
    """

    def make(clips, dimensions=5, seed=0, embedding=None):
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
def changed():
    """Return a function that gives a bank with other columns (N,) of clips, by name."""

    def change(bank, **columns):
        clips = {column: bank.clips.column(column) for column in COLUMNS}
        return replace(bank, clips=ClipTable.of_columns({**clips, **columns}))

    return change

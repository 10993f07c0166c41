"""Neighbour scores against loops written from the definitions."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from asd.scoring import build, distances
from asd.scoring.base import Training
from asd.scoring.neighbours import NeighbourModel
from asd.scoring.references import reference_rows

TOLERANCE = {"rtol": 1e-9, "atol": 1e-10}


def cosine(x, y):
    return float(1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def euclidean(x, y):
    return float(np.linalg.norm(x - y))


def density(points, y, k, apart):
    others = sorted(apart(points[y], point) for i, point in enumerate(points) if i != y)
    return float(np.mean(others[:k]))


def reference_score(x, points, config, apart, weight=0.0):
    """The score of one clip against one set of points, by the formulas."""
    d = [apart(x, y) for y in points]
    if config.density == "none":
        return float(np.mean(sorted(d)[: config.k]))
    around = [density(points, y, config.density_k, apart) for y in range(len(points))]
    if config.density == "ldn":
        return float(np.mean(sorted(np.array(d) / around)[: config.k]))
    near = np.argsort(d)[: config.k]
    return float(np.mean([np.log(d[y]) - weight * np.log(around[y]) for y in near]))


def fitted_to(bank, values):
    training = Training("00", bank.arrays, np.array(bank.clips.domain), bank.classes)
    model = build("neighbours", values).fit_section(training)
    assert isinstance(model, NeighbourModel)
    return model, model.config


def test_eq_7(make_bank):
    bank = make_bank({"00": (12, 3), "01": (9, 0)})
    test = make_bank({"00": (5, 2), "01": (3, 1)}, seed=1)
    scores = build("cosine", {}).fit(bank).score(test.arrays, test.clips.section)
    for i, section in enumerate(test.clips.section):
        x = test.arrays["embedding"][i].astype(np.float64)
        cosines = [
            1 - cosine(x, y.astype(np.float64))
            for y, of in zip(bank.arrays["embedding"], bank.clips.section, strict=True)
            if of == section
        ]
        assert scores[i] == pytest.approx(1 - max(cosines), **{"rel": 1e-9, "abs": 1e-12})


VARIANTS = [
    {},
    {"k": 3},
    {"k": 99},
    {"distance": "euclidean", "k": 2},
    {"density": "ldn"},
    {"density": "ldn", "density_k": 3, "k": 2},
    {"density": "ldn", "distance": "euclidean", "density_k": 2},
    {"density": "varmin"},
    {"density": "varmin", "density_k": 2, "k": 2, "distance": "euclidean"},
]


@pytest.mark.parametrize("more", [{}, {"smote_ratio": 0.6, "memmixup": 2}], ids=["clips", "more"])
@pytest.mark.parametrize("values", VARIANTS, ids=str)
def test_scores(make_bank, values, more):
    bank = make_bank({"00": (14, 5)})
    model, config = fitted_to(bank, {**values, **more})
    apart = cosine if config.distance == "cosine" else euclidean
    (rows,) = reference_rows(
        bank.arrays["embedding"], np.array(bank.clips.domain), model.space, config
    )
    points = rows.values.astype(np.float64)
    assert len(rows.values) == (19 if not more else 19 + 3 + 10)
    test = make_bank({"00": (6, 2)}, seed=1).arrays["embedding"].astype(np.float64)
    expected = [reference_score(x, list(points), config, apart, model.weight) for x in test]
    np.testing.assert_allclose(model.score({"embedding": test}), expected, **TOLERANCE)


def test_blocks_change_nothing(make_bank, monkeypatch):
    bank = make_bank({"00": (25, 8)})
    values = {"density": "ldn", "density_k": 2, "smote_ratio": 0.6, "k": 2}
    whole, _ = fitted_to(bank, values)
    test = make_bank({"00": (9, 4)}, seed=1).arrays
    expected = whole.score(test)
    monkeypatch.setattr(distances, "BLOCK", 64)
    parts, _ = fitted_to(bank, values)
    np.testing.assert_allclose(parts.score(test), expected, **TOLERANCE)


def test_two_banks_take_the_smaller_score(make_bank):
    bank = make_bank({"00": (12, 4)})
    test = make_bank({"00": (6, 4)}, seed=1).arrays["embedding"].astype(np.float64)
    for values in ({"k": 3}, {"k": 2, "density": "ldn"}):
        model, config = fitted_to(bank, {"banks": "two", **values})
        clips = bank.arrays["embedding"].astype(np.float64)
        sets = [clips[np.array(bank.clips.domain) == domain] for domain in ("source", "target")]
        expected = [
            min(reference_score(x, list(part), config, cosine) for part in sets) for x in test
        ]
        np.testing.assert_allclose(model.score({"embedding": test}), expected, **TOLERANCE)


@pytest.mark.parametrize("distance", ["cosine", "standardised"])
def test_centroids(make_bank, distance):
    bank = make_bank({"00": (40, 5)})
    model, _ = fitted_to(bank, {"centroids": 6, "distance": distance})
    clips, source = (
        bank.arrays["embedding"].astype(np.float64),
        np.array(bank.clips.domain) == "source",
    )
    if distance == "cosine":
        mapped = clips / np.linalg.norm(clips, axis=1, keepdims=True)
        # The centroid of directions is not made a direction again.
        apart = lambda x, y: float(1 - x @ y)  # noqa: E731
    else:
        mapped, apart = (clips - clips.mean(0)) / clips.std(0), euclidean
    kmeans = KMeans(6, n_init=4, random_state=0).fit(mapped[source])
    points = [*kmeans.cluster_centers_, *mapped[~source]]
    test = make_bank({"00": (6, 2)}, seed=1).arrays["embedding"].astype(np.float64)
    if distance == "cosine":
        queries = test / np.linalg.norm(test, axis=1, keepdims=True)
    else:
        queries = (test - clips.mean(0)) / clips.std(0)
    expected = [min(apart(x, y) for y in points) for x in queries]
    np.testing.assert_allclose(model.score({"embedding": test}), expected, **TOLERANCE)


def test_fewer_clips_than_centroids_are_kept(make_bank):
    bank = make_bank({"00": (6, 2)})
    test = make_bank({"00": (6, 0)}, seed=1).arrays
    np.testing.assert_array_equal(
        fitted_to(bank, {"centroids": 16})[0].score(test), fitted_to(bank, {})[0].score(test)
    )


def test_varmin_weight_minimises_the_variance(make_bank):
    # Two clusters of unlike density: only the normalisation makes their scores comparable.
    draw = np.random.default_rng(0)
    wide = draw.normal(size=(16, 4), scale=5)
    narrow = draw.normal(size=(16, 4), scale=0.1, loc=30)
    embedding = np.concatenate([wide, narrow])
    bank = make_bank({"00": (32, 0)}, embedding=embedding)
    model, config = fitted_to(bank, {"density": "varmin", "distance": "euclidean"})
    clips = bank.arrays["embedding"].astype(np.float64)

    def variance(weight):
        scores = [
            reference_score(
                clip, list(clips[np.arange(32) % 5 != i % 5]), config, euclidean, weight
            )
            for i, clip in enumerate(clips)
        ]
        return float(np.var(scores))

    assert 0.5 < model.weight < 1.2
    for other in (0.0, model.weight - 0.02, model.weight + 0.02, 1.0):
        assert variance(model.weight) <= variance(other) * (1 + 1e-9)


def test_duplicates_do_not_break_the_density(make_bank):
    embedding = np.random.default_rng(0).normal(size=(10, 4))
    embedding[3] = embedding[7] = embedding[1]
    bank = make_bank({"00": (10, 0)}, embedding=embedding)
    model, _ = fitted_to(bank, {"density": "ldn", "density_k": 2})
    assert model.score(bank.arrays).tolist() == [0.0] * 10
    far = model.score({"embedding": embedding[1:2] + 5})
    assert 0 < far[0] < 1e6

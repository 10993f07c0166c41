"""Synthetic reference clips: how many, where, and what they are made of."""

import numpy as np
import pytest

from asd.scoring.distances import Space
from asd.scoring.references import ReferenceSettings, reference_rows

SPACE = Space("euclidean")


def section(source, target, seed=0):
    draw = np.random.default_rng(seed)
    domains = draw.permutation(["source"] * source + ["target"] * target)
    return draw.normal(size=(source + target, 3)), domains


@pytest.mark.parametrize(("target", "made"), [(10, 30), (40, 0), (50, 0), (1, 0), (2, 38)])
def test_smote_fills_up_to_the_ratio(target, made):
    values, domains = section(200, target)
    (rows,) = reference_rows(values, domains, SPACE, ReferenceSettings(smote_ratio=0.2))
    assert len(rows.values) == 200 + target + made


def test_smote_lies_between_near_target_clips():
    values, domains = section(100, 8)
    config = ReferenceSettings(smote_ratio=0.5, smote_neighbours=2, banks="two")
    source, target = reference_rows(values, domains, SPACE, config)
    assert len(source.values) == 100
    index = np.flatnonzero(domains == "target")
    shares = []
    pairs = [
        (values[a], values[b] - values[a])
        for a in index
        for b in index[np.argsort(np.linalg.norm(values[index] - values[a], axis=1))[1:3]]
    ]
    for row in target.values[8:]:
        found = [(row - start) @ span / (span @ span) for start, span in pairs]
        beside = [
            np.linalg.norm(start + share * span - row)
            for (start, span), share in zip(pairs, found, strict=True)
        ]
        assert min(beside) < 1e-12
        shares.append(found[int(np.argmin(beside))])
    assert min(shares) >= 0
    assert max(shares) <= 1
    assert np.std(shares) > 0.2  # uniform on (0, 1) has 0.289


def test_seed_decides_what_is_drawn():
    values, domains = section(50, 5)
    first, again, other = (
        reference_rows(values, domains, SPACE, ReferenceSettings(smote_ratio=0.5, seed=seed))[0]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)


def test_memmixup():
    values, domains = section(20, 4)
    config = ReferenceSettings(memmixup=3, banks="two")
    _, target = reference_rows(values, domains, SPACE, config)
    source = np.flatnonzero(domains != "target")
    expected = []
    for clip in np.flatnonzero(domains == "target"):
        near = source[np.argsort(np.linalg.norm(values[source] - values[clip], axis=1))[:3]]
        expected += [0.9 * values[clip] + 0.1 * values[s] for s in sorted(near)]
    np.testing.assert_allclose(target.values[4:], expected, atol=1e-12)


def test_memmixup_of_more_than_there_are():
    values, domains = section(5, 2)
    (rows,) = reference_rows(values, domains, SPACE, ReferenceSettings(memmixup=99))
    assert len(rows.values) == 7 + 10


def test_unknown_domains_are_one_set():
    values, _ = section(6, 0)
    config = ReferenceSettings(banks="two", smote_ratio=0.5, memmixup=2)
    (rows,) = reference_rows(values, np.array([""] * 6), SPACE, config)
    np.testing.assert_array_equal(rows.values, values)
    assert rows.sources == 6

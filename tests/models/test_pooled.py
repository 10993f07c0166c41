"""Embeddings without weights: by the definition of each pooling, whatever the batch."""

import numpy as np
import pytest
import torch

from asd.config import settings
from asd.errors import UsageError
from asd.models.pooling import POOLINGS, Pooled, PooledSettings, build

POOLED = {name: {"pooling": name} for name in POOLINGS}


def network(poolings, **shapes):
    chosen = settings(PooledSettings, {"poolings": poolings}, "networks.pooled")
    return Pooled(shapes, 0, 0, chosen)


def frames(count, bands=6):
    return torch.from_numpy(
        np.random.default_rng(bands).normal(-30, 9, (count, bands, 21)).astype(np.float32)
    )


def test_each_pooling_is_an_output():
    given = frames(5)
    found = network(POOLED, logmel=(6, 21))({"logmel": given})._asdict()
    assert list(found) == list(POOLED)
    for name, values in found.items():
        expected = build(name, {})(given.double().numpy()).astype(np.float32)
        assert values.dtype == torch.float32
        np.testing.assert_allclose(values.numpy(), expected, rtol=1e-6)


def test_lists_and_features_are_joined():
    both = [{"pooling": "mean"}, {"pooling": "gwrp", "decay": 0.5}]
    given = {"logmel": frames(3), "ptm": frames(3, 4)}
    found = network({"joined": both, "mean": both[0]}, logmel=(6, 21), ptm=(4, 21))(given)
    assert (tuple(found.joined.shape), tuple(found.mean.shape)) == ((3, 20), (3, 10))
    np.testing.assert_allclose(found.mean[:, 6:], given["ptm"].mean(2), rtol=1e-5)


def test_the_highest_bins_are_left_out():
    chosen = settings(PooledSettings, {"bins": 0.7, "poolings": POOLED}, "networks.pooled")
    given = {"logmel": frames(2, 10), "ptm": frames(2, 4)}
    found = Pooled({"logmel": (10, 21), "ptm": (4, 21)}, 0, 0, chosen)(given)._asdict()
    kept = {"logmel": given["logmel"][:, :7], "ptm": given["ptm"][:, :3]}
    expected = network(POOLED, logmel=(7, 21), ptm=(3, 21))(kept)._asdict()
    assert all(torch.equal(found[name], expected[name]) for name in POOLED)


def test_a_clip_does_not_depend_on_its_batch():
    given, pooled = frames(9), network(POOLED, logmel=(6, 21))
    whole = pooled({"logmel": given})
    for row in range(9):
        for name, values in pooled({"logmel": given[row : row + 1]})._asdict().items():
            assert torch.equal(values[0], getattr(whole, name)[row]), name


def test_nothing_is_learned():
    assert not list(network(POOLED, logmel=(6, 21)).parameters())


@pytest.mark.parametrize(
    ("poolings", "shape", "message"),
    [
        ({"a": {"pooling": "average"}}, (6, 21), "unknown pooling 'average'"),
        ({"a": {"decay": 0.5}}, (6, 21), "poolings.a: it does not say which pooling"),
        ({"a": {"pooling": "gwrp", "decay": 2}}, (6, 21), "poolings.a: decay"),
        ({"logits": {"pooling": "mean"}}, (6, 21), "'logits' cannot name an embedding"),
        ({"a": {"pooling": "mean"}}, (64000,), r"reads \(F, T\)"),
        ({}, (6, 21), "poolings"),
    ],
)
def test_wrong_use(poolings, shape, message):
    with pytest.raises(UsageError, match=message):
        network(poolings, feature=shape)


def test_null_takes_an_embedding_away():
    assert list(network({"a": {"pooling": "mean"}, "b": None}, x=(6, 21)).poolings) == ["a"]

"""The losses against plain references, written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asd.config import LossWeights
from asd.training.losses import attribute_loss, batch_hard_triplet, total_loss


def _reference_triplet(embedding: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """Hermans et al. 2017, Eq. 5, with loops."""
    losses, active = [], []
    for a in range(len(classes)):
        distance = [
            np.sqrt(((embedding[a] - embedding[b]) ** 2).sum()) for b in range(len(classes))
        ]
        positives = [
            distance[p] for p in range(len(classes)) if classes[p] == classes[a] and p != a
        ]
        negatives = [distance[n] for n in range(len(classes)) if classes[n] != classes[a]]
        if positives and negatives:
            gap = max(positives) - min(negatives)
            losses.append(np.log1p(np.exp(gap)))
            active.append(gap > 0)
    return (float(np.mean(losses)), float(np.mean(active))) if losses else (0.0, 0.0)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.integers(1, 5),
    st.integers(0, 10_000),
)
def test_batch_hard_triplet(classes: list[int], dimensions: int, seed: int) -> None:
    embedding = np.random.default_rng(seed).normal(size=(len(classes), dimensions))
    loss, active = batch_hard_triplet(torch.tensor(embedding), torch.tensor(classes))
    expected, share = _reference_triplet(embedding, np.array(classes))
    # Distances by way of products lose half of the digits of double precision.
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    assert float(active) == pytest.approx(share)


def test_identical_clips_have_a_finite_gradient() -> None:
    embedding = torch.ones(4, 3, requires_grad=True)
    loss, _ = batch_hard_triplet(embedding, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert embedding.grad is not None
    assert torch.isfinite(embedding.grad).all()
    # A collapsed embedding has the loss of no separation at all.
    assert float(loss.detach()) == pytest.approx(np.log(2), abs=1e-5)


def test_separated_classes_cost_almost_nothing() -> None:
    embedding = torch.tensor([[0.0], [0.1], [50.0], [50.1]])
    loss, active = batch_hard_triplet(embedding, torch.tensor([0, 0, 1, 1]))
    assert float(loss) < 1e-6
    assert float(active) == 0


def test_attribute_loss_skips_hidden_attributes() -> None:
    logits = torch.randn(5, 3)
    attributes = torch.tensor([0, -1, 2, -1, 1])
    known = [0, 2, 4]
    expected = torch.nn.functional.cross_entropy(logits[known], attributes[known])
    assert float(attribute_loss(logits, attributes)) == pytest.approx(float(expected))
    assert float(attribute_loss(logits, torch.full((5,), -1))) == 0


@pytest.mark.parametrize(
    "weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1), (0.5, 2, 3)]
)
def test_total_is_the_weighted_sum(weights: tuple[float, float, float]) -> None:
    torch.manual_seed(0)
    embedding, logits, attribute_logits = (torch.randn(6, n) for n in (4, 3, 5))
    classes, attributes = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 1, 2, 3, 4, -1])
    found = total_loss(
        LossWeights(cross_entropy=weights[0], triplet=weights[1], auxiliary=weights[2]),
        embedding,
        logits,
        classes,
        attribute_logits,
        attributes,
    )
    terms = (
        torch.nn.functional.cross_entropy(logits, classes),
        batch_hard_triplet(embedding, classes)[0],
        attribute_loss(attribute_logits, attributes),
    )
    expected = sum(w * float(t) for w, t in zip(weights, terms, strict=True))
    assert float(found.total) == pytest.approx(expected, rel=1e-5)
    for weight, term in zip(
        weights, (found.cross_entropy, found.triplet, found.auxiliary), strict=True
    ):
        assert (float(term) == 0) == (weight == 0)

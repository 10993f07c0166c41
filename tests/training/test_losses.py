"""The losses against plain references, written from their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asd.config import LossWeights
from asd.training.losses import Mixed, attribute_loss, batch_hard_triplet, total_loss


def _reference_triplet(embedding, classes):
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
def test_batch_hard_triplet(classes, dimensions, seed):
    embedding = np.random.default_rng(seed).normal(size=(len(classes), dimensions))
    loss, active = batch_hard_triplet(torch.tensor(embedding), torch.tensor(classes))
    expected, share = _reference_triplet(embedding, np.array(classes))
    # Distances by way of products lose half of the digits of double precision.
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    assert float(active) == pytest.approx(share)


def test_identical_clips_have_a_finite_gradient():
    embedding = torch.ones(4, 3, requires_grad=True)
    loss, _ = batch_hard_triplet(embedding, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert embedding.grad is not None
    assert torch.isfinite(embedding.grad).all()
    # A collapsed embedding has the loss of no separation at all.
    assert float(loss.detach()) == pytest.approx(np.log(2), abs=1e-5)


def test_attribute_loss_skips_hidden_attributes():
    logits = torch.randn(5, 3)
    attributes = torch.tensor([0, -1, 2, -1, 1])
    known = [0, 2, 4]
    expected = torch.nn.functional.cross_entropy(logits[known], attributes[known])
    assert float(attribute_loss(logits, attributes)) == pytest.approx(float(expected))
    assert float(attribute_loss(logits, torch.full((5,), -1))) == 0


@pytest.mark.parametrize(
    "weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1), (0.5, 2, 3)]
)
def test_total_is_the_weighted_sum(weights):
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


def _mixed(seed):
    """A batch of 9 clips of 4 classes, every other one mixed."""
    random = np.random.default_rng(seed)
    share = np.where(np.arange(9) % 2, random.random(9), 1.0)
    batch = {
        "embedding": torch.tensor(random.normal(size=(9, 5))),
        "logits": torch.tensor(random.normal(size=(9, 4))),
        "classes": torch.tensor(random.integers(0, 4, 9)),
        "attribute_logits": torch.tensor(random.normal(size=(9, 3))),
        "attributes": torch.tensor(random.integers(-1, 3, 9)),
    }
    partner = torch.tensor(random.permutation(9))
    return Mixed(partner, torch.tensor(share), batch["logits"]), batch


def _soft(logits, target):
    """Cross entropy of soft targets; rows without a target have no part in it."""
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-(target * logarithms).sum() / target.sum())


@given(st.integers(0, 999))
def test_labels_are_mixed_linearly(seed):
    mixed, batch = _mixed(seed)
    weights = LossWeights(cross_entropy=1, triplet=1, auxiliary=1)
    found = total_loss(weights, **batch, mixed=mixed)
    share, partner = mixed.share.numpy()[:, None], mixed.partner.numpy()
    one_hot = np.eye(4)[batch["classes"]]
    target = share * one_hot + (1 - share) * one_hot[partner]
    assert found.cross_entropy.item() == pytest.approx(_soft(batch["logits"].numpy(), target))
    # -1 has no attributes: the last row of this identity is cut away.
    known = np.eye(4)[:, :3][batch["attributes"]]
    target = share * known + (1 - share) * known[partner]
    if (batch["attributes"] >= 0).any():
        expected = _soft(batch["attribute_logits"].numpy(), target)
        assert found.auxiliary.item() == pytest.approx(expected)
    plain = slice(None, None, 2)
    triplet, _ = batch_hard_triplet(batch["embedding"][plain], batch["classes"][plain])
    assert found.triplet.item() == pytest.approx(triplet.item())


def test_a_margin_is_put_on_both_labels():
    mixed, batch = _mixed(0)
    other = mixed._replace(logits=torch.randn(9, 4).double())
    weights = LossWeights(cross_entropy=1, triplet=0)
    found = total_loss(weights, **batch, mixed=other).cross_entropy
    expected = 0.0
    for row in range(9):
        share, partner = mixed.share[row].item(), int(mixed.partner[row])
        for logits, label, weight in (
            (batch["logits"][row], batch["classes"][row], share),
            (other.logits[row], batch["classes"][partner], 1 - share),
        ):
            expected -= weight * torch.log_softmax(logits, 0)[label].item() / 9
    assert found.item() == pytest.approx(expected)


def test_a_batch_that_is_all_mixed_has_no_triplets():
    mixed, batch = _mixed(0)
    half = mixed._replace(share=torch.full_like(mixed.share, 0.5))
    embedding = batch.pop("embedding").requires_grad_()
    found = total_loss(LossWeights(), embedding, **batch, mixed=half)
    assert (found.triplet.item(), found.active_triplets.item()) == (0, 0)
    found.triplet.backward()

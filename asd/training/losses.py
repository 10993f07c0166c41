"""The terms of the paper's loss (Eq. 5)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

from asd.config import LossWeights


class Losses(NamedTuple):
    """The loss of a batch and what it is made of; each a scalar tensor.

    Attributes:
        total: the weighted sum that is minimised.
        cross_entropy, triplet, auxiliary: its terms, unweighted; 0 where switched off.
        active_triplets: the share of triplets whose positive is farther than their negative.
    """

    total: torch.Tensor
    cross_entropy: torch.Tensor
    triplet: torch.Tensor
    auxiliary: torch.Tensor
    active_triplets: torch.Tensor


def total_loss(
    weights: LossWeights,
    embedding: torch.Tensor,
    logits: torch.Tensor,
    classes: torch.Tensor,
    attribute_logits: torch.Tensor | None = None,
    attributes: torch.Tensor | None = None,
) -> Losses:
    """Return Eq. 5: cross entropy + batch-hard triplet + auxiliary loss, each with its weight.

    Args:
        weights: of the terms; a term of weight 0 is not computed.
        embedding: (B, D).
        logits: (B, C) of the primary classes.
        classes: (B,) the primary class of each clip.
        attribute_logits: (B, A), if there is such a head.
        attributes: (B,) the attribute class of each clip, -1 where unknown.
    """
    zero = embedding.new_zeros(())
    cross_entropy = F.cross_entropy(logits, classes) if weights.cross_entropy else zero
    triplet, active = batch_hard_triplet(embedding, classes) if weights.triplet else (zero, zero)
    auxiliary = zero
    if weights.auxiliary and attribute_logits is not None and attributes is not None:
        auxiliary = attribute_loss(attribute_logits, attributes)
    total = (
        weights.cross_entropy * cross_entropy
        + weights.triplet * triplet
        + weights.auxiliary * auxiliary
    )
    return Losses(total, cross_entropy, triplet, auxiliary, active)


def batch_hard_triplet(
    embedding: torch.Tensor, classes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the batch-hard triplet loss with soft margin (Hermans et al. 2017, Eq. 5).

    For each clip, softplus(d(anchor, farthest of its class) - d(anchor, nearest of another)), d
    being the Euclidean distance, not squared. Clips without a partner or without a stranger in the
    batch make no triplet.

    Args:
        embedding: (B, D).
        classes: (B,).

    Returns:
        The mean over triplets (0 if there are none), and the share of active ones, whose positive
        is farther than their negative. If that share stays near 1 with a small embedding norm, the
        embedding has collapsed to a point.
    """
    distances = _distances(embedding)
    same = classes[:, None] == classes[None, :]
    own = torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    positive = distances.masked_fill(~same | own, -torch.inf).amax(dim=1)
    negative = distances.masked_fill(same, torch.inf).amin(dim=1)
    whole = torch.isfinite(positive) & torch.isfinite(negative)
    if not whole.any():
        return embedding.sum() * 0, embedding.new_zeros(())
    gap = (positive - negative)[whole]
    return F.softplus(gap).mean(), (gap > 0).float().mean()


def attribute_loss(logits: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy over attribute classes of the clips that have one (not -1)."""
    known = attributes >= 0
    if not known.any():
        return logits.sum() * 0
    return F.cross_entropy(logits[known], attributes[known])


def _distances(embedding: torch.Tensor) -> torch.Tensor:
    """Return Euclidean distances (B, B), with a gradient that is finite at distance 0."""
    squared = (embedding * embedding).sum(dim=1)
    products = embedding @ embedding.T
    between = squared[:, None] + squared[None, :] - 2 * products
    return between.clamp_min(1e-12).sqrt()

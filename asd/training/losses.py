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


class Mixed(NamedTuple):
    """What a batch was mixed with; see :mod:`asd.training.examples`.

    Attributes:
        partner: (B,) the row of the batch that each clip is mixed with.
        share: (B,) what is left of the clip itself; 1 where it is not mixed.
        logits: (B, C) of the primary classes, with the margin, if any, at the partner's class.
    """

    partner: torch.Tensor
    share: torch.Tensor
    logits: torch.Tensor


def total_loss(
    weights: LossWeights,
    embedding: torch.Tensor,
    logits: torch.Tensor,
    classes: torch.Tensor,
    attribute_logits: torch.Tensor | None = None,
    attributes: torch.Tensor | None = None,
    mixed: Mixed | None = None,
) -> Losses:
    """Return Eq. 5: cross entropy + batch-hard triplet + auxiliary loss, each with its weight.

    In a mixed batch both cross entropies are those of both labels, weighted with their shares. The
    triplet loss is that of the clips that are not mixed: half a clip of each class is neither a
    positive nor a negative.

    Args:
        weights: of the terms; a term of weight 0 is not computed.
        embedding: (B, D).
        logits: (B, C) of the primary classes.
        classes: (B,) the primary class of each clip.
        attribute_logits: (B, A), if there is such a head.
        attributes: (B,) the attribute class of each clip, -1 where unknown.
        mixed: what the clips are mixed with, if they are.
    """
    zero = embedding.new_zeros(())
    cross_entropy, triplet, active, auxiliary = zero, zero, zero, zero
    if weights.cross_entropy:
        cross_entropy = _cross_entropy(logits, classes, mixed)
    if weights.triplet:
        plain = slice(None) if mixed is None else mixed.share == 1
        triplet, active = batch_hard_triplet(embedding[plain], classes[plain])
    if weights.auxiliary and attribute_logits is not None and attributes is not None:
        same = None if mixed is None else mixed._replace(logits=attribute_logits)
        auxiliary = attribute_loss(attribute_logits, attributes, same)
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
    if not len(embedding):
        return embedding.sum(), embedding.new_zeros(())
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


def attribute_loss(
    logits: torch.Tensor, attributes: torch.Tensor, mixed: Mixed | None = None
) -> torch.Tensor:
    """Return the cross entropy over attribute classes of the clips that have one (not -1)."""
    known = attributes >= 0
    if not known.any():
        return logits.sum() * 0
    if mixed is None:
        return F.cross_entropy(logits[known], attributes[known])
    return _cross_entropy(logits, attributes, mixed)


def _cross_entropy(
    logits: torch.Tensor, classes: torch.Tensor, mixed: Mixed | None
) -> torch.Tensor:
    """Return the mean over clips, and in a mixed batch over both labels with their shares.

    A label of -1 has no part in it.
    """
    if mixed is None:
        return F.cross_entropy(logits, classes)
    sides = (
        (logits, classes, mixed.share),
        (mixed.logits, classes[mixed.partner], 1 - mixed.share),
    )
    total, parts = logits.new_zeros(()), logits.new_zeros(())
    for side, labels, share in sides:
        loss = F.cross_entropy(side, labels, reduction="none", ignore_index=-1)
        total = total + (share * loss).sum()
        parts = parts + share[labels >= 0].sum()
    return total / parts.clamp_min(1e-12)


def _distances(embedding: torch.Tensor) -> torch.Tensor:
    """Return Euclidean distances (B, B), with a gradient that is finite at distance 0."""
    squared = (embedding * embedding).sum(dim=1)
    products = embedding @ embedding.T
    between = squared[:, None] + squared[None, :] - 2 * products
    return between.clamp_min(1e-12).sqrt()

"""What fine-tuning minimises: the classes of the clips, or wav2vec 2.0's own contrastive loss."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from asd.errors import UsageError
from asd.features.transformer import LayerFrames
from asd.finetuning.batches import UNKNOWN, Labels
from asd.models.heads import SubClusterAdaCos, SubClusterAdaCosSettings

_EMBEDDING = 256
_ATTENTION = 128  # width of the attention's hidden layer

Masker = Callable[[np.random.Generator, int, int], "np.ndarray | None"]
_LEAST_VARIANCE = 1e-6


class Objective(ABC):
    """One thing to minimise.

    Args:
        module: all weights that take part, those of the body among them.
        mask: from a generator, clips B and frames J to the hidden frames (B, J) or None.
    """

    def __init__(self, module: Any, mask: Masker) -> None:
        self.module = module
        self.mask = mask

    @abstractmethod
    def loss(
        self, waves: torch.Tensor, clips: np.ndarray, random: np.random.Generator, done: float
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss of a batch and figures for the history.

        Args:
            waves: input of the model (B, L).
            clips: which training clips they are, (B,).
            random: draws of this batch.
            done: share of the objective's updates that are done.
        """


class Classify(Objective):
    """Machine, section and attribute classes over projected frames, pooled over time.

    The frames (B, J, H) of the layer are projected to (B, J, F), the projection that the feature is
    made with; their mean and standard deviation over time are normalised and classified linearly,
    one classifier a kind of class. The losses are cross entropies with equal weights.

    Attributes:
        heads: names of the parts of the module that the feature is made without.
    """

    heads: ClassVar[tuple[str, ...]] = ("norm", "classifiers")

    def __init__(
        self, frames: LayerFrames, hidden: int, rows: int, labels: Labels, mask: Masker
    ) -> None:
        classifiers = {k: self._classifier(rows, len(names)) for k, names in labels.classes.items()}
        parts = {
            "frames": frames,
            "projection": nn.Linear(hidden, rows),
            self.heads[0]: self._pooling(rows),
            "classifiers": nn.ModuleDict(classifiers),
        }
        super().__init__(nn.ModuleDict(parts), mask)
        self._frames = frames
        self._targets = labels.targets

    def loss(
        self, waves: torch.Tensor, clips: np.ndarray, random: np.random.Generator, done: float
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the sum of the cross entropies, and the accuracy of each classifier."""
        mask = self.mask(random, len(waves), _frame_count(self._frames.model, waves))
        frames = self._frames(waves, None if mask is None else _to(mask, waves))
        pooled = self._pooled(self.module["projection"](frames).float())
        total, notes = 0.0 * pooled.sum(), {}  # with a gradient, even if no class is known
        for kind, classifier in self.module["classifiers"].items():
            target = _to(self._targets[kind][clips], waves)
            known = target != UNKNOWN
            if known.any():
                logits = classifier(pooled).float()
                total = total + F.cross_entropy(logits, target, ignore_index=UNKNOWN)
                right = (logits.argmax(dim=1) == target)[known]
                notes[f"{kind}_accuracy"] = float(right.float().mean())
        return total, notes

    def _pooling(self, rows: int) -> nn.Module:
        return nn.LayerNorm(2 * rows)

    def _classifier(self, rows: int, classes: int) -> nn.Module:
        return nn.Linear(2 * rows, classes)

    def _pooled(self, projected: torch.Tensor) -> torch.Tensor:
        """Return what is classified, (B, D), of projected frames (B, J, F)."""
        pooled = torch.cat([projected.mean(dim=1), projected.std(dim=1, unbiased=False)], dim=1)
        normed: torch.Tensor = self.module["norm"](pooled)
        return normed


class AttentiveClassify(Classify):
    """The same classes as :class:`Classify`, by attentive statistics and sub-cluster AdaCos.

    What adapters are trained under: the projected frames become an embedding of 256 dimensions.
    """

    heads: ClassVar[tuple[str, ...]] = ("pooling", "classifiers")

    def _pooling(self, rows: int) -> nn.Module:
        return AttentiveStatistics(rows, _ATTENTION, _EMBEDDING)

    def _classifier(self, rows: int, classes: int) -> nn.Module:
        return SubClusterAdaCos(_EMBEDDING, classes, SubClusterAdaCosSettings())

    def _pooled(self, projected: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = self.module["pooling"](projected)
        return embeddings


class Contrastive(Objective):
    """The masked contrastive loss that wav2vec 2.0 is pre-trained with (its section 3.2).

    A quantizer of the checkpoint goes on learning; where the checkpoint has none, a new one starts
    at a high temperature.
    """

    def __init__(
        self, model: Any, head: Mapping[str, torch.Tensor], mask: Masker, seed: int
    ) -> None:
        super().__init__(_pretraining_model(model, seed), mask)
        self.continued = has_quantizer(head)
        if self.continued:
            self._load(head)

    def _load(self, head: Mapping[str, torch.Tensor]) -> None:
        own = {k: v for k, v in self.module.state_dict().items() if not k.startswith("wav2vec2.")}
        wrong = [k for k, v in own.items() if k not in head or head[k].shape != v.shape]
        if wrong:
            raise UsageError(
                f"finetune.base: the quantizer does not fit the configuration ({wrong[0]});"
                " take a checkpoint that save_pretrained wrote"
            )
        self.module.load_state_dict({key: head[key] for key in own}, strict=False)

    def loss(
        self, waves: torch.Tensor, clips: np.ndarray, random: np.random.Generator, done: float
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss a hidden frame, its two terms, and the perplexity of the codebook."""
        mask = self.mask(random, len(waves), _frame_count(self.module.wav2vec2, waves))
        assert mask is not None  # clips that are too short for it were refused
        negatives = negative_frames(random, mask, self.module.config.num_negatives)
        self.module.set_gumbel_temperature(0.5 if self.continued else 2.0 - 1.5 * done)
        output = self.module(
            waves,
            mask_time_indices=_to(mask, waves),
            sampled_negative_indices=_to(negatives, waves),
        )
        hidden = int(mask.sum())
        return output.loss / hidden, {
            "contrastive_loss": float(output.contrastive_loss.detach()) / hidden,
            "diversity_loss": float(output.diversity_loss.detach()) / hidden,
            "perplexity": float(output.codevector_perplexity.detach()),
        }


def has_quantizer(head: Mapping[str, torch.Tensor]) -> bool:
    """Return whether the weights beside a body are those of contrastive pre-training."""
    return "quantizer.codevectors" in head


def fitted_span(frames: int, span: int) -> int:
    """Return ``span``, or what of it lets a clip of ``frames`` frames hold two pieces."""
    return max(1, min(span, frames // 4))


def masker(share: float, span: int, fit: bool) -> Masker:
    """Return how frames are hidden.

    Args:
        share: share of the frames.
        span: frames a piece.
        fit: shorten the pieces for short clips; else such clips are left whole.
    """

    def mask(random: np.random.Generator, clips: int, frames: int) -> np.ndarray | None:
        own = fitted_span(frames, span) if fit else span
        return span_mask(random, clips, frames, share, own)

    return mask


def _pretraining_model(model: Any, seed: int) -> Any:
    from transformers import Wav2Vec2ForPreTraining

    shell = copy.deepcopy(model.config)
    shell.num_hidden_layers = 0  # a body is built with it, only to be replaced
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pretraining = Wav2Vec2ForPreTraining(shell)
    pretraining.wav2vec2 = model
    return pretraining


def _frame_count(model: Any, waves: torch.Tensor) -> int:
    return int(model._get_feat_extract_output_lengths(waves.shape[1]))


def _to(array: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(array).to(like.device)


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation over time, weighted (Okabe et al. 2018), in one embedding.

    Each row of the frames has weights of its own, which add up to 1 over time.

    Args:
        rows: rows of the frames, F.
        width: of the attention's hidden layer.
        embedding: dimensions of the embedding, D.
    """

    def __init__(self, rows: int, width: int, embedding: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(rows, width), nn.Tanh(), nn.Linear(width, rows))
        self.embedding = nn.Linear(2 * rows, embedding)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, D) of frames (B, J, F)."""
        weights = torch.softmax(self.attention(frames).float(), dim=1)
        mean = (weights * frames).sum(dim=1)
        variance = (weights * (frames - mean[:, None]) ** 2).sum(dim=1)
        pooled = torch.cat([mean, variance.clamp(min=_LEAST_VARIANCE).sqrt()], dim=1)
        embedded: torch.Tensor = self.embedding(pooled)
        return embedded


def span_mask(
    random: np.random.Generator, clips: int, frames: int, share: float, span: int
) -> np.ndarray | None:
    """Hide about ``share`` of the frames of each clip, in pieces of ``span`` frames.

    Pieces may overlap, so that somewhat less than ``share`` is hidden. The same number of pieces is
    hidden in every clip, one at least.

    Args:
        random: where the pieces lie.
        clips: clips in the batch, B.
        frames: frames of a clip, J.
        share: share of the frames, in [0, 1).
        span: frames in a piece.

    Returns:
        (B, J) bool, true where hidden; None where nothing is to be hidden, or where two pieces
        would not fit, since a clip that short would lose most of what it says.
    """
    if share <= 0 or frames < 2 * span:
        return None
    pieces = max(1, round(share * frames / span))
    starts = random.integers(0, frames - span + 1, (clips, pieces))
    hidden = (starts[:, :, None] + np.arange(span)).reshape(clips, -1)
    mask = np.zeros((clips, frames), bool)
    np.put_along_axis(mask, hidden, True, axis=1)
    return mask


def negative_frames(random: np.random.Generator, mask: np.ndarray, count: int) -> np.ndarray:
    """Draw for each hidden frame other hidden frames of the same clip (wav2vec 2.0, section 3.2).

    Args:
        random: the draw.
        mask: hidden frames (B, J) bool, two at least in each clip.
        count: how many are drawn for each, with replacement.

    Returns:
        (B, J, count) int64 indices into the batch's frames laid end to end; those of frames that
        are not hidden mean nothing.
    """
    clips, frames = mask.shape
    chosen = np.zeros((clips, frames, count), np.int64)
    for clip in range(clips):
        hidden = np.flatnonzero(mask[clip])
        others = random.integers(0, len(hidden) - 1, (len(hidden), count))
        others += others >= np.arange(len(hidden))[:, None]  # never the frame itself
        chosen[clip, hidden] = hidden[others]
        chosen[clip] += clip * frames
    return chosen

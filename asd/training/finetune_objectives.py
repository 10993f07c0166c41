"""What fine-tuning minimises: the classes of the clips, or wav2vec 2.0's own contrastive loss."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from asd.config import FinetuneConfig
from asd.device import Compute
from asd.errors import UsageError
from asd.features.kinds import Kind
from asd.features.transformer import LayerFrames
from asd.models.heads import SubClusterAdaCos
from asd.models.settings import SubClusterAdaCosSettings
from asd.training.data import Cuts
from asd.training.labels import UNKNOWN, Classes
from asd.training.loop import Batch, Objective

_EMBEDDING = 256
_ATTENTION = 128  # width of the attention's hidden layer
_LEAST_VARIANCE = 1e-6


class FrameObjective(Objective):
    """What such objectives share: cuts of waves whose frames are hidden in part.

    Args:
        config: how they are trained.
        cuts: the batches.
        kind: of the body.
        module: all weights that take part, those of the body among them.

    Attributes:
        frames: how many frames J the body makes of a cut.
    """

    def __init__(self, config: FinetuneConfig, cuts: Cuts, kind: Kind, module: Any) -> None:
        self.config, self.cuts, self.kind, self.module = config, cuts, kind, module
        self.frames = kind.grid.count(cuts.length)

    def batches(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an update: cuts (B, L), and what :meth:`drawn` adds."""
        for part in range(self.config.accumulate):
            clips, waves = self.cuts.batch(number * self.config.accumulate + part)
            seed, objective = self.cuts.seed
            random = np.random.default_rng([seed, 3, objective, number, part])
            heard = {"heard": self.kind.learned_from(waves)}
            drawn = self.drawn(random, len(clips), number / self.config.steps)
            yield Batch(_tensors({**heard, **drawn}), _tensors(self.targets(clips)))

    def step(
        self, network: nn.Module, batch: Batch, compute: Compute
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of a batch and figures for the history."""
        inputs, targets = batch.on(compute.device)
        with compute.autocast():
            return self.loss(self.kind.on_device(inputs["heard"]), inputs, targets)

    @abstractmethod
    def drawn(self, random: np.random.Generator, clips: int, done: float) -> dict[str, np.ndarray]:
        """Return what is drawn for a batch of ``clips``, a share ``done`` of the updates done."""

    def targets(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the clips of a batch, (B,) numbers, are compared with."""
        return {}

    @abstractmethod
    def loss(
        self,
        heard: torch.Tensor,
        inputs: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return what :meth:`step` does, of cuts as the body reads them, ``heard``."""


class Classify(FrameObjective):
    """Machine, section and attribute classes over projected frames, pooled over time.

    The frames (B, J, H) of the layer are projected to (B, J, F), the projection that the feature is
    made with; their mean and standard deviation over time are normalised and classified linearly,
    one classifier a kind of class. The losses are cross entropies with equal weights.

    Args:
        config, cuts, kind: see :class:`FrameObjective`.
        body: the layer's frames.
        classes: by kind, of all clips.

    Attributes:
        heads: names of the parts of the module that the feature is made without.
    """

    heads: ClassVar[tuple[str, ...]] = ("norm", "classifiers")

    def __init__(
        self,
        config: FinetuneConfig,
        cuts: Cuts,
        kind: Kind,
        body: LayerFrames,
        classes: Mapping[str, Classes],
    ) -> None:
        rows, self._classes = config.rows, classes
        heads = {name: self._classifier(rows, len(one.names)) for name, one in classes.items()}
        parts = {
            "frames": body,
            "projection": nn.Linear(kind.hidden, rows),
            self.heads[0]: self._pooling(rows),
            "classifiers": nn.ModuleDict(heads),
        }
        super().__init__(config, cuts, kind, nn.ModuleDict(parts))

    def drawn(self, random: np.random.Generator, clips: int, done: float) -> dict[str, np.ndarray]:
        """Return the hidden frames, none where cuts are too short or the body takes no mask."""
        config = self.config
        if not self.kind.hides:
            return {}
        hidden = span_mask(random, clips, self.frames, config.mask_share, config.mask_span)
        return {} if hidden is None else {"hidden": hidden}

    def targets(self, clips: np.ndarray) -> dict[str, np.ndarray]:
        """Return the classes of the clips, by kind."""
        return {kind: one.numbers[clips] for kind, one in self._classes.items()}

    def loss(
        self,
        heard: torch.Tensor,
        inputs: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the sum of the cross entropies, and the accuracy of each classifier."""
        states = self.module["frames"](heard, inputs.get("hidden"))
        frames = self.kind.over_bands(states, self.cuts.length)
        pooled = self._pooled(self.module["projection"](frames).float())
        total, notes = 0.0 * pooled.sum(), {}  # with a gradient, even if no class is known
        for kind, classifier in self.module["classifiers"].items():
            known = targets[kind] != UNKNOWN
            if known.any():
                logits = classifier(pooled).float()
                total = total + F.cross_entropy(logits, targets[kind], ignore_index=UNKNOWN)
                right = (logits.argmax(dim=1) == targets[kind])[known]
                notes[f"{kind}_accuracy"] = right.float().mean()
        return total, notes

    def _pooling(self, rows: int) -> nn.Module:
        return nn.LayerNorm(2 * rows)

    def _classifier(self, rows: int, classes: int) -> nn.Module:
        return nn.Linear(2 * rows, classes)

    def _pooled(self, projected: torch.Tensor) -> torch.Tensor:
        """Return what is classified, (B, D), of projected frames (B, J, F)."""
        pooled = torch.cat([projected.mean(dim=1), projected.std(dim=1, unbiased=False)], dim=1)
        return self.module["norm"](pooled)


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
        return self.module["pooling"](projected)


class Contrastive(FrameObjective):
    """The masked contrastive loss that wav2vec 2.0 is pre-trained with (its section 3.2).

    A quantizer of the checkpoint goes on learning; where the checkpoint has none, a new one starts
    at a high temperature.

    Args:
        config, cuts, kind: see :class:`FrameObjective`.
        body: the whole body.
        head: the weights beside it.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        cuts: Cuts,
        kind: Kind,
        body: Any,
        head: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__(config, cuts, kind, _pretraining_model(body, config.seed))
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

    def drawn(self, random: np.random.Generator, clips: int, done: float) -> dict[str, np.ndarray]:
        """Return the hidden frames, those they are told from, and the quantizer's temperature."""
        frames, share = self.frames, self.config.contrastive_mask_share
        hidden = span_mask(random, clips, frames, share, fitted_span(frames, self.config.mask_span))
        assert hidden is not None  # clips that are too short for it were refused
        return {
            "hidden": hidden,
            "negatives": negative_frames(random, hidden, self.module.config.num_negatives),
            "temperature": np.array(0.5 if self.continued else 2.0 - 1.5 * done),
        }

    def loss(
        self,
        heard: torch.Tensor,
        inputs: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss a hidden frame, its two terms, and the perplexity of the codebook."""
        self.module.set_gumbel_temperature(float(inputs["temperature"]))
        output = self.module(
            heard,
            mask_time_indices=inputs["hidden"],
            sampled_negative_indices=inputs["negatives"],
        )
        hidden = int(inputs["hidden"].sum())
        return output.loss / hidden, {
            "contrastive_loss": output.contrastive_loss / hidden,
            "diversity_loss": output.diversity_loss / hidden,
            "perplexity": output.codevector_perplexity,
        }


def fitted_span(frames: int, span: int) -> int:
    """Return ``span``, or what of it lets a clip of ``frames`` frames hold two pieces."""
    return max(1, min(span, frames // 4))


def has_quantizer(head: Mapping[str, torch.Tensor]) -> bool:
    """Return whether the weights beside a body are those of contrastive pre-training."""
    return "quantizer.codevectors" in head


def _pretraining_model(body: Any, seed: int) -> Any:
    from transformers import Wav2Vec2ForPreTraining

    shell = copy.deepcopy(body.config)
    shell.num_hidden_layers = 0  # a body is built with it, only to be replaced
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pretraining = Wav2Vec2ForPreTraining(shell)
    pretraining.wav2vec2 = body
    return pretraining


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values) for name, values in arrays.items()}


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
        return self.embedding(pooled)


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

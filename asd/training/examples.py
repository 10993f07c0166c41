"""What a classifying objective draws from: examples, class-balanced batches of them, and mixup.

Mixup works on cached features (Zhang et al., ICLR 2018): two clips sound at once, as share and
rest. What is stored is mixed as if the waves had been, by share * a + (1 - share) * b:

- waves linearly;
- a feature whose recipe has a logarithm (a log-mel) as powers. A wave times a share has a power
  times share squared, and the powers of two clips add up but for the cross terms, whose mean over
  phases is 0;
- everything else linearly: frames of a network, and spectra.

Noise is mixed in alike, at a ratio to the clip's own power (of a log-mel: summed over its bands).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from asd.errors import UsageError
from asd.training.data import StoredClips
from asd.training.labels import Labels
from asd.training.transforms import TRANSFORMS, decibel, transformed

# Keeps the phases of the ripples apart from the order of the examples, which has the same seed.
_PHASES = 1
_LN10_10 = math.log(10) / 10


class Examples:
    """The clips; or, where they have one class, each of them as every transformation of itself.

    Args:
        clips: the training clips, N.
        labels: their classes.
        seed, epoch: decide how clips are transformed.

    Attributes:
        classes: (M,) the primary class of each example; M is N, or a multiple of it.
    """

    def __init__(self, clips: StoredClips, labels: Labels, seed: int, epoch: int) -> None:
        self._clips = clips
        self._transforming = labels.task == "transformations"
        if self._transforming and set(clips.spectra) == set(clips.shapes):
            raise UsageError(
                f"{clips.machine}: its clips are of one class, so a model learns from ripples of"
                f" their level, which {' + '.join(clips.shapes)} cannot have; give the model a"
                " feature with a time axis too, such as logmel"
            )
        self._random = np.random.default_rng([seed, epoch, _PHASES])
        self.classes = (
            np.repeat(np.arange(len(TRANSFORMS)), len(clips))
            if self._transforming
            else labels.primary
        )

    def rows(self, drawn: np.ndarray) -> np.ndarray:
        """Return the clip (n,) that each of the examples ``drawn`` (n,) is made of."""
        return drawn % len(self._clips)

    def read(self, drawn: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the features (n, ...) of the examples ``drawn`` (n,), float32, by name."""
        inputs = self._clips.batch(self.rows(drawn))
        if not self._transforming:
            return inputs
        # The spectrum of a whole clip is nearly the same with a ripple and without.
        still = {name: inputs.pop(name) for name in self._clips.spectra}
        changed = transformed(inputs, self.classes[drawn], self._random, self._clips.decibels)
        return changed | still

    def targets(self, drawn: np.ndarray) -> torch.Tensor:
        """Return the primary classes (n,) of the examples ``drawn`` (n,), int64."""
        return torch.from_numpy(self.classes[drawn].astype(np.int64))


def balanced_batches(
    classes: np.ndarray, per_batch: int, per_class: int, seed: int, epoch: int
) -> Iterator[np.ndarray]:
    """Yield the batches of one epoch, each (n,) rows into ``classes``.

    A batch has ``per_batch`` classes with ``per_class`` clips each (Hermans et al. 2017). With
    fewer classes the batch keeps its size and each class has more clips. An epoch has as many
    batches as the clips fill; each class goes through its clips in random order and begins again
    when they are used up, so rare classes are seen as often as common ones.

    Args:
        classes: (N,) class of each training clip, 0 or more.
        per_batch: classes a batch, P.
        per_class: clips a class, K.
        seed, epoch: decide the order; nothing else does, so an epoch can be repeated exactly.
    """
    random = np.random.default_rng([seed, epoch])
    rows = [np.flatnonzero(classes == one) for one in np.unique(classes)]
    chosen = min(per_batch, len(rows))
    each = per_batch * per_class // chosen
    decks = [_Deck(own, random) for own in rows]
    order = _Deck(np.arange(len(rows)), random)
    for _ in range(max(1, round(len(classes) / (chosen * each)))):
        yield np.concatenate([decks[one].draw(each) for one in order.draw_distinct(chosen)])


class _Deck:
    """Rows in random order, shuffled anew when they are used up."""

    def __init__(self, rows: np.ndarray, random: np.random.Generator) -> None:
        self._rows, self._random = rows, random
        self._left = random.permutation(rows)

    def draw(self, count: int) -> np.ndarray:
        """Take ``count`` rows."""
        taken = []
        while count > 0:
            if not len(self._left):
                self._left = self._random.permutation(self._rows)
            part, self._left = self._left[:count], self._left[count:]
            taken.append(part)
            count -= len(part)
        return np.concatenate(taken)

    def draw_distinct(self, count: int) -> np.ndarray:
        """Take ``count`` rows that are all different; ``count`` is at most their number."""
        if len(self._left) < count:
            self._left = self._random.permutation(self._rows)
        return self.draw(count)


@dataclass(frozen=True)
class Mixture:
    """Which clips of a batch of B are mixed, and with which.

    Attributes:
        partner: (B,) the row of the batch that each is mixed with.
        share: (B,) float32, what is left of the clip itself; 1 where it is not mixed.
    """

    partner: np.ndarray
    share: np.ndarray


def draw(count: int, probability: float, random: np.random.Generator) -> Mixture:
    """Draw a mixture for a batch of ``count`` clips: partners at random, shares uniform in (0, 1).

    Args:
        count: clips of the batch, B.
        probability: of a clip to be mixed.
        random: decides all of it.
    """
    partner = random.permutation(count)
    share = random.random(count)
    chosen = random.random(count) < probability
    return Mixture(partner, np.where(chosen, share, 1.0).astype(np.float32))


def mixed(
    inputs: Mapping[str, torch.Tensor], mixture: Mixture, recipes: Mapping[str, Mapping[str, Any]]
) -> dict[str, torch.Tensor]:
    """Return a batch with each clip mixed with its partner; a share of 1 leaves a clip as it is.

    Args:
        inputs: (B, ...) features of the clips, by name.
        mixture: which are mixed, and how.
        recipes: of each feature, by name.
    """
    rows = np.flatnonzero(mixture.share < 1)
    share, partner = torch.from_numpy(mixture.share[rows]), mixture.partner[rows]
    out = {}
    for name, values in inputs.items():
        weights = share.reshape(-1, *[1] * (values.dim() - 1))
        recipe = recipes.get(name, {})
        unit = decibel(recipe)
        own, other = values[rows], values[partner]
        out[name] = values.clone()
        if unit is None:
            out[name][rows] = weights * own + (1 - weights) * other
        else:
            out[name][rows] = _powers(own, other, weights, unit).clamp_min(_lowest(recipe))
    return out


def noisy(
    inputs: Mapping[str, torch.Tensor],
    noise: StoredClips,
    machines: Sequence[str],
    share: float,
    snr_db: tuple[float, float],
    random: np.random.Generator,
) -> dict[str, torch.Tensor]:
    """Return a batch with the noise of their own halls mixed into some of the clips.

    Args:
        inputs: (B, ...) features of the clips, by name.
        noise: clips of noise alone, of some machines, with the same features.
        machines: (B,) of each clip; one whose machine has no noise is left as it is.
        share: how likely a clip is chosen.
        snr_db: between which the ratio of clip to noise is drawn, uniformly in decibels.
        random: decides all of it.
    """
    count = len(machines)
    chosen, ratios = random.random(count) < share, random.uniform(*snr_db, count)
    places = {one: np.flatnonzero(np.array(noise.machines) == one) for one in set(machines)}
    rows = [row for row in np.flatnonzero(chosen).tolist() if len(places[machines[row]])]
    drawn = [random.choice(places[machines[row]]) for row in rows]
    if not rows:
        return dict(inputs)
    heard, ratio = noise.batch(np.array(drawn)), torch.from_numpy(ratios[rows]).float()
    out = {}
    for name, values in inputs.items():
        out[name] = values.clone()
        out[name][rows] = _with_noise(values[rows], heard[name], ratio, noise.recipes[name])
    return out


def _with_noise(
    own: torch.Tensor, noise: torch.Tensor, ratio: torch.Tensor, recipe: Mapping[str, Any]
) -> torch.Tensor:
    """Add noise (n, ...) to clips (n, ...) of one feature at ratios (n,) in dB."""
    unit, ratio = decibel(recipe), ratio.reshape(-1, *[1] * (own.dim() - 1))
    over = tuple(range(1, own.dim()))
    if unit is None:
        powers = [one.square().mean(over, keepdim=True) for one in (own, noise)]
        gain = (powers[0] / powers[1].clamp_min(1e-12)).sqrt() * 10 ** (-ratio / 20)
        return own + gain * noise
    scale = _LN10_10 / unit
    levels = [(one * scale).logsumexp(over, keepdim=True) for one in (own, noise)]
    shift = levels[0] - levels[1] - _LN10_10 * ratio
    return torch.logaddexp(own * scale, noise * scale + shift) / scale


def _powers(
    own: torch.Tensor, other: torch.Tensor, share: torch.Tensor, unit: float
) -> torch.Tensor:
    """Mix two features of which one decibel is ``unit``, as powers."""
    # As natural logarithms of powers: sums of powers themselves would leave single precision.
    scale = _LN10_10 / unit
    quieter, rest = 2 * share.log(), 2 * torch.log1p(-share)
    return torch.logaddexp(own * scale + quieter, other * scale + rest) / scale


def _lowest(recipe: Mapping[str, Any]) -> float:
    """Return the lowest value of a feature with a logarithm: that of its floor."""
    config = recipe["config"]
    if not config.get("floor"):
        return -math.inf
    floor = float(config["floor"])
    return 10 * math.log10(floor) if config["log"] == "db" else math.log(floor)

"""Networks that look at a clip window by window, as the challenge's baselines do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from asd.errors import UsageError


def cut(clips: torch.Tensor, frames: int, hop: int) -> torch.Tensor:
    """Return all windows (B, W, F, frames) of ``clips`` (B, F, T), as a view."""
    return clips.unfold(2, frames, hop).transpose(1, 2)


class WindowNetwork(nn.Module, ABC):
    """The part that such networks share: one feature (F, T), cut into windows, brought to scale.

    Values are shifted and scaled by two numbers, the mean and the deviation of all training values.
    The challenge's baselines take decibels as they are; with one scale for all bands the shape of
    the spectrum, and so the share of each band in a loss, stays theirs.

    A subclass builds its layers in :meth:`build`.

    Args:
        shapes: the shape of one row of each feature, by name.
        classes: primary classes, C.
        attributes: not used; no such network tells attributes apart.
        settings: its settings, with the frames of a window and those from one to the next.

    Raises:
        UsageError: there is not exactly one feature, it is a wave, or clips are shorter than a
            window.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        classes: int,
        attributes: int,
        settings: Any,
    ) -> None:
        super().__init__()
        kind, frames = type(self).__name__, settings.frames
        if len(shapes) != 1 or any(len(shape) != 2 for shape in shapes.values()):
            raise UsageError(
                f"{kind} reads one feature of bands and frames, not {' + '.join(shapes)};"
                " give the model one such as logmel"
            )
        ((self.feature, (self.bands, length)),) = shapes.items()
        if length < frames:
            raise UsageError(
                f"{kind} looks at {frames} frames at a time, clips have {length};"
                " lower the network's frames"
            )
        self.frames, self.hop = frames, settings.hop
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))
        self.build(settings, classes)

    @abstractmethod
    def build(self, settings: Any, classes: int) -> None:
        """Build the layers, for windows (``self.bands``, ``self.frames``)."""

    def standardise(self, name: str, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Set the scale from the statistics of the feature's bands, (F,) and (F,)."""
        whole = mean.mean()
        self.mean.copy_(whole)
        self.deviation.copy_((deviation**2 + (mean - whole) ** 2).mean().sqrt().clamp_min(1e-5))

    def windows_of(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return all windows (B, W, F, frames) of a batch of clips."""
        return cut(inputs[self.feature], self.frames, self.hop)

    def scaled(self, windows: torch.Tensor) -> torch.Tensor:
        """Return windows shifted and scaled to about mean 0 and deviation 1."""
        return (windows - self.mean) / self.deviation

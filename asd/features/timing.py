"""Time: where frames lie, of a strided network and of a Fourier transform, and how they map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FrameGrid:
    """The frames of a stack of convolutions without padding.

    Attributes:
        stride: samples between frames; 320 for wav2vec 2.0.
        receptive_field: samples that one frame sees; 400 for wav2vec 2.0.
    """

    stride: int
    receptive_field: int

    @classmethod
    def of(cls, kernels: Sequence[int], strides: Sequence[int]) -> FrameGrid:
        """Return the grid of convolutions with these kernels and strides, first layer first.

        Example:
            >>> FrameGrid.of((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
            FrameGrid(stride=320, receptive_field=400)
        """
        stride, field = 1, 1
        for kernel, step in zip(kernels, strides, strict=True):
            field += (kernel - 1) * stride
            stride *= step
        return cls(stride, field)

    def count(self, length: int) -> int:
        """Return how many frames a clip of ``length`` samples gives; 0 where it is too short."""
        return max(0, (length - self.receptive_field) // self.stride + 1)

    def positions(self, samples: np.ndarray, length: int) -> np.ndarray:
        """Return which frame, as a real number, is centred at each of ``samples``.

        Frame j is centred at sample ``receptive_field // 2 + stride * j``. Samples before the first
        centre or after the last one belong to the first or last frame.

        Args:
            samples: sample numbers (T,).
            length: samples of the clip; it must give at least one frame.
        """
        position = (samples - self.receptive_field // 2) / self.stride
        return np.clip(position, 0, self.count(length) - 1)


def logmel_frames(length: int, hop: int) -> int:
    """Return T, the number of centred log-mel frames of a clip of ``length`` samples."""
    return 1 + length // hop


def interpolation(grid: FrameGrid, length: int, hop: int) -> np.ndarray:
    """Return the matrix (T, J) float32 that interpolates log-mel frames from those of ``grid``.

    Log-mel frame k is centred at sample ``k * hop``; it is interpolated linearly between the two
    frames that are centred around it.

    Args:
        grid: the frames to interpolate from.
        length: samples of the clip.
        hop: samples between log-mel frames.
    """
    position = grid.positions(np.arange(logmel_frames(length, hop)) * hop, length)
    left = np.floor(position).astype(np.int64)
    share = (position - left).astype(np.float32)
    matrix = np.zeros((len(left), grid.count(length)), np.float32)
    places = np.arange(len(left))
    matrix[places, left] = 1 - share
    matrix[places, np.minimum(left + 1, grid.count(length) - 1)] += share
    return matrix


def averaging(frames: int, runs: int) -> np.ndarray:
    """Return the matrix (runs, frames) float32 that averages frames in nearly equal runs.

    Example:
        >>> averaging(4, 2).tolist()
        [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    matrix = np.zeros((runs, frames), np.float32)
    for run, members in enumerate(np.array_split(np.arange(frames), runs)):
        matrix[run, members] = 1 / len(members)
    return matrix

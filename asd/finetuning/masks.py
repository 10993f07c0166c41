"""Masks over frames: which are hidden from the transformer, and which stand against them."""

from __future__ import annotations

import numpy as np


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

"""From the scores of windows to one score a recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from asd.fragment import recording_of
from asd.scoring.calibration import Pooling
from asd.scoring.fusion import Clip, SystemScores


def by_recording(scores: SystemScores, how: Pooling = "max") -> SystemScores:
    """Join the scores of the windows of each test recording into one row of the recording's name.

    Clips that are recordings by themselves keep their scores, bit for bit. The windows are counted:
    a maximum of many is higher than one, and is decided by another threshold (see
    :meth:`asd.scoring.calibration.Calibration.threshold`).

    Args:
        scores: what a system says of clips and windows (see :mod:`asd.fragment` for their names).
        how: the most anomalous window decides, or all alike.

    Returns:
        The scores with a row for each recording, in the order of their first windows.

    Example:
        >>> clips = (("00", "long.wav#t=0"), ("00", "long.wav#t=10"), ("00", "short.wav"))
        >>> windows = SystemScores("1", clips, np.array([1.0, 3.0, 2.0]), np.ones(3, int))
        >>> joined = by_recording(windows)
        >>> joined.clips, joined.scores.tolist(), joined.windows.tolist()
        ((('00', 'long.wav'), ('00', 'short.wav')), [3.0, 2.0], [2, 1])
    """
    of_recording: dict[Clip, list[float]] = {}
    for (section, name), score in zip(scores.clips, scores.scores, strict=True):
        of_recording.setdefault((section, recording_of(name)), []).append(float(score))
    join = np.max if how == "max" else np.mean
    joined = np.array([join(values) for values in of_recording.values()], dtype=np.float64)
    windows = np.array([len(values) for values in of_recording.values()], dtype=np.int64)
    return replace(scores, clips=tuple(of_recording), scores=joined, windows=windows)

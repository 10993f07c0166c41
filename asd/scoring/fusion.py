"""Fusion of systems: each system's scores standardised by its training scores, then joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asd.errors import UsageError

Join = Literal["mean", "max"]
Clip = tuple[str, str]


@dataclass(frozen=True)
class SystemScores:
    """What one system says of a machine's clips.

    Attributes:
        system: its name.
        clips: (N,) section and name of each test clip.
        scores: (N,) float64, their anomaly scores.
        training_clips: (M,) section and name of each training clip.
        training_scores: (M,) float64, their leave-one-out scores.
    """

    system: str
    clips: tuple[Clip, ...]
    scores: np.ndarray
    training_clips: tuple[Clip, ...]
    training_scores: np.ndarray


def fuse(
    systems: Sequence[SystemScores], join: Join = "mean", name: str = "fusion"
) -> SystemScores:
    """Join the scores of several systems clip by clip.

    Each system's scores are standardised by the mean and deviation of its own leave-one-out
    training scores of the clip's section; no statistic of the test clips is used. The training
    scores are joined in the same way, so a threshold can be set on them. Where all training
    scores of a section are the same, they are only centred.

    Args:
        systems: one or more, of the same clips in any order.
        join: the mean or the maximum over systems.
        name: the name of the result.

    Returns:
        The fused scores, clips in the order of the first system.

    Raises:
        UsageError: no system; systems of different clips; a section without training clips.
    """
    if not systems:
        raise UsageError("fusion needs one system or more")
    first = systems[0]
    over = np.mean if join == "mean" else np.max
    tests, trainings = [], []
    for system in systems:
        scores, training_scores = standardised(system)
        tests.append(scores[_order(first.clips, system.clips, first, system)])
        order = _order(first.training_clips, system.training_clips, first, system)
        trainings.append(training_scores[order])
    return SystemScores(
        name,
        first.clips,
        np.asarray(over(tests, axis=0)),
        first.training_clips,
        np.asarray(over(trainings, axis=0)),
    )


def standardised(system: SystemScores) -> tuple[np.ndarray, np.ndarray]:
    """Return test scores (N,) and training scores (M,) in deviations of the training scores.

    Raises:
        UsageError: a section without training clips.
    """
    sections = np.array([section for section, _ in system.clips], dtype=str)
    training_sections = np.array([section for section, _ in system.training_clips], dtype=str)
    unknown = sorted(set(sections.tolist()) - set(training_sections.tolist()))
    if unknown:
        raise UsageError(
            f"system {system.system}: no training scores of section {', '.join(unknown)}"
        )
    scores, training_scores = system.scores.copy(), system.training_scores.copy()
    for section in np.unique(training_sections):
        of_training = training_sections == section
        mean = training_scores[of_training].mean()
        deviation = training_scores[of_training].std()
        if deviation <= 1e-12 * np.abs(training_scores[of_training]).max():
            deviation = 1.0
        of_test = sections == section
        scores[of_test] = (scores[of_test] - mean) / deviation
        training_scores[of_training] = (training_scores[of_training] - mean) / deviation
    return scores, training_scores


def _order(
    wanted: Sequence[Clip], given: Sequence[Clip], first: SystemScores, other: SystemScores
) -> list[int]:
    """Return where each of the ``wanted`` clips is among the ``given`` ones."""
    place = {clip: index for index, clip in enumerate(given)}
    if len(place) != len(given) or set(place) != set(wanted) or len(wanted) != len(given):
        odd = sorted(set(wanted) ^ set(place))
        which = f"{len(odd)} differ, such as {odd[0]}" if odd else "a clip is given twice"
        raise UsageError(
            f"systems {first.system} and {other.system} did not score the same clips ({which});"
            f" score both again"
        )
    return [place[clip] for clip in wanted]

"""The highest scores of normal clips: how rare one is, and how rare a higher one would be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The highest fifth, or ten scores where these are more, but never more than half of them.
_SHARE, _LEAST = 0.2, 10


@dataclass(frozen=True)
class Tail:
    """The highest scores of normal clips as an exponential tail, which also tells of higher ones.

    Their mean excess is known from ``count`` scores alone. What is used is therefore the
    distribution of the next score given these, a Lomax distribution: by the exponential itself,
    fitted to few training clips, there would be more alarms than asked for.

    Attributes:
        start: the score above which the tail lies.
        excess: by how much its scores are above that on average.
        count: how many they are.
        share: of all scores, in (0, 1).
    """

    start: float
    excess: float
    count: int
    share: float

    @classmethod
    def of(cls, scores: np.ndarray) -> Tail:
        """Return the tail of scores (m,), two or more."""
        total = len(scores)
        count = max(min(_LEAST, total // 2), int(_SHARE * total))
        ordered = np.sort(scores.astype(np.float64))
        start = float(ordered[-count - 1])
        return cls(start, float((ordered[-count:] - start).mean()), count, count / total)

    def level(self, rate: float) -> float:
        """Return the level that a share ``rate`` of windows is above; -inf if that is no tail."""
        if rate >= self.share:
            return -np.inf
        times = float((self.share / rate) ** (1 / self.count) - 1)
        return self.start + self.count * self.excess * times

    def rate(self, level: float) -> float:
        """Return the share of windows that are above a level in the tail."""
        above = max(level - self.start, 0.0)
        if not self.excess:
            return 0.0 if above else self.share
        return float(self.share * (1 + above / (self.count * self.excess)) ** -self.count)


def of_window(rate: float, windows: int) -> float:
    """Return how often one of independent windows may alarm for a rate of the recording (Sidak).

    Example:
        >>> round(of_window(0.1, 60), 6), of_window(0.1, 1)
        (0.001754, 0.1)
    """
    return rate if windows == 1 else float(-np.expm1(np.log1p(-rate) / windows))


def of_recording(rate: float, windows: int) -> float:
    """Return how often one or more of independent windows alarm; inverts :func:`of_window`."""
    return rate if windows == 1 else float(-np.expm1(windows * np.log1p(-rate)))


def any_above(count: int, windows: int) -> np.ndarray:
    """Return how likely it is that a window is above the k-th highest training score, k = 0, 1, ...

    Exact for exchangeable scores, ``count`` of training clips and ``windows`` of a recording: no
    window is above if the k highest of all are of training clips, which has a probability of
    C(count, k) / C(count + windows, k).

    Returns:
        (count + 1,), rising from 0; of one window k / (count + 1), the conformal p-values.

    Example:
        >>> any_above(3, 1).tolist(), any_above(2, 2).round(3).tolist()
        ([0.0, 0.25, 0.5, 0.75], [0.0, 0.5, 0.833])
    """
    left = np.arange(count, 0, -1.0)
    rising: np.ndarray = 1 - np.concatenate([[1.0], np.cumprod(left / (left + windows))])
    return rising

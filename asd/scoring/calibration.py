"""What scores of normal clips say of a recording of n windows: its threshold and its p-value.

A recording that has the highest score of its windows has n chances of a false alarm, not one. Of
independent windows, a share 1 - (1 - r)^n of normal recordings has one above the level that a share
r of windows is above (Sidak). Windows of one recording are alike, and then the alarms of recordings
are rarer: the rate that is asked for is an upper bound.

A level that few windows of a hundred are above lies beyond most training scores, or all of them.
From there on an exponential tail (:class:`Tail`) tells. In simulations (gamma and
log-normal scores; 50 to 1000 training clips; recordings of 60 windows, independent or half of the
variance in common; 10 % asked for) recordings gave 2 to 17 % false alarms with it. The gamma's
percentile alone gave up to 26 %, the highest training score up to 43 %. The highest scores of whole
training recordings are no better a guide: of the few that there are, they gave up to 25 %. Where
all training clips are windows of three recordings, nothing helps fully (18 %; of one: 28 %).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from asd.config import ScoreConfig
from asd.scoring.system import FittedSystem, Pooling
from asd.scoring.thresholds import Threshold, conformal_p_values, find_threshold


@dataclass(frozen=True, eq=False)
class Calibration:
    """The scores of a section's normal clips, and what decisions follow from them.

    Attributes:
        scores: (m,) scores of training clips as if they were clips to come; those of a rare domain
            may be repeated (:func:`counted_by_domain`).
        method: a key of :data:`asd.scoring.thresholds.THRESHOLDS`.
        rate: the share of normal recordings that may be called anomalous, in (0, 1).
        pooling: what the score of a recording of several windows is: their maximum or mean.
        recordings: of which recording each clip is; ``()`` where that is not known.
        clips: of how many clips the scores are, where some are repeated; 0 where none is.
    """

    scores: np.ndarray
    method: str
    rate: float
    pooling: Pooling = "max"
    recordings: Sequence[str] = ()
    clips: int = 0
    # By the windows whose maximum is decided: it is shared by what differs in pooling alone.
    known: dict[int, Threshold] = field(default_factory=dict, repr=False)

    def pooled(self, pooling: Pooling) -> Calibration:
        """Return the same for recordings that have the maximum, or the mean, of their windows."""
        return self if pooling == self.pooling else replace(self, pooling=pooling)

    def threshold(self, windows: int = 1) -> Threshold:
        """Return the threshold for recordings of so many windows; its rate is that of recordings.

        One window has that of :func:`asd.scoring.thresholds.find_threshold`. So has the mean of
        several, which varies less than one: its false alarms are rarer than asked for. (How much
        rarer it takes many training recordings to tell: a threshold narrowed by the variances
        within and between them gave twice the alarms asked for.)

        The maximum of several has that of the rate of a window (see :func:`of_window`):

        - ``gamma``: the percentile, or the tail's level where that is higher;
        - ``quantile``: the training score that at most this share of them is above;
        - ``conformal``: the score of the exact rank, guaranteed for independent training clips, and
          for windows that are independent or alike.

        Where no training score is high enough for these two, it is the tail's level, without a
        guarantee. Scores that are too few for one window (``conformal``) are for several, and a
        single one has no tail: no alarm.

        Raises:
            UsageError: an unknown method, an impossible rate, or no scores.
            JobError: a score is not finite.
        """
        effective = self._effective(windows)
        if effective not in self.known:
            single = find_threshold(self.method, self.scores, self.rate)
            several = effective > 1 and np.isfinite(single.value)
            found = self._of_several(single, effective) if several else single
            self.known[effective] = self._as_counted(found) if self.clips else found
        return self.known[effective]

    def p_value(self, score: float, windows: int = 1) -> float:
        """Return the share of normal recordings of so many windows with this score or a higher one.

        Of one window, and of the mean of several (see :meth:`threshold`), it is the conformal one;
        of the maximum of several the exact one for exchangeable windows. Above all training scores
        it is that of the tail where that is smaller, but not below 1 / (m + 1), the least that m
        scores can tell of one window. Where ``conformal`` decides for an anomaly it is at most the
        rate, and nowhere else.
        """
        effective, count = self._effective(windows), len(self.scores)
        if effective == 1:
            return float(conformal_p_values(self.scores, np.array([score]))[0])
        reached = int((self.scores >= score).sum())
        exact = float(any_above(count, effective)[reached + 1]) if reached < count else 1.0
        if reached or self._tail is None:
            return exact
        beyond = of_recording(self._tail.rate(score), effective)
        return max(min(exact, beyond), 1 / (count + 1))

    def _as_counted(self, found: Threshold) -> Threshold:
        # Scores that stand for others are not exchangeable with those of clips to come.
        note = "; ".join(filter(None, (found.note, "domains count alike")))
        return found.model_copy(update={"count": self.clips, "guaranteed": None, "note": note})

    def _effective(self, windows: int) -> int:
        """Return of how many windows the score is the maximum."""
        return windows if self.pooling == "max" else 1

    @cached_property
    def _tail(self) -> Tail | None:
        return Tail.of(self.scores) if len(self.scores) > 1 else None

    def _of_several(self, single: Threshold, windows: int) -> Threshold:
        """Return the threshold for the maximum of several windows, from that for one."""
        rate = of_window(self.rate, windows)
        beyond = self._tail.level(rate) if self._tail else -np.inf
        guaranteed = None
        if self.method == "gamma":
            fitted = find_threshold("gamma", self.scores, rate)
            value, note = fitted.value, fitted.note
            if beyond > value:
                value, note = beyond, "exponential tail of the highest scores"
        else:
            value, note = max(float(self.scores.max()), beyond), ""
            ranks, guaranteed = self._ranks(rate, windows)
            if not ranks and self.method == "conformal" and self._tail is None:
                value, note = np.inf, "1 training score has no tail: no alarm"
            elif ranks:
                value = float(np.sort(self.scores.astype(np.float64))[-ranks])
            else:
                note = f"{len(self.scores)} training scores are too few for {windows} windows:"
                note += " exponential tail of the highest"
        notes = filter(None, (note, self._few_recordings()))
        return single.model_copy(
            update={"value": value, "guaranteed": guaranteed, "note": "; ".join(notes)}
        )

    def _ranks(self, rate: float, windows: int) -> tuple[int, float | None]:
        """Return which of the highest scores decides, 0 for none, and what that guarantees."""
        if self.method == "quantile":
            above = int(np.floor(rate * len(self.scores) + 1e-9))
            return (above + 1 if above else 0), None
        chances = any_above(len(self.scores), windows)
        ranks = int((chances <= self.rate + 1e-9).sum()) - 1
        return ranks, float(chances[ranks]) if ranks else None

    def _few_recordings(self) -> str:
        """Say so where the clips are windows of fewer recordings than tell of the rate."""
        recordings = len(set(self.recordings))
        if recordings == len(self.recordings) or recordings + 1 >= 1 / self.rate:
            return ""
        return f"windows of {recordings} training recordings only: others may differ more"


def calibrations(fitted: FittedSystem, rule: ScoreConfig) -> dict[str, Calibration]:
    """Return the calibration of each section of a fitted system, from its training clips alone.

    Where a share of them was held out of training, from these: they are as new to the model as the
    clips to come.

    Their scores are those of fits without their fold: scored against the others alone, with all
    else fitted to them too, clips look more normal than those to come. Where 10 % false alarms were
    asked for (gamma; means over random splits of the normal clips of seven genuine units, views of
    own recordings), the rates, and the anomalies found, were:

        clips               8     15     30     60    120
        others alone      .49    .27    .20    .13    .12
        without a fold    .12    .10    .12    .09    .09
        anomalies found   .96    .86    .88    .89    .92
        without a fold    .53    .56    .72    .80    .89
    """
    clips, normal = fitted.bank.clips, fitted.training_scores()
    found = {}
    for section in fitted.sections:
        rows = fitted.calibrating_rows(section)
        scores, recordings = normal[rows], [clips.recording[row] for row in rows]
        if rule.domains == "alike":
            scores = counted_by_domain(scores, [clips.domain[row] for row in rows])
        of = len(rows) if len(scores) > len(rows) else 0
        found[section] = Calibration(
            scores, rule.threshold, rule.false_alarm_rate, rule.windows, recordings, of
        )
    return found


def counted_by_domain(scores: np.ndarray, domains: Sequence[str]) -> np.ndarray:
    """Return the scores (m,) of a section's clips, repeated so that its domains count alike.

    Among the clips to come the target domain is not as rare as among the training clips. Its scores
    are higher, so that a threshold found from all scores as they are calls most of its normal clips
    anomalous. On genuine fans, with 10 of 510 training clips of the target domain and 10 % asked
    for, it called .69 to 1.00 of them so, and .38 to .55 of all normal clips, of which half are of
    that domain. Counted alike it was .04 to .18 of all, at the price of anomalies: .71 to 1.00 of
    them found in place of .96 to 1.00. Scores of one domain stay as they are.

    Args:
        scores: (N,) of the training clips.
        domains: (N,) their domains.

    Example:
        >>> counted_by_domain(np.array([1.0, 2.0, 5.0]), ["source", "source", "target"]).tolist()
        [1.0, 2.0, 5.0, 5.0]
    """
    names, number, counts = np.unique(domains, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return scores
    repeats = np.rint(counts.max() / counts).astype(int)
    return np.repeat(scores, repeats[number])


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
    return 1 - np.concatenate([[1.0], np.cumprod(left / (left + windows))])

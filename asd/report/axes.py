"""Scales and ticks: from values to places in a chart."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """A linear map from values ``low`` to ``high`` onto places ``start`` to ``end``.

    Example:
        >>> Scale(0.0, 1.0, 100.0, 0.0)(0.25)
        75.0
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def spread(values: Iterable[float], margin: float = 0.0) -> tuple[float, float]:
    """Return the range of the finite values, widened by a share of it; never an empty range.

    Example:
        >>> spread([2.0, 4.0], margin=0.5)
        (1.0, 5.0)
        >>> spread([])
        (0.0, 1.0)
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    # Equal values get a range in which they, and numbers like them, can be told apart.
    extra = margin * (high - low) if high > low else max(abs(low), 1.0) * 0.5
    return low - extra, high + extra


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values from ``low`` to ``high``, about as many as asked for.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def short(value: float) -> str:
    """Return a number with at most four significant digits.

    Example:
        >>> short(0.2), short(-1500.0), short(0.00012346)
        ('0.2', '-1500', '0.0001235')
    """
    return f"{value:.4g}"

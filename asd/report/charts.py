"""The charts of the report as inline SVG, from plain values.

A chart takes its colours from the page, and so suits light and dark: every mark carries a class of
:mod:`asd.report.style` and no colour of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asd.report.maps import Map
from asd.report.markup import Markup, element
from asd.report.results import Figure, Line
from asd.report.scores import ANOMALY, NORMAL, Curve, ScoredSection
from asd.report.style import series

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
WIDTH = 360  # of every chart, in units that are pixels on a phone: texts keep a readable size
_MARK = 3.2  # half the size of a mark
BINS = 28
_SKEWED = 10.0  # highest score to median, from which on a linear axis has one crowded end
_PANEL = 84  # height of one domain's histogram
_ROW = 26  # height of one system's row


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


@dataclass
class Chart:
    """A chart that is drawn into piece by piece.

    Attributes:
        height: its height, where its width is :data:`WIDTH`.
        left, right, top, bottom: margins around the area that is drawn into.
    """

    height: int
    left: int = 44
    right: int = 12
    top: int = 12
    bottom: int = 36
    parts: list[Markup] = field(default_factory=list)

    def across(self, low: float, high: float) -> Scale:
        """Return the horizontal scale of values ``low`` to ``high``."""
        return Scale(low, high, self.left, WIDTH - self.right)

    def upward(self, low: float, high: float) -> Scale:
        """Return the vertical scale of values ``low`` to ``high``."""
        return Scale(low, high, self.height - self.bottom, self.top)

    def grid_across(
        self, scale: Scale, at: Sequence[float], title: str = "", labels: Sequence[str] = ()
    ) -> None:
        """Draw vertical grid lines with their labels below, and the axis's title."""
        base = self.height - self.bottom
        for value, label in zip(at, labels or [short(value) for value in at], strict=True):
            self.segment(scale(value), self.top, scale(value), base, "grid")
            self.text(scale(value), base + 14, label, "tick middle")
        if title:
            centre = (self.left + WIDTH - self.right) / 2
            self.text(centre, self.height - 4, title, "axis middle")

    def grid_upward(self, scale: Scale, at: Sequence[float], title: str = "") -> None:
        """Draw horizontal grid lines with their values at the left, and the axis's title."""
        for value in at:
            self.segment(self.left, scale(value), WIDTH - self.right, scale(value), "grid")
            self.text(self.left - 6, scale(value) + 3.5, short(value), "tick end")
        if title:
            middle = (self.top + self.height - self.bottom) / 2
            turned = f"rotate(-90 11 {_n(middle)})"
            self._add("text", title, x=11, y=_n(middle), class_="axis middle", transform=turned)

    def segment(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a straight line."""
        self._add("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), class_=kind)

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through places."""
        if points:
            steps = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
            self._add("path", d=f"M{steps}", class_=f"line {kind}")

    def bar(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a filled rectangle between two corners."""
        left, top = min(x1, x2), min(y1, y2)
        size = {"width": _n(abs(x2 - x1)), "height": _n(abs(y2 - y1))}
        self._add("rect", x=_n(left), y=_n(top), **size, class_=kind)

    def dots(self, places: Sequence[tuple[float, float]], kind: str, radius: float = _MARK) -> None:
        """Draw circles."""
        for x, y in places:
            self._add("circle", cx=_n(x), cy=_n(y), r=_n(radius), class_=kind)

    def crosses(self, places: Sequence[tuple[float, float]], kind: str, upright: bool) -> None:
        """Draw crosses: upright (+) or slanted (x), all as one path."""
        s = _MARK
        arms = [(0, -s, 0, s), (-s, 0, s, 0)] if upright else [(-s, -s, s, s), (-s, s, s, -s)]
        steps = [
            f"M{_n(x + a)} {_n(y + b)}L{_n(x + c)} {_n(y + d)}"
            for x, y in places
            for a, b, c, d in arms
        ]
        if steps:
            self._add("path", d="".join(steps), class_=f"cross {kind}")

    def text(self, x: float, y: float, words: str, kind: str) -> None:
        """Write words; ``kind`` holds ``middle`` or ``end`` where they do not start at ``x``."""
        self._add("text", words, x=_n(x), y=_n(y), class_=kind)

    def svg(self, label: str) -> Markup:
        """Return the chart; ``label`` says in words what it shows."""
        box = f"0 0 {WIDTH} {self.height}"
        return element("svg", self.parts, viewBox=box, role="img", aria_label=label)

    def _add(self, name: str, *children: str, **attributes: str | int) -> None:
        self.parts.append(element(name, *children, **attributes))


def _n(value: float) -> str:
    """Return a place with one decimal, which is finer than a pixel, and without a trailing zero."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


@dataclass(frozen=True, eq=False)
class Bins:
    """The axis of a histogram of scores.

    Attributes:
        edges: (BINS + 1,) rising; equal steps, or equal ratios on a logarithmic axis.
        logarithmic: whether the axis is logarithmic.
    """

    edges: NDArray[np.float64]
    logarithmic: bool

    def place(self, value: float) -> float:
        """Return where a value lies between the ends of the axis, 0 to 1."""
        low, high = (self._scaled(end) for end in (self.edges[0], self.edges[-1]))
        return (self._scaled(value) - low) / (high - low)

    def ticks(self) -> list[float]:
        """Return round values on the axis."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        if not self.logarithmic:
            return ticks(low, high)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if high < 300 * low else (1,)
        values = [step * 10.0**power for power in powers for step in steps]
        return [value for value in values if low <= value <= high]

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else float(value)


def bins_of(section: ScoredSection) -> Bins:
    """Return bins that hold every score of a section and its thresholds.

    Distances are positive and often many times larger for the clearest anomalies than for most
    clips: their axis is logarithmic, so that the place where decisions are made can be seen.
    """
    values = np.append(section.scores, list(section.cuts.values()))
    logarithmic = bool(values.min() > 0 and values.max() > _SKEWED * np.median(values))
    scaled = np.log10(values) if logarithmic else values
    edges = np.linspace(*spread(scaled.tolist(), margin=0.02), BINS + 1)
    return Bins(10.0**edges if logarithmic else edges, logarithmic)


def dot_chart(figures: Mapping[str, Figure], low: float, label: str) -> Markup:
    """Return the score of each system as a dot with its interval, in percent.

    Args:
        figures: by system, at least one.
        low: where the axis begins, in percent, below every interval; it ends at 100.
        label: what the chart shows, in words.
    """
    chart = Chart(height=_ROW * len(figures) + 44, left=112, top=8)
    scale = chart.across(low, 100.0)
    chart.grid_across(scale, ticks(low, 100.0, 5), "official score (%)")
    if low < 50.0:
        chart.segment(scale(50.0), chart.top, scale(50.0), chart.height - chart.bottom, "guess")
    for number, (name, figure) in enumerate(figures.items()):
        y = chart.top + _ROW * (number + 0.5)
        chart.text(chart.left - 10, y + 4, _cut(name, 17), "end")
        if math.isnan(figure.value):
            chart.text(chart.left + 6, y + 4, "undefined", "aside")
            continue
        ends = (figure.low, figure.high) if figure.has_interval else (figure.value, figure.value)
        first, last = (scale(100 * end) for end in ends)
        if figure.has_interval:
            chart.segment(first, y, last, y, f"whisker {series(number)}")
        chart.dots([(scale(100 * figure.value), y)], f"f{series(number)[1:]}", radius=4.5)
        # The figure stands right of the bar where there is room for it, else left of it.
        right = last + 46 < WIDTH
        place = last + 8 if right else first - 8
        chart.text(place, y + 4, f"{100 * figure.value:.1f}", "" if right else "end")
    return chart.svg(label)


def roc_chart(curves: Mapping[str, Curve], order: Sequence[str], label: str) -> Markup:
    """Return the ROC curves of one section, a line a system.

    Args:
        curves: by system.
        order: every system, which fixes the line of each.
        label: what the chart shows, in words.
    """
    chart = Chart(height=320)
    across, upward = chart.across(0.0, 1.0), chart.upward(0.0, 1.0)
    at = ticks(0.0, 1.0)
    chart.grid_across(across, at, "false alarms (share of normal clips)")
    chart.grid_upward(upward, at, "anomalies found")
    chart.segment(across(0), upward(0), across(1), upward(1), "guess")
    for name, curve in curves.items():
        places = zip(map(across, curve.fpr), map(upward, curve.tpr), strict=True)
        chart.path(list(places), series(order.index(name)))
    return chart.svg(label)


def histogram_chart(section: ScoredSection, label: str) -> Markup:
    """Return the scores of one section: normal clips above the line, anomalies below it.

    One panel a domain, on one scale of scores, with the threshold through all; with
    recordings of several lengths, those of the shortest and of the longest.
    """
    groups = section.groups
    gap, top = 22, 22
    chart = Chart(height=top + len(groups) * (_PANEL + gap) + 36, top=top)
    bins = bins_of(section)
    across = chart.across(0.0, 1.0)
    at = bins.ticks()
    scale = " (log scale)" if bins.logarithmic else ""
    chart.grid_across(
        across, [bins.place(v) for v in at], f"anomaly score{scale}", [short(v) for v in at]
    )
    places = [across(bins.place(cut)) for cut in section.cuts.values()]
    for place in places:
        chart.segment(place, top - 4, place, chart.height - chart.bottom, "cut")
    if places:
        end = places[0] > WIDTH / 2
        place = places[0] + (4 if end else -4)
        chart.text(place, top - 9, _worded(section.cuts), "end" if end else "")
    counts = {group: _counts(section, group, bins) for group in groups}
    most = max(int(c.max()) for by_label in counts.values() for c in by_label.values())
    both = bool((section.labels == ANOMALY).any())
    for number, group in enumerate(groups):
        panel_top = top + number * (_PANEL + gap) + gap - 6
        _panel(chart, across, panel_top, counts[group], most, both)
        chart.text(chart.left + 3, panel_top - 5, group or "all clips", "strong")
    return chart.svg(label)


def line_chart(
    lines: Mapping[str, Line],
    order: Sequence[str],
    titles: tuple[str, str],
    label: str,
) -> Markup:
    """Return lines of (xs, ys) by name; values that are not finite leave a line's end open.

    Args:
        lines: by name.
        order: every name, which fixes the line of each.
        titles: of the horizontal and the vertical axis.
        label: what the chart shows, in words.
    """
    chart = Chart(height=230, left=52)
    low_x, high_x = spread(x for xs, _ in lines.values() for x in xs)
    low_y, high_y = spread((y for _, ys in lines.values() for y in ys), margin=0.05)
    across, upward = chart.across(low_x, high_x), chart.upward(low_y, high_y)
    whole = [x for x in ticks(low_x, high_x, 5) if x == int(x)]
    chart.grid_across(across, whole, titles[0])
    chart.grid_upward(upward, ticks(low_y, high_y, 4), titles[1])
    for name, (xs, ys) in lines.items():
        places = [(across(x), upward(y)) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
        kind = series(order.index(name))
        if len(places) == 1:
            chart.dots(places, f"f{kind[1:]}")
        else:
            chart.path(places, kind)
    return chart.svg(label)


def map_chart(placed: Map, label: str) -> Markup:
    """Return the test clips of a section as dots (normal) and crosses (anomalous), as in Fig. 2.

    Clips of the target domain are rings and upright crosses. The axes have no unit, so there are
    none.
    """
    chart = Chart(height=270, left=12, right=12, top=12, bottom=12)
    across = chart.across(*spread(placed.places[:, 0], margin=0.04))
    upward = chart.upward(*spread(placed.places[:, 1], margin=0.04))
    target = placed.domains == "target"

    def places(chosen: NDArray[np.bool_]) -> list[tuple[float, float]]:
        return [(across(x), upward(y)) for x, y in placed.places[chosen].tolist()]

    known = np.isin(placed.labels, (NORMAL, ANOMALY))
    chart.dots(places(~known), "unknown")
    chart.dots(places((placed.labels == NORMAL) & ~target), "normal")
    chart.dots(places((placed.labels == NORMAL) & target), "open")
    anomalous = placed.labels == ANOMALY
    chart.crosses(places(anomalous & ~target), "anomalous", upright=False)
    chart.crosses(places(anomalous & target), "anomalous", upright=True)
    return chart.svg(label)


def _worded(cuts: Mapping[int, float]) -> str:
    """Return the thresholds by windows in words."""
    (fewest, first), *others = cuts.items()
    words = f"threshold {short(first)}"
    for most, last in others:
        words += f" ({fewest} clip{'s' if fewest > 1 else ''}) to {short(last)} ({most} clips)"
    return words


def _counts(section: ScoredSection, group: str, bins: Bins) -> dict[str, NDArray[np.int_]]:
    of_group = section.domains == group
    return {
        label: np.histogram(section.scores[of_group & (section.labels == label)], bins.edges)[0]
        for label in (NORMAL, ANOMALY, "")
    }


def _panel(
    chart: Chart,
    across: Scale,
    top: float,
    counts: Mapping[str, NDArray[np.int_]],
    most: int,
    both: bool,
) -> None:
    """Draw one domain's bars, ``most`` high at most; ``both``: upward and downward."""
    base = top + (_PANEL / 2 if both else _PANEL)
    unit = (base - top) / max(most, 1)
    for label, kind, direction in (
        (NORMAL, "normal", -1),
        (ANOMALY, "anomaly", 1),
        ("", "unknown", -1),
    ):
        for i, count in enumerate(counts[label].tolist()):
            if count:
                left, right = across(i / BINS), across((i + 1) / BINS)
                chart.bar(left + 0.5, base, right - 0.5, base + direction * unit * count, kind)
    chart.segment(chart.left, base, WIDTH - chart.right, base, "base")
    chart.text(chart.left - 6, top + 8, str(most), "tick end")
    chart.text(chart.left - 6, base + 3.5, "0", "tick end")
    if both:
        chart.text(chart.left - 6, top + _PANEL, str(most), "tick end")


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"

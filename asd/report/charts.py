"""The charts of the report, from plain values to SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asd.report.axes import Scale, short, spread, ticks
from asd.report.bins import BINS, Bins, bins_of
from asd.report.maps import Map
from asd.report.markup import Markup
from asd.report.results import Figure, Line
from asd.report.scores import ANOMALY, NORMAL, Curve, ScoredSection
from asd.report.style import series
from asd.report.svg import WIDTH, Chart

_PANEL = 84  # height of one domain's histogram
_ROW = 26  # height of one system's row


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

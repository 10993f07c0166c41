"""The charts show the values they are given, inside their frame; their scales hold any range."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.report.charts import (
    BINS,
    WIDTH,
    Scale,
    bins_of,
    dot_chart,
    histogram_chart,
    line_chart,
    map_chart,
    roc_chart,
    spread,
    ticks,
)
from asd.report.maps import Map
from asd.report.material import Material
from asd.report.results import Figure
from asd.report.scores import Curve, ScoredSection

FINITE = st.floats(-1e12, 1e12, allow_nan=False)
SCORE = st.floats(-1e6, 1e6, allow_nan=False)


def parsed(chart: str) -> ET.Element:
    """The chart as a tree, after checking that all is inside the frame."""
    root = ET.fromstring(chart)
    height = float(root.attrib["viewBox"].split()[3])
    across, down = ("x", "x1", "x2", "cx"), ("y", "y1", "y2", "cy")
    for part in root.iter():
        assert all(0 <= float(part.attrib[k]) <= WIDTH for k in across if k in part.attrib)
        assert all(0 <= float(part.attrib[k]) <= height for k in down if k in part.attrib)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"]
    return root


def texts(root: ET.Element) -> list[str]:
    return [part.text or "" for part in root.iter("text")]


def bars(root: ET.Element, kind: str) -> list[ET.Element]:
    return [part for part in root.iter("rect") if part.attrib["class"] == kind]


def test_every_clip_is_in_the_histogram(section: ScoredSection) -> None:
    root = parsed(histogram_chart(section, "x"))
    unit = min(float(bar.attrib["height"]) for bar in bars(root, "normal"))
    for kind in ("normal", "anomaly"):
        heights = sum(float(bar.attrib["height"]) for bar in bars(root, kind))
        assert heights / unit == pytest.approx(int((section.labels == kind).sum()), rel=0.03)
    assert "threshold 1.2" in texts(root)
    assert {"source", "target"} <= set(texts(root))
    assert not bars(root, "unknown")


def test_normal_clips_are_above_the_line_and_anomalies_below(section: ScoredSection) -> None:
    root = parsed(histogram_chart(replace(section, domains=np.full(40, "")), "x"))
    base = next(float(p.attrib["y1"]) for p in root.iter("line") if p.attrib["class"] == "base")
    assert all(float(bar.attrib["y"]) < base for bar in bars(root, "normal"))
    assert all(float(bar.attrib["y"]) == base for bar in bars(root, "anomaly"))
    assert "all clips" in texts(root)


def test_a_histogram_without_labels_or_threshold_or_spread(unlabelled: ScoredSection) -> None:
    root = parsed(histogram_chart(replace(unlabelled, threshold=None), "x"))
    assert bars(root, "unknown")
    assert not any(text.startswith("threshold") for text in texts(root))
    flat = replace(unlabelled, scores=np.zeros(len(unlabelled.names)))
    assert len(bars(parsed(histogram_chart(flat, "x")), "unknown")) == 2


def test_a_threshold_that_calls_nothing_is_not_drawn(section: ScoredSection) -> None:
    assert section.threshold is not None
    never = section.threshold.model_copy(update={"value": math.inf})
    root = parsed(histogram_chart(replace(section, threshold=never), "x"))
    assert not any(text.startswith("threshold") for text in texts(root))


def test_a_roc_curve_runs_from_corner_to_corner() -> None:
    curve = Curve((0.0, 0.0, 0.5, 1.0), (0.0, 0.5, 1.0, 1.0))
    root = parsed(roc_chart({"b": curve}, ["a", "b"], "x"))
    (path,) = (part for part in root.iter("path") if "line" in part.attrib["class"])
    assert path.attrib["class"] == "line s1"
    places = [tuple(map(float, p.split())) for p in re.split("[ML]", path.attrib["d"]) if p]
    (x0, y0), corner, (x2, y2), (x3, y3) = places
    assert (corner[0], y2) == (x0, y3)
    assert (x2 - x0) / (x3 - x0) == pytest.approx(0.5, abs=1e-3)
    assert (y0 - corner[1]) / (y0 - y3) == pytest.approx(0.5, abs=1e-3)


def test_a_map_marks_labels_and_domains(material: Material) -> None:
    placed = material.maps["fan"]["logmel"]["00"]
    root = parsed(map_chart(placed, "x"))
    kinds = Counter(part.attrib["class"] for part in root.iter("circle"))
    assert kinds == {"normal": 10, "open": 10}
    slanted, upright = (part.attrib["d"].count("M") for part in root.iter("path"))
    assert (slanted, upright) == (20, 20)
    nothing = Map(placed.places, np.full(40, ""), np.full(40, ""))
    assert len(list(parsed(map_chart(nothing, "x")).iter("circle"))) == 40


def test_dots_are_ordered_as_their_scores() -> None:
    figures = {
        "a": Figure(0.5, 0.45, 0.55),
        "b": Figure(0.99, 0.97, 1.0),
        "a name that is far too long": Figure(math.nan),
    }
    root = parsed(dot_chart(figures, 40.0, "x"))
    first, second = (float(part.attrib["cx"]) for part in root.iter("circle"))
    assert first < second
    assert {"a", "b", "a name that is f…", "undefined", "50.0", "99.0"} <= set(texts(root))
    assert sum("whisker" in part.attrib["class"] for part in root.iter("line")) == 2


def test_lines_leave_out_what_is_not_finite() -> None:
    lines = {"a": ([1.0, 2.0, 3.0], [1.0, math.nan, 3.0]), "b": ([1.0], [2.0])}
    root = parsed(line_chart(lines, ["a", "b"], ("epoch", "loss"), "x"))
    (path,) = root.iter("path")
    assert path.attrib["d"].count("L") == 1
    assert len(list(root.iter("circle"))) == 1
    assert {"epoch", "loss"} <= set(texts(root))


@given(st.lists(st.one_of(FINITE, st.sampled_from([math.nan, math.inf, -math.inf]))))
def test_a_spread_is_never_empty_and_holds_every_finite_value(values: list[float]) -> None:
    low, high = spread(values, margin=0.05)
    assert low < high
    assert all(low <= value <= high for value in values if math.isfinite(value))


@given(FINITE, st.floats(1e-9, 1e12))
def test_ticks_are_in_the_range_evenly_spaced_and_not_too_many(low: float, width: float) -> None:
    high = low + width
    if high - low < abs(low) * 1e-6:
        return  # narrower than what a tick's twelve decimals can tell apart
    found = ticks(low, high, 5)
    assert len(found) <= 6
    slack = 1e-6 * (high - low) + 1e-9
    assert all(low - slack <= value <= high + slack for value in found)
    steps = [after - before for before, after in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3, abs=1e-9) for step in steps)


def test_a_scale_maps_its_ends() -> None:
    scale = Scale(-1.0, 3.0, 10.0, 90.0)
    assert (scale(-1.0), scale(1.0), scale(3.0)) == (10.0, 50.0, 90.0)


def scored(scores: list[float]) -> ScoredSection:
    nothing = np.full(len(scores), "")
    names = tuple(f"{i:04d}" for i in range(len(scores)))
    return ScoredSection("fan", "00", names, nothing, nothing, np.array(scores), None)


@given(st.lists(SCORE, min_size=1, max_size=20))
def test_every_score_is_in_a_bin(scores: list[float]) -> None:
    bins = bins_of(scored(scores))
    assert np.histogram(scores, bins.edges)[0].sum() == len(scores)
    assert len(bins.edges) == BINS + 1
    assert all(-1e-9 <= bins.place(score) <= 1 + 1e-9 for score in scores)
    assert all(bins.edges[0] <= tick <= bins.edges[-1] + 1e-6 for tick in bins.ticks())


def test_distances_with_a_long_tail_get_a_logarithmic_axis() -> None:
    bins = bins_of(scored([0.01, 0.012, 0.015, 0.02, 1.3]))
    assert bins.logarithmic
    assert bins.ticks() == pytest.approx([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    ratios = bins.edges[1:] / bins.edges[:-1]
    assert ratios == pytest.approx(ratios[0])
    assert bins.place(math.sqrt(bins.edges[0] * bins.edges[-1])) == pytest.approx(0.5)


@pytest.mark.parametrize("scores", [[-1.0, 0.1, 50.0], [0.0, 0.1, 50.0], [1.0, 2.0, 3.0]])
def test_other_scores_get_a_linear_one(scores: list[float]) -> None:
    assert not bins_of(scored(scores)).logarithmic


def test_the_threshold_is_on_the_axis(section: ScoredSection) -> None:
    assert section.threshold is not None
    far = section.threshold.model_copy(update={"value": 40.0})
    assert bins_of(replace(section, threshold=far)).edges[-1] > 40.0

"""The charts show the values they are given, on the page and as files; every colour can be read."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.metrics.roc import RocCurve
from asd.report import charts
from asd.report.charts import (
    BINS,
    DARK,
    LIGHT,
    WIDTH,
    Chart,
    bins_of,
    dot_chart,
    line_chart,
    map_chart,
    picture_file,
    roc_chart,
    score_chart,
    series,
    strip_chart,
    svg,
    trend_chart,
)
from asd.report.material import Map, Material
from asd.report.results import Figure
from asd.report.scores import ScoredSection

matplotlib = pytest.importorskip("matplotlib")
matplotlib_figure = pytest.importorskip("matplotlib.figure")

ENDS = np.array([0.0, 1.0])
SCORE = st.floats(-1e6, 1e6, allow_nan=False)
THEMES = {"light": LIGHT, "dark": DARK}
SURFACES = ("page", "card", "wash")
TEXT = ("ink", "quiet", "accent", "normal", "anomaly")  # labels of clips are small coloured texts
LINES = ("edge", "normal", "anomaly", *(f"s{i}" for i in range(8)))


def drawn(chart: Chart) -> Any:
    """The axes of a chart, drawn."""
    ax = matplotlib_figure.Figure().add_subplot()
    chart.draw(ax)
    return ax


def parsed(chart: Chart) -> ET.Element:
    """The chart as a tree, after checking that all is inside the frame and can be read aloud."""
    text = svg(chart, "chart1")
    assert text == svg(chart, "chart1")
    assert not re.search("#[0-9a-fA-F]{6}|matplotlib|<!--|date>", text)
    assert set(re.findall(r"var\(--(\w+)\)", text)) <= set(LIGHT)
    root = ET.fromstring(text)
    assert root.attrib["viewBox"] == f"0 0 {WIDTH} {chart.height}"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == chart.label
    assert "width" not in root.attrib
    for part in root.iter():
        assert 0 <= float(part.attrib.get("x", 0)) <= WIDTH
        assert 0 <= float(part.attrib.get("y", 0)) <= chart.height
        assert part.attrib.get("id", "chart1-").startswith("chart1-")
    ids = Counter(part.attrib["id"] for part in root.iter() if "id" in part.attrib)
    used = {part.attrib["href"] for part in root.iter("use")}
    assert set(ids.values()) <= {1}
    assert used == {f"#{name}" for name in ids}
    assert set(chart.legend) <= set(texts(root))
    return root


def texts(root: ET.Element) -> list[str]:
    return [part.text or "" for part in root.iter("text")]


def bars(chart: Chart, words: str) -> list[Any]:
    """Rising or falling bars of one label, one array a domain."""
    patches = drawn(chart).patches[chart.legend.index(words) :: len(chart.legend)]
    return [values - base for values, _, base in (patch.get_data() for patch in patches)]


def test_every_clip_is_in_the_histogram(section: ScoredSection) -> None:
    chart = score_chart("1", section)
    of_label = {
        label: np.concatenate(bars(chart, words))
        for label, words in (("normal", "normal, upward"), ("anomaly", "anomalous, downward"))
    }
    highest = max(np.abs(heights).max() for heights in of_label.values())
    assert highest == pytest.approx(1)
    unit = min(heights[heights > 1e-9].min() for heights in map(np.abs, of_label.values()))
    for label, heights in of_label.items():
        assert np.abs(heights).sum() / unit == pytest.approx(int((section.labels == label).sum()))
    found = texts(parsed(chart))
    assert "threshold 1.2" in found
    assert {"source", "target"} <= set(found)
    assert "unlabelled" not in chart.legend


def test_what_a_histogram_shows_is_said_in_words(
    section: ScoredSection, unlabelled: ScoredSection
) -> None:
    words = [
        f"{domain.capitalize()} domain: {section.rate('normal', domain)} false alarms,"
        f" {section.rate('anomaly', domain)} anomalies found."
        for domain in ("source", "target")
    ]
    assert section.said_rates() == words
    label = f"Scores of system 1, fan section 00. {' '.join(words)}"
    assert score_chart("1", section).label == label
    called = unlabelled.rate("", "source")
    assert unlabelled.said_rates()[0] == f"Source domain: {called} called anomalous."
    assert replace(section, decisions=None).said_rates() == []


def test_normal_clips_are_above_the_line_and_anomalies_below(section: ScoredSection) -> None:
    chart = score_chart("1", replace(section, domains=np.full(40, "")))
    (normal,), (anomalous,) = bars(chart, "normal, upward"), bars(chart, "anomalous, downward")
    assert (normal >= 0).all()
    assert (anomalous <= 0).all()
    assert "all clips" in texts(parsed(chart))


def test_a_histogram_without_labels_or_threshold_or_spread(unlabelled: ScoredSection) -> None:
    chart = score_chart("1", replace(unlabelled, threshold=None))
    assert chart.legend == ["unlabelled"]
    assert not any(text.startswith("threshold") for text in texts(parsed(chart)))
    flat = score_chart("1", replace(unlabelled, scores=np.zeros(len(unlabelled.names))))
    parsed(flat)
    assert [np.count_nonzero(heights) for heights in bars(flat, "unlabelled")] == [1, 1]


def test_a_threshold_that_calls_nothing_is_not_drawn(section: ScoredSection) -> None:
    never = section.threshold.model_copy(update={"value": math.inf})
    root = parsed(score_chart("1", replace(section, threshold=never)))
    assert not any(text.startswith("threshold") for text in texts(root))


def test_thresholds_of_the_shortest_and_the_longest_recordings(section: ScoredSection) -> None:
    longer = {
        windows: section.threshold.model_copy(update={"value": value})
        for windows, value in ((1, 1.2), (2, 1.0), (5, 0.8))
    }
    root = parsed(score_chart("1", replace(section, longer=longer)))
    assert "threshold 1.2 (1 clip) to 0.8 (5 clips)" in texts(root)


def test_a_roc_curve_runs_from_corner_to_corner() -> None:
    curve = RocCurve(np.array([0, 0, 0.5, 1]), np.array([0, 0.5, 1, 1]))
    chart = roc_chart(("fan", "00"), {"b": curve}, ["a", "b"], {"b": 0.875})
    guess, line = drawn(chart).lines
    assert guess.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert line.get_xydata().tolist() == [list(p) for p in zip(curve.fpr, curve.tpr, strict=True)]
    assert line.get_color() == LIGHT["s1"]
    assert line.get_linestyle() == "--"
    assert chart.label == "ROC curves of fan section 00: system b AUC 87.50"
    assert "b (AUC 87.50)" in texts(parsed(chart))


def test_a_map_marks_labels_and_domains(material: Material) -> None:
    placed = material.maps["fan"]["logmel"]["00"]
    chart = map_chart(("fan", "00"), "logmel", placed)
    lines = {line.get_label(): line for line in drawn(chart).lines}
    assert {words: line.get_marker() for words, line in lines.items()} == {
        "normal, source": "o",
        "normal, target": "o",
        "anomalous, source": "x",
        "anomalous, target": "+",
    }
    for words, line in lines.items():
        rows = placed.labels == ("normal" if "normal" in words else "anomaly")
        rows &= placed.domains == words.rpartition(" ")[2]
        np.testing.assert_array_equal(line.get_xydata(), placed.places[rows])
        assert (line.get_markerfacecolor() == "none") == (words == "normal, target")
    root = parsed(chart)
    assert len(list(root.iter("use"))) == 40 + len(chart.legend)
    nothing = map_chart(("fan", "00"), "m", Map(placed.places, np.full(40, ""), np.full(40, "")))
    assert nothing.legend == ["unlabelled"]
    assert len(list(parsed(nothing).iter("use"))) == 41


def test_dots_are_ordered_as_their_scores() -> None:
    figures = {
        "a": Figure(0.5, 0.45, 0.55),
        "b": Figure(0.99, 0.97, 1.0),
        "pooled_mahalanobis_of_the_whole_clip": Figure(math.nan),
        45 * "x": Figure(0.4),
    }
    chart = dot_chart("All machines", figures, 40.0)
    lines = drawn(chart).lines
    dots = [line.get_xdata()[0] for line in lines if line.get_marker() == "o"]
    whiskers = [line.get_xdata() for line in lines if line.get_linewidth() == 2]
    assert dots == [50.0, 99.0, 40.0]
    assert whiskers == [pytest.approx((45, 55)), pytest.approx((97, 100))]
    found = [text.strip() for text in texts(parsed(chart))]
    whole = "pooled_mahalanobis_of_the_whole_clip"
    assert {"a", "b", whole, f"{35 * 'x'}…", "undefined", "50.0", "99.0"} <= set(found)
    assert "system a 50.00" in chart.label


def test_names_and_figures_stand_clear_of_the_widest_intervals() -> None:
    figures = {
        "pooled_mahalanobis_of_the_whole_clip": Figure(0.6, 0.0, 1.0),
        "b": Figure(1.0, 0.5, 1.0),
        "c": Figure(0.0),
    }
    chart = dot_chart("All machines", figures, 0.0)
    canvas = matplotlib_figure.Figure(figsize=(WIDTH / 72, chart.height / 72), dpi=72)
    with matplotlib.rc_context(charts._STYLE):
        charts._draw(chart, canvas)
        canvas.draw_without_rendering()
    (ax,) = canvas.axes
    places = [text.get_window_extent() for text in ax.texts]
    assert len(places) == 6
    rows = [line.get_window_extent() for line in ax.lines if len(line.get_xdata()) == 1]
    rows += [line.get_window_extent().padded(1) for line in ax.lines if line.get_linewidth() == 2]
    assert len(rows) == 5
    for number, place in enumerate(places):
        assert not any(place.overlaps(other) for other in places[number + 1 :])
        assert not any(place.overlaps(row) for row in rows)
        assert 0 <= place.x0 < place.x1 <= WIDTH
        assert 0 <= place.y0 < place.y1 <= chart.height


def test_lines_leave_out_what_is_not_finite() -> None:
    lines = {"a": ([1.0, 2.0, 3.0], [1.0, math.nan, 3.0]), "b": ([1.0], [2.0])}
    chart = line_chart("fan", "active_triplets", lines, ["a", "b"])
    first, second = drawn(chart).lines
    assert first.get_xydata().tolist() == [[1, 1], [3, 3]]
    assert second.get_marker() == "o"
    root = parsed(chart)
    assert {"epoch", "active triplets", "a", "b"} <= set(texts(root))


def test_long_names_are_cut_and_keep_their_lines() -> None:
    names = [40 * "x" + end for end in "ab"]
    curve, areas = RocCurve(ENDS, ENDS), dict.fromkeys(names, 0.5)
    chart = roc_chart(("fan", "00"), dict.fromkeys(names, curve), names, areas)
    assert chart.legend == (f"{29 * 'x'}… (AUC 50.00)",) * 2
    strokes = [part.attrib["style"] for part in parsed(chart).iter("path")][-2:]
    assert ["var(--s0)" in strokes[0], "var(--s1)" in strokes[1]] == [True, True]


def test_names_are_texts_as_they_are() -> None:
    name = "a$b$<i>\"&'"
    chart = roc_chart(("fan", "00"), {name: RocCurve(ENDS, ENDS)}, [name], {name: 0.5})
    assert f"{name} (AUC 50.00)" in texts(parsed(chart))


def scored(scores: list[float]) -> ScoredSection:
    nothing = np.full(len(scores), "")
    names = tuple(f"{i:04d}" for i in range(len(scores)))
    return ScoredSection("fan", "00", names, nothing, nothing, np.array(scores), None)


@given(st.lists(SCORE, min_size=1, max_size=20))
def test_every_score_is_in_a_bin(scores: list[float]) -> None:
    edges, _ = bins_of(scored(scores))
    assert np.histogram(scores, edges)[0].sum() == len(scores)
    assert len(edges) == BINS + 1
    assert edges[0] < edges[-1]


def test_distances_with_a_long_tail_get_a_logarithmic_axis() -> None:
    section = scored([0.01, 0.012, 0.015, 0.02, 1.3])
    edges, logarithmic = bins_of(section)
    assert logarithmic
    ratios = edges[1:] / edges[:-1]
    assert ratios == pytest.approx(ratios[0])
    found = texts(parsed(score_chart("1", section)))
    assert {"0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"} <= set(found)
    assert "anomaly score (log scale)" in found


@pytest.mark.parametrize("scores", [[-1.0, 0.1, 50.0], [0.0, 0.1, 50.0], [1.0, 2.0, 3.0]])
def test_other_scores_get_a_linear_one(scores: list[float]) -> None:
    assert not bins_of(scored(scores))[1]


def test_the_threshold_is_on_the_axis(section: ScoredSection) -> None:
    far = section.threshold.model_copy(update={"value": 40.0})
    assert bins_of(replace(section, threshold=far))[0][-1] > 40.0


def test_a_file_is_the_chart_by_itself(section: ScoredSection) -> None:
    chart = score_chart("1", section)
    text = picture_file(svg(chart, "chart1"), chart)
    root = ET.fromstring(text)
    assert (root.attrib["width"], root.attrib["height"]) == (str(2 * WIDTH), str(2 * chart.height))
    assert "var(" not in text
    assert LIGHT["anomaly"] in text


def test_a_strip_has_a_dot_a_recording_and_the_threshold() -> None:
    groups = {"normal, training": np.arange(5.0), "new, fault": np.array([7.0, 9.0])}
    chart = strip_chart("pump", groups, 4.5, "anomaly score")
    *rows, cut = drawn(chart).lines
    assert [sorted(row.get_xdata()) for row in rows] == [list(of) for of in groups.values()]
    assert [row.get_color() for row in rows] == [LIGHT["normal"], LIGHT["anomaly"]]
    assert list(cut.get_xdata()) == [4.5, 4.5]
    assert "alarm above 4.5" in texts(parsed(chart))
    assert chart.label == "Scores of pump: 5 normal, training, 2 new, fault; threshold 4.5"


def test_a_trend_is_over_time() -> None:
    times = [datetime(2024, 5, day, 12) for day in (1, 2, 9)]
    chart = trend_chart(
        "pump", times, np.array([1.0, 2.0, 8.0]), ["training", "", "anomaly"], 4, "s"
    )
    *rows, cut = drawn(chart).lines
    assert [row.get_ydata().tolist() for row in rows] == [[1.0], [8.0], [2.0]]
    assert list(cut.get_ydata()) == [4, 4]
    assert chart.legend == ["normal, training", "new, fault", "new"]
    assert "2024-05-01 to 2024-05-09" in chart.label
    parsed(chart)


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` as WCAG defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("surface", SURFACES)
def test_texts_and_lines_stand_out(theme: str, surface: str) -> None:
    colours = THEMES[theme]
    for name in TEXT:
        assert contrast(colours[name], colours[surface]) >= 4.5, name
    for name in LINES:
        assert contrast(colours[name], colours[surface]) >= 3.0, name


def test_both_themes_have_every_colour_that_is_used() -> None:
    sheet = Path(charts.__file__).with_name("page.css").read_text(encoding="utf-8")
    assert set(re.findall(r"var\(--([a-z0-9]+)\)", sheet)) <= set(LIGHT)
    assert set(LIGHT) == set(DARK)
    assert len(set(LIGHT.values())) == len(LIGHT)


def test_lines_of_eight_systems_all_differ_by_more_than_colour() -> None:
    assert len(set(charts.DASHES)) == len(charts.DASHES) == 8
    assert [series(i) for i in (0, 7, 8)] == ["s0", "s7", "s0"]

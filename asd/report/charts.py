"""The charts of the report, each drawn once by matplotlib, for the page and as an SVG file.

A chart on the page is SVG that suits light and dark: what is drawn in a colour of :data:`LIGHT` is
painted by the page's token of that name. Texts stay texts, in the page's font.

The tokens keep the contrast of WCAG 2.2 AA (text 4.5, lines and marks 3); a test holds them to it.
"""

from __future__ import annotations

import base64
import io
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd.metrics.roc import RocCurve
from asd.metrics.truth import Key
from asd.report.material import LINES, Map, Material
from asd.report.results import Figure, Line
from asd.report.scores import ANOMALY, NORMAL, ScoredSection
from asd.report.tables import percent, short

# Light and dark.
_COLOURS = {
    "page": ("#fbfbf9", "#14181b"),
    "card": ("#ffffff", "#1b2024"),
    "ink": ("#1b2024", "#e7e8e4"),
    "quiet": ("#565e66", "#a6aeb5"),
    "hair": ("#dedfda", "#31383e"),
    "edge": ("#82898f", "#7c858d"),
    "accent": ("#0b5f66", "#6fc3c6"),
    "wash": ("#eef4f3", "#1d2a2c"),
    "normal": ("#2f6ca8", "#79b1ea"),
    "anomaly": ("#bd4518", "#f28e52"),
    "s0": ("#1c4f82", "#7fb2e8"),
    "s1": ("#b8471f", "#f09468"),
    "s2": ("#2c7a4b", "#6fc48d"),
    "s3": ("#7d4ba3", "#c39be6"),
    "s4": ("#8f6500", "#d9ad4a"),
    "s5": ("#00768a", "#55c3d4"),
    "s6": ("#ad3568", "#ee8bb5"),
    "s7": ("#5b6067", "#aeb5bb"),
}
LIGHT = {name: light for name, (light, _) in _COLOURS.items()}
DARK = {name: dark for name, (_, dark) in _COLOURS.items()}
# Lines differ by their dashes as well as by colour.
DASHES = ((), (7, 3), (2, 2.5), (9, 3, 2, 3), (4, 2), (12, 3), (1, 3), (6, 2, 1, 2, 1, 2))

_TOKENS = {value: f"var(--{name})" for name, value in LIGHT.items()}
_OF_A_FILE = ("metadata", "style", "clipPath")
_COLOUR, _LONG = re.compile("#[0-9a-f]{6}"), re.compile(r"-?\d+\.\d\d+")

WIDTH = 320  # of every chart, in units that are pixels on a phone: texts keep a readable size
BINS = 28
_SKEWED = 10.0  # highest score to median, from which on a linear axis has one crowded end
_PANEL, _GAP = 84, 22  # height of one domain's histogram, and the room above it
_BARS = {  # token, direction and legend of the bars of a label
    NORMAL: ("normal", 1, "normal, upward"),
    ANOMALY: ("anomaly", -1, "anomalous, downward"),
    "": ("edge", 1, "unlabelled"),
}
_ROW = 34  # height of one system's row: its name, and its bar below
_STYLE: Any = {
    "font.size": 11.0,
    "axes.labelsize": 11.0,
    "legend.fontsize": 11.0,
    "xtick.labelsize": 11.0,
    "ytick.labelsize": 11.0,
    "text.color": LIGHT["ink"],
    "text.parse_math": False,  # a name may hold a dollar
    "axes.labelcolor": LIGHT["quiet"],
    "xtick.labelcolor": LIGHT["quiet"],
    "ytick.labelcolor": LIGHT["quiet"],
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.labelpad": 5.0,
    **{f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")},
    "xtick.bottom": False,
    "ytick.left": False,
    "grid.color": LIGHT["hair"],
    "grid.linewidth": 1.0,
    "lines.scale_dashes": False,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.borderpad": 0.2,
    "legend.labelspacing": 0.45,
    "legend.columnspacing": 1.4,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Chart:
    """A chart that is drawn on demand.

    Attributes:
        title: its heading.
        label: what it shows, in words.
        plot: height of its axes with their margins, where the width is :data:`WIDTH`.
        draw: draws into the axes.
        legend: the words of the legend below, in the order in which they are drawn.
        left, top, bottom: margins around the axes.
        name: of its file.
    """

    title: str
    label: str
    plot: int
    draw: Callable[[Any], None]
    legend: Sequence[str] = ()
    left: int = 46
    top: int = 12
    bottom: int = 38
    name: str = ""

    @property
    def columns(self) -> int:
        """How many words of the legend stand side by side."""
        longest = max(map(len, self.legend), default=0)
        return max(1, min(len(self.legend), int(WIDTH // (46 + 6.6 * longest))))

    @property
    def height(self) -> int:
        """Its height with the legend."""
        rows = -(-len(self.legend) // self.columns)
        return self.plot + (16 * rows + 10 if rows else 0)


def svg(chart: Chart, name: str) -> str:
    """Return a chart as an element of the page; ``name`` begins the ids in it."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    buffer = io.StringIO()
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Canvas(figsize=(WIDTH / 72, chart.height / 72), frameon=False)
        _draw(chart, figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = _tidy(ET.fromstring(buffer.getvalue()), {}, name)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": chart.label}
    return ET.tostring(root, encoding="unicode")


def picture_file(drawn: str, chart: Chart) -> str:
    """Return a chart of the page as an SVG file by itself, on a light ground."""
    text = re.sub(r"var\(--(\w+)\)", lambda token: LIGHT[token[1]], drawn)
    place = f'xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{2 * chart.height}"'
    look = f"font:11px sans-serif;background:{LIGHT['card']}"
    return text.replace("<svg ", f'<svg {place} style="{look}" ', 1) + "\n"


def themed_uri(picture: str) -> str:
    """Return a picture (SVG) as a data URI, in the colours of the page in light and dark."""
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in of.items()) for of in (LIGHT, DARK)
    )
    themes = f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
    text = _COLOUR.sub(lambda colour: _TOKENS.get(colour[0], colour[0]), picture)
    text = re.sub(r"(<svg[^>]*>)", lambda head: f"{head[1]}<style>{themes}</style>", text, count=1)
    return f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}"


def _draw(chart: Chart, figure: Any) -> None:
    """Draw a chart that fills a figure."""
    low = (chart.height - chart.plot + chart.bottom) / chart.height
    high = 1 - chart.top / chart.height
    ax = figure.add_axes((chart.left / WIDTH, low, 1 - (chart.left + 12) / WIDTH, high - low))
    ax.patch.set_visible(False)
    chart.draw(ax)
    if chart.legend:
        # By their order: names that are cut may look the same.
        marks = [artist for artist in ax.get_children() if artist.get_label() in chart.legend]
        figure.legend(marks, chart.legend, loc="lower left", ncols=chart.columns)


def _tidy(part: ET.Element, names: dict[str, str], prefix: str) -> ET.Element:
    """Return what matplotlib wrote as a part of a page: without what concerns a file alone.

    Nothing reaches beyond the axes, so that nothing is clipped; marks get their style from the
    group that they share. ``names`` maps the ids that are used to short ones of the page.
    """
    made = ET.Element(part.tag.rpartition("}")[2], _attributes(part, names, prefix))
    made.text = part.text if made.tag == "text" else None
    for child in part:
        tidy = _tidy(child, names, prefix)
        if tidy.tag == "g" and not tidy.attrib:
            made.extend(tidy)
        elif tidy.tag not in _OF_A_FILE and (len(tidy) or tidy.tag != "defs"):
            made.append(tidy)
    styles = {child.attrib.get("style", "") for child in made}
    if len(styles) == 1 and all(child.tag == "use" for child in made):
        made.attrib["style"] = styles.pop()
        for child in made:
            child.attrib.pop("style", None)
    return made


def _attributes(part: ET.Element, names: dict[str, str], prefix: str) -> dict[str, str]:
    """Return attributes with colours as tokens, and numbers finer than a pixel rounded."""
    found = {}
    for key, value in part.attrib.items():
        key = key.rpartition("}")[2]
        if key in ("d", "x", "y", "transform", "style"):
            value = _LONG.sub(lambda number: _n(float(number[0])), " ".join(value.split()))
        if key == "d":
            value = re.sub(r"(L[^LMCz]+)\1+", r"\1", re.sub(r" ?([LMCQz]) ?", r"\1", value))
        if key == "style":
            # Family and size of the letters are those of the page.
            value = re.sub(r"font-(family|size): [^;]*; ", "", value)
            value = _COLOUR.sub(lambda colour: _TOKENS.get(colour[0], "currentColor"), value)
        if key == "href" or (key == "id" and part.tag.endswith("path")):
            value = names.setdefault(value.removeprefix("#"), f"{prefix}-{len(names)}")
            value = f"#{value}" if key == "href" else value
        elif key in ("id", "clip-path") or value.startswith("rotate(-0 "):
            continue
        found[key] = value
    return found


def _n(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def series(number: int) -> str:
    """Return the token of the line of one system or model among several."""
    return f"s{number % len(DASHES)}"


def _line(number: int) -> dict[str, Any]:
    dashes = DASHES[number % len(DASHES)]
    return {"color": LIGHT[series(number)], "linestyle": (0, dashes) if dashes else "-"}


def _scale(axis: Any, about: int = 5, whole: bool = False) -> None:
    """Give an axis about so many round values, shortly written."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(about, steps=[1, 2, 2.5, 5, 10], integer=whole))
    axis.set_major_formatter(lambda value, _: short(value))


def dot_chart(title: str, figures: Mapping[str, Figure], low: float) -> Chart:
    """Return the score of each system as a dot with its interval, in percent.

    Args:
        title: what the scores are of.
        figures: by system, at least one, best first.
        low: where the axis begins, in percent, below every interval; it ends at 100.
    """

    def draw(ax: Any) -> None:
        ax.set_xlim(low, 100)
        ax.set_ylim(0.6 - len(figures), 0.7)
        ax.set_xlabel("official score (%)")
        ax.set_yticks([])
        ax.grid(axis="x")
        _scale(ax.xaxis)
        if low < 50:
            ax.axvline(50, color=LIGHT["edge"], linewidth=1)
        # Name and figure stand above their bar: there the widest interval leaves them room.
        ground = {"facecolor": LIGHT["card"], "edgecolor": "none", "pad": 1.0}
        above = {"va": "center", "bbox": ground, "transform": ax.get_yaxis_transform()}
        for number, (name, figure) in enumerate(figures.items()):
            colour = LIGHT["quiet" if number else "accent"]
            known = not math.isnan(figure.value)
            said = f"{100 * figure.value:.1f}" if known else "undefined"
            ax.text(0, 0.4 - number, _cut(name, 36), **above)
            ax.text(1, 0.4 - number, said, ha="right", **above)
            if not known:
                continue
            if figure.has_interval:
                ends = (100 * figure.low, 100 * figure.high)
                line = ax.plot(ends, [-number, -number], color=colour, linewidth=2)
                line[0].set_clip_on(False)
            value = [100 * figure.value]
            ax.plot(value, [-number], "o", color=colour, markersize=9, mew=0, clip_on=False)

    listed = ", ".join(f"system {name} {percent(one.value)}" for name, one in figures.items())
    return Chart(
        title,
        f"{title}: {listed}",
        _ROW * len(figures) + 46,
        draw,
        left=12,
        top=4,
        name="results",
    )


def roc_chart(
    key: Key, curves: Mapping[str, RocCurve], order: Sequence[str], areas: Mapping[str, float]
) -> Chart:
    """Return the ROC curves of one section, a line a system.

    Args:
        key: machine and section.
        curves: by system.
        order: every system, which fixes the line of each.
        areas: the AUC of each system, NaN where it is not known.
    """
    words = {name: f"{_cut(name, 30)} (AUC {percent(areas[name])})" for name in curves}

    def draw(ax: Any) -> None:
        ax.plot([0, 1], [0, 1], color=LIGHT["edge"], linewidth=1)
        for name, curve in curves.items():
            style = _line(order.index(name))
            ax.plot(curve.fpr, curve.tpr, label=words[name], clip_on=False, **style)
        ax.set(xlim=(0, 1), ylim=(0, 1), ylabel="anomalies found")
        ax.set_xlabel("false alarms (share of normal clips)")
        ax.grid()
        _scale(ax.xaxis)
        _scale(ax.yaxis)

    where = f"{key[0]} section {key[1]}"
    listed = ", ".join(f"system {name} AUC {percent(areas[name])}" for name in curves)
    label = f"ROC curves of {where}: {listed}"
    name = f"roc_{key[0]}_{key[1]}"
    return Chart(where, label, 300, draw, tuple(words.values()), name=name)


def bins_of(section: ScoredSection) -> tuple[NDArray[np.float64], bool]:
    """Return bins that hold every score of a section and its thresholds.

    Distances are positive and often many times larger for the clearest anomalies than for most
    clips: their axis is logarithmic, so that the place where decisions are made can be seen.

    Returns:
        Their edges (BINS + 1,), rising in equal steps, or in equal ratios where the axis is
        logarithmic; and whether it is.
    """
    values = np.append(section.scores, list(section.cuts.values()))
    logarithmic = bool(values.min() > 0 and values.max() > _SKEWED * np.median(values))
    scaled = np.log10(values) if logarithmic else values
    low, high = float(scaled.min()), float(scaled.max())
    # Equal values get a range in which they, and numbers like them, can be told apart.
    extra = 0.02 * (high - low) if high > low else max(abs(low), 1.0) * 0.5
    edges = np.linspace(low - extra, high + extra, BINS + 1)
    return 10.0**edges if logarithmic else edges, logarithmic


def score_chart(system: str, section: ScoredSection) -> Chart:
    """Return the scores of one section: normal clips above the line, anomalies below it.

    One row a domain, on one scale of scores, with the threshold through all; with recordings of
    several lengths, those of the shortest and of the longest. Bars that overlap would mix their
    colours, so anomalies go downward.
    """
    edges, logarithmic = bins_of(section)
    labels = [label for label in _BARS if (section.labels == label).any()]
    counts = {
        group: {
            label: np.histogram(
                section.scores[(section.domains == group) & (section.labels == label)], edges
            )[0]
            for label in labels
        }
        for group in section.groups
    }
    most = max(int(count.max()) for of_group in counts.values() for count in of_group.values())
    heights = (1, 0, -1) if ANOMALY in labels else (1, 0)
    unit = _PANEL / (len(heights) - 1)  # height of the highest bar

    def draw(ax: Any) -> None:
        bases = [-number * (_PANEL + _GAP) / unit for number in range(len(counts))]
        ax.set_xscale("log" if logarithmic else "linear")
        ax.set_xlim(edges[0], edges[-1])
        ax.set_ylim(bases[-1] + heights[-1], 1 + _GAP / unit)
        ax.set_xlabel(f"anomaly score{' (log scale)' if logarithmic else ''}")
        ax.grid(axis="x")
        _scale(ax.xaxis)
        if logarithmic:
            _scale_ratios(ax.xaxis, edges[-1] / edges[0])
        at = [(base + height, str(abs(height) * most)) for base in bases for height in heights]
        ax.set_yticks(*zip(*at, strict=True))
        for base, (group, of_group) in zip(bases, counts.items(), strict=True):
            shares = {label: count / max(most, 1) for label, count in of_group.items()}
            _draw_bars(ax, edges, base, shares)
            ground = {"facecolor": LIGHT["card"], "edgecolor": "none", "pad": 0.5}
            here = {"transform": ax.get_yaxis_transform(), "weight": "bold", "bbox": ground}
            ax.text(1, base + 1 + 5 / unit, group or "all clips", ha="right", **here)
        _mark_cuts(ax, section.cuts)

    where = f"{section.machine} section {section.section}"
    label = f"Scores of system {system}, {where}. {' '.join(section.said_rates())}"
    height = len(counts) * (_PANEL + _GAP) + 60
    legend = [_BARS[label][-1] for label in labels]
    name = f"scores_{section.machine}_{section.section}_{system}"
    return Chart(f"{system}: {where}", label, height, draw, legend, top=20, name=name)


def _draw_bars(
    ax: Any, edges: NDArray[np.float64], base: float, shares: Mapping[str, NDArray[np.float64]]
) -> None:
    """Draw one domain's bars, 1 high at most, from a base on; 0 is that of the first domain."""
    for label, share in shares.items():
        token, sign, words = _BARS[label]
        paint = {"color": LIGHT[token], "clip_on": False, "label": "" if base else words}
        bars = base + sign * share
        ax.stairs(bars, edges, baseline=base, fill=True, linewidth=0, **paint)
    ax.axhline(base, color=LIGHT["edge"], linewidth=1)


def _scale_ratios(axis: Any, ratio: float) -> None:
    """Give a logarithmic axis, whose ends are of such a ratio, some round values."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 300 else (1,)))
    axis.set_minor_locator(NullLocator())


def _mark_cuts(ax: Any, cuts: Mapping[int, float]) -> None:
    """Draw the thresholds, by windows, through all rows, with words above the first."""
    for cut in cuts.values():
        ax.axvline(cut, color=LIGHT["ink"], linewidth=1.5)
    for fewest, cut in list(cuts.items())[:1]:
        words = f"threshold {short(cut)}"
        for most, last in list(cuts.items())[1:]:
            clips = f"{fewest} clip{'s' if fewest > 1 else ''}"
            words += f" ({clips}) to {short(last)} ({most} clips)"
        _write_above(ax, cut, words)


def _write_above(ax: Any, value: float, words: str) -> None:
    """Write words above the axes at a value, toward the side with more room."""
    scale = ax.xaxis.get_transform()
    end = scale.transform(value) > np.mean(scale.transform(ax.get_xlim()))
    place = {"xytext": (4 if end else -4, 5), "textcoords": "offset points"}
    over = ax.get_xaxis_transform()
    ax.annotate(words, (value, 1), xycoords=over, ha="right" if end else "left", **place)


def strip_chart(
    machine: str, groups: Mapping[str, NDArray[np.float64]], threshold: float, what: str
) -> Chart:
    """Return scores as dots, a row a group, with the threshold through all rows.

    Args:
        machine: the machine type.
        groups: by name, scores (n,); what begins with "normal" or ends with "normal" is normal.
        threshold: scores above it alarm.
        what: what the scores are, for the axis.
    """

    def draw(ax: Any) -> None:
        ax.set_ylim(0.5 - len(groups), 0.5)
        ax.set_yticks([-i for i in range(len(groups))], list(groups))
        ax.tick_params(axis="y", pad=8, labelcolor=LIGHT["ink"])
        ax.set_xlabel(what)
        ax.margins(x=0.04)
        ax.grid(axis="x")
        _scale(ax.xaxis)
        for number, (name, scores) in enumerate(groups.items()):
            # Spread over the row by their numbers, so that dots of equal scores can be seen.
            places = -number + 0.5 * ((np.arange(len(scores)) * 0.618) % 1 - 0.5)
            ax.plot(np.sort(scores), places, "o", markersize=5, mew=0, color=LIGHT[_token(name)])
        ax.axvline(threshold, color=LIGHT["ink"], linewidth=1.5)
        _write_above(ax, threshold, f"alarm above {short(threshold)}")

    said = ", ".join(f"{len(scores)} {name}" for name, scores in groups.items())
    label = f"Scores of {machine}: {said}; threshold {short(threshold)}"
    height = 34 * len(groups) + 62
    return Chart("How it scores", label, height, draw, left=104, top=20, name=f"scores_{machine}")


def trend_chart(
    machine: str,
    times: Sequence[Any],
    scores: NDArray[np.float64],
    kinds: Sequence[str],
    threshold: float,
    what: str,
) -> Chart:
    """Return scores (n,) over the times at which recordings were made, ascending.

    Args:
        machine: the machine type.
        times: (n,) datetimes.
        scores: (n,) of the recordings.
        kinds: (n,) ``"training"``, or what is known of new ones: a label, or ``""``.
        threshold: scores above it alarm.
        what: what the scores are, for the axis.
    """
    marks = {
        "normal, training": ("training",),
        "new, normal": (NORMAL,),
        "new, fault": (ANOMALY,),
        "new": ("",),
    }
    rows = {name: np.isin(kinds, of) for name, of in marks.items() if np.isin(kinds, of).any()}

    def draw(ax: Any) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

        places = date2num(times)
        ax.set_ylabel(what)
        ax.margins(x=0.03, y=0.08)
        ax.grid()
        locator = AutoDateLocator(minticks=3, maxticks=6)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        _scale(ax.yaxis, about=4)
        for name, of in rows.items():
            paint = {"color": LIGHT[_token(name)], "mew": 1.2, "markersize": 5, "label": name}
            fill = {"markerfacecolor": "none"} if name == "normal, training" else {}
            ax.plot(places[of], scores[of], "o", **paint, **fill)
        ax.axhline(threshold, color=LIGHT["ink"], linewidth=1.5)

    span = f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}"
    label = f"Scores of {machine} from {span}; threshold {short(threshold)}"
    name = f"trend_{machine}"
    return Chart("Over time", label, 230, draw, list(rows), left=56, name=name)


def _token(name: str) -> str:
    return "anomaly" if "fault" in name else "normal" if "normal" in name else "accent"


def line_chart(machine: str, column: str, lines: Mapping[str, Line], order: Sequence[str]) -> Chart:
    """Return training curves by name; values that are not finite leave a line's end open.

    Args:
        machine: the machine type.
        column: what the values are.
        lines: (xs, ys) by model.
        order: every model, which fixes the line of each.
    """
    words = column.replace("_", " ")

    def draw(ax: Any) -> None:
        for name, (xs, ys) in lines.items():
            finite = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
            style = _line(order.index(name)) | {"label": _cut(name, 42), "clip_on": False}
            marker = "o" if len(finite) == 1 else ""
            ax.plot(*zip(*finite, strict=True), marker=marker, markersize=6, **style)
        ax.margins(x=0, y=0.05)
        ax.set(xlabel="epoch", ylabel=words)
        ax.grid()
        _scale(ax.xaxis, whole=True)
        _scale(ax.yaxis, about=4)

    label = f"{machine}: {words} by epoch, for the models {', '.join(lines)}"
    legend, name = [_cut(name, 42) for name in lines], f"training_{machine}_{column}"
    return Chart(words.capitalize(), label, 210, draw, legend, left=56, name=name)


def map_chart(key: Key, model: str, placed: Map) -> Chart:
    """Return the test clips of a section as dots (normal) and crosses (anomalous), as in Fig. 2.

    Clips of the target domain are rings and upright crosses. The axes have no unit, so there are
    none.
    """
    target = placed.domains == "target"
    marks = []
    for label, away, token, marker, words in (
        (NORMAL, False, "normal", "o", "normal"),
        (NORMAL, True, "normal", "o", "normal"),
        (ANOMALY, False, "anomaly", "x", "anomalous"),
        (ANOMALY, True, "anomaly", "+", "anomalous"),
        ("", None, "edge", "o", "unlabelled"),
    ):
        rows = (placed.labels == label) & ((target == away) | (away is None))
        said = f"{words}, {'target' if away else 'source'}" if target.any() and label else words
        if rows.any():
            hollow = away and label == NORMAL
            paint = {"color": LIGHT[token], "mew": 1.4 if hollow or label == ANOMALY else 0}
            fill = {"markerfacecolor": "none"} if hollow else {}
            marks.append((said, rows, {"marker": marker, "markersize": 6.4, **paint, **fill}))

    def draw(ax: Any) -> None:
        ax.set_axis_off()
        ax.margins(0.04)
        for said, rows, style in marks:
            ax.plot(*placed.places[rows].T, linestyle="none", label=said, clip_on=False, **style)

    label = (
        f"t-SNE of the embeddings of model {model}, {key[0]} section {key[1]}:"
        f" {int((placed.labels == NORMAL).sum())} normal clips,"
        f" {int((placed.labels == ANOMALY).sum())} anomalous"
    )
    title = f"{model}: section {key[1]}"
    legend, name = [said for said, *_ in marks], f"tsne_{key[0]}_{key[1]}_{model}"
    return Chart(title, label, 250, draw, legend, left=12, bottom=12, name=name)


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def training_charts(material: Material, machine: str) -> list[Chart]:
    """Return the training curves of the models of the shown systems, a chart a quantity."""
    facts = [material.systems[name] for name in material.lines if name in material.systems]
    models = [*dict.fromkeys(model for one in facts for model in one.model.split(" + "))][:LINES]
    return [
        line_chart(machine, column, of_models, models)
        for column, lines in material.training_lines(machine).items()
        if (of_models := {name: line for name, line in lines.items() if name in models})
    ]


def section_roc(material: Material, key: Key) -> Chart | None:
    """Return the ROC curves of one section, of the shown systems; None where it has none."""
    shown = dict.fromkeys((*material.lines, material.shown_system(key[0])))
    curves = {name: of[key] for name in shown if key in (of := material.curves.get(name, {}))}
    systems = material.results.systems
    areas = {
        name: systems[name].sections.get(key, {}).get("auc", math.nan)
        if name in systems
        else math.nan
        for name in curves
    }
    return roc_chart(key, curves, list(shown), areas) if curves else None

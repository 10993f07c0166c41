"""The same charts as PNG files in one folder, for papers and slides (matplotlib, no display)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from asd.report.charts import bins_of
from asd.report.maps import Map
from asd.report.material import Material
from asd.report.results import Key, Line
from asd.report.scores import ANOMALY, NORMAL, Curve, ScoredSection
from asd.report.style import DASHES, LIGHT

_DPI = 150
_ACROSS = 4  # panels of training curves side by side
_STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.edgecolor": LIGHT["edge"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT["hair"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def roc_picture(path: Path, machine: str, curves: Mapping[str, Mapping[Key, Curve]]) -> None:
    """Draw a machine's ROC curves: a panel a section, a line a system.

    Args:
        path: the PNG file to write.
        machine: the machine type.
        curves: by system, then by (machine, section); at least one.
    """
    sections = sorted({key for of_system in curves.values() for key in of_system})
    with _drawing(path, 1, len(sections)) as (figure, axes):
        for ax, key in zip(axes[0], sections, strict=True):
            ax.plot([0, 1], [0, 1], color=LIGHT["edge"], linewidth=0.8, linestyle=":")
            for number, (name, of_system) in enumerate(curves.items()):
                if key in of_system:
                    ax.plot(of_system[key].fpr, of_system[key].tpr, label=name, **_line(number))
            ax.set_title(f"{machine} section {key[1]}")
            ax.set_xlabel("false positive rate")
        axes[0][0].set_ylabel("true positive rate")
        _legend(figure, axes)


def score_picture(path: Path, sections: Mapping[str, Sequence[ScoredSection]]) -> None:
    """Draw a machine's scores by label, with thresholds: a row a system, a column a section."""
    most = max(map(len, sections.values()))
    with _drawing(path, len(sections), most, height=1.9) as (figure, axes):
        for row, (name, of_system) in zip(axes, sections.items(), strict=True):
            for ax, section in zip(row, of_system, strict=False):
                _histogram(ax, section)
                ax.set_title(f"{name}: {section.machine} section {section.section}")
            row[0].set_ylabel("clips")
        _legend(figure, axes)


def line_picture(path: Path, panels: Mapping[str, Mapping[str, Line]]) -> None:
    """Draw training curves: a panel a quantity, a line a model."""
    order = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    rows = -(-len(panels) // _ACROSS)
    with _drawing(path, rows, min(len(panels), _ACROSS), height=2.4) as (figure, axes):
        for ax, (quantity, lines) in zip(axes.flat, panels.items(), strict=False):
            for name, (xs, ys) in lines.items():
                ax.plot(xs, ys, label=name, **_line(order.index(name)))
            ax.set_title(quantity)
            ax.set_xlabel("epoch")
        _legend(figure, axes)


def map_picture(path: Path, maps: Mapping[str, Mapping[str, Map]]) -> None:
    """Draw embeddings as the paper's Fig. 2: a row a model, a column a section."""
    sections = sorted({section for of_model in maps.values() for section in of_model})
    with _drawing(path, len(maps), len(sections)) as (figure, axes):
        for row, (name, of_model) in zip(axes, maps.items(), strict=True):
            for ax, section in zip(row, sections, strict=True):
                ax.set_title(f"{name}: section {section}")
                ax.set_xticks([])
                ax.set_yticks([])
                if section in of_model:
                    _scatter(ax, of_model[section])
        _legend(figure, axes)


@contextmanager
def _drawing(path: Path, rows: int, columns: int, height: float = 3.0) -> Iterator[tuple[Any, Any]]:
    """Yield a figure and its axes (rows, columns), and save it when the block is done."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        size = (3.1 * columns + 0.3, height * rows + 0.5)
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        # matplotlib would write its version into the file.
        figure.savefig(path, format="png", metadata={"Software": None})


def _histogram(ax: Any, section: ScoredSection) -> None:
    bins = bins_of(section)
    edges = bins.edges
    ax.set_xscale("log" if bins.logarithmic else "linear")
    # Anomalies downward, as in the report: bars that overlap would mix their colours.
    for label, colour, sign in ((NORMAL, "normal", 1), (ANOMALY, "anomaly", -1), ("", "edge", 1)):
        counts, _ = np.histogram(section.scores[section.labels == label], edges)
        if counts.any():
            style = {"align": "edge", "color": LIGHT[colour], "label": label or "unknown"}
            ax.bar(edges[:-1], sign * counts, np.diff(edges), **style)
    ax.axhline(0, color=LIGHT["edge"], linewidth=0.8)
    ax.yaxis.set_major_formatter(lambda count, _: f"{abs(count):g}")
    for number, cut in enumerate(section.cuts.values()):
        label = "" if number else "threshold"
        ax.axvline(cut, color=LIGHT["ink"], linewidth=1.2, label=label)


def _scatter(ax: Any, placed: Map) -> None:
    for domain, filled in (("source", True), ("target", False), ("", True)):
        words = f" ({domain})" if domain else ""
        of_domain = placed.domains == domain
        for label, colour, marker in (
            (NORMAL, "normal", "o"),
            (ANOMALY, "anomaly", "x" if filled else "+"),
            ("", "edge", "."),
        ):
            x, y = placed.places[of_domain & (placed.labels == label)].T
            if len(x):
                hollow = {"facecolors": "none"} if label == NORMAL and not filled else {}
                paint = {"edgecolors": LIGHT[colour]} if hollow else {"color": LIGHT[colour]}
                style = {"s": 14, "linewidths": 1.0, "marker": marker, **paint, **hollow}
                ax.scatter(x, y, label=f"{label or 'unknown'}{words}", **style)


def _line(number: int) -> dict[str, Any]:
    """Return the colour and dashes of one of several lines, as in the report."""
    place = number % len(DASHES)
    dashes = DASHES[place]
    style = "-" if dashes == "none" else (0, tuple(float(part) for part in dashes.split()))
    return {"color": LIGHT[f"s{place}"], "linestyle": style, "linewidth": 1.4}


def _legend(figure: Any, axes: Any) -> None:
    """Put one legend for all panels below them."""
    entries: dict[str, Any] = {}
    for ax in axes.flat:
        handles, labels = ax.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
        if not ax.has_data():
            ax.set_axis_off()
    if entries:
        columns = max(1, min(len(entries), 2 * axes.shape[1]))
        figure.legend(
            list(entries.values()), list(entries), loc="outside lower center", ncols=columns
        )


def draw_pictures(folder: Path, material: Material) -> list[Path]:
    """Draw the pictures of every machine, and remove those of machines that are gone.

    Returns:
        The files: ``<kind>_<machine>.png``, the kinds being ``roc``, ``scores``, ``training`` and
        ``tsne``; a kind without data is left out.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [path for machine in material.machines for path in _machine(folder, material, machine)]
    for old in folder.glob("*.png"):
        if old not in drawn:
            old.unlink()
    return drawn


def _machine(folder: Path, material: Material, machine: str) -> Iterator[Path]:
    def path(kind: str) -> Path:
        return folder / f"{kind}_{machine}.png"

    curves = {
        name: {key: curve for key, curve in of_system.items() if key[0] == machine}
        for name, of_system in material.curves.items()
    }
    if any(curves.values()):
        roc_picture(path("roc"), machine, curves)
        yield path("roc")
    scored = {name: material.scored(name, machine) for name in material.scores}
    scored = {name: sections for name, sections in scored.items() if sections}
    if scored:
        score_picture(path("scores"), scored)
        yield path("scores")
    panels = material.training_lines(machine)
    if panels:
        line_picture(path("training"), panels)
        yield path("training")
    maps = {
        model: of_model for model, of_model in material.maps.get(machine, {}).items() if of_model
    }
    if maps:
        map_picture(path("tsne"), maps)
        yield path("tsne")

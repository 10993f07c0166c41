"""The picture of an explanation, as PNG, SVG or PDF (matplotlib, without a display)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from asd.atomic import replacing
from asd.detection.explanation import Explanation
from asd.errors import UsageError

_DPI = 150
_INK, _QUIET, _EDGE = "#1b2024", "#565e66", "#82898f"
_STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": _EDGE,
    "text.color": _INK,
    "axes.labelcolor": _QUIET,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
}
_TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


FORMATS = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}
"""The formats of pictures, and what is left out of each, so that the same picture is the same."""


def picture_format(path: Path) -> str:
    """Return the format that a file's suffix says.

    Raises:
        UsageError: it is none of :data:`FORMATS`.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        known = ", ".join(f".{one}" for one in FORMATS)
        raise UsageError(f"{path}: a picture is one of {known}, by its suffix")
    return kind


def write_picture(path: Path, found: Explanation) -> None:
    """Draw the two log-mels, their difference and the occlusion map.

    Args:
        path: the file to write, whole or not at all; its suffix says in which of :data:`FORMATS`.
        found: what to draw.

    Raises:
        UsageError: another suffix.
        JobError: the file cannot be written.
    """
    kind = picture_format(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    level = f"level ({found.unit})"
    low, high = np.percentile([found.clip, found.normal], [1, 99.8])
    difference = found.clip - found.normal
    reach = max(float(np.percentile(np.abs(difference), 99.5)), 1e-6)
    most = max(float(np.abs(found.drops).max()), 1e-12)
    with mpl.rc_context(_STYLE), replacing(path) as beside:
        figure = Figure(figsize=(10.0, 6.4), dpi=_DPI, layout="constrained")
        axes = figure.subplots(2, 2, sharex=True, sharey=True)
        panels = (
            (axes[0, 0], found.clip, f"This recording: {_short(found.prediction.name)}",
             "magma", low, high, level),
            (axes[0, 1], found.normal, f"Nearest normal clip: {_short(found.nearest)}",
             "magma", low, high, level),
            (axes[1, 0], difference, "Difference: this recording less the normal clip",
             "RdBu_r", -reach, reach, f"difference ({found.unit})"),
            (axes[1, 1], _spread(found), "What the score is made of",
             "PuOr_r", -most, most, "fall of the score when replaced"),
        )  # fmt: skip
        for ax, values, title, colours, least, largest, label in panels:
            image = ax.imshow(
                values, cmap=colours, vmin=least, vmax=largest, origin="lower", aspect="auto",
                interpolation="nearest", extent=(0, found.seconds, 0, len(values)),
            )  # fmt: skip
            ax.set_title(title)
            figure.colorbar(image, ax=ax, label=label, pad=0.02)
        for ax in axes[1]:
            ax.set_xlabel("time (s)")
        for ax in axes[:, 0]:
            ax.set_ylabel("frequency (kHz)")
        _frequency_ticks(axes[0, 0], found.grid.hertz)
        figure.suptitle(_headline(found), x=0.01, ha="left", fontsize=10.5)
        figure.savefig(beside, format=kind, metadata={FORMATS[kind]: None})


def _spread(found: Explanation) -> np.ndarray:
    """Return the map (F, T) with each block's fall in all of its bins."""
    grid = found.grid
    by_band = np.repeat(found.drops, np.diff(grid.bands), axis=0)
    return np.repeat(by_band, np.diff(grid.spans), axis=1)


def _frequency_ticks(ax: Any, hertz: np.ndarray) -> None:
    shown = [tick for tick in _TICKS_HZ if hertz[0] <= tick <= hertz[-1] * 1.05]
    ax.set_yticks(np.interp(shown, hertz, np.arange(len(hertz))))
    ax.set_yticklabels([f"{tick / 1000:g}" for tick in shown])


def _headline(found: Explanation) -> str:
    one = found.prediction
    verdict = "anomalous" if one.anomalous else "normal"
    line = (
        f"{verdict}: score {one.score:.4g}, threshold {one.threshold:.4g}, p {one.p_value:.2g},"
        f" section {one.section}"
    )
    if one.windows > 1:
        line += f"; the clip from {one.start:.1f} s of {one.windows} clips"
    if one.members:
        highest = [f"{name} {value:.1f}" for name, value in one.members.items()][:2]
        line += f"; highest {', '.join(highest)}"
    if found.passed_over:
        line += f"; {found.passed_over} nearer clips are not stored"
    return line


def _short(name: str, most: int = 36) -> str:
    """Return the last part of a path, its middle left out if it is long."""
    name = Path(name).name
    if len(name) <= most:
        return name
    half = (most - 1) // 2
    return f"{name[:half]}…{name[-half:]}"

"""How predictions are printed: as a table, as CSV or as JSON, line by line as they come."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from asd.cli.output import counted, say

if TYPE_CHECKING:
    from asd.detection.detector import Prediction

Style = Literal["table", "csv", "json", "lines"]
_FORMULA = ("=", "+", "-", "@")
_WORDS = {False: "normal", True: "anomalous"}


class Printer(ABC):
    """Prints predictions as they come."""

    @abstractmethod
    def one(self, found: Prediction) -> None:
        """Print one."""

    @abstractmethod
    def end(self, title: str, thresholds: Mapping[str, float]) -> None:
        """Print what comes last.

        Args:
            title: machine and system.
            thresholds: of the sections.
        """


def printer(style: Style, names: Sequence[str], sections: int) -> Printer:
    """Return what prints in a style.

    Args:
        style: ``table``, ``csv``, ``json`` (one array) or ``lines`` (one JSON object a line).
        names: of the recordings that will come, as far as they are known.
        sections: how many sections they may be of.
    """
    if style == "table":
        return _Table(max(map(len, names), default=24), sections > 1)
    if style == "csv":
        return _Csv()
    return _Json(whole=style == "json")


class _Table(Printer):
    """Aligned columns, and a summary."""

    def __init__(self, width: int, with_section: bool) -> None:
        self._width, self._with_section = max(width, len("recording")), with_section
        self._seen = self._anomalous = 0
        self._of_several: dict[tuple[str, int], float] = {}

    def one(self, found: Prediction) -> None:
        if not self._seen:
            click.echo(self._row("recording", "section", "score", "p", "", "nearest training clip"))
        self._seen += 1
        self._anomalous += found.anomalous
        nearest = found.nearest or "-"
        if found.anomalous and found.members:
            nearest += f"  (most unusual: {next(iter(found.members))})"
        if found.level:
            nearest += f"  ({found.level})"
        if found.windows > 1:
            nearest += f"  (at {found.start:.0f} s)"
            self._of_several[found.section, found.windows] = found.threshold
        click.echo(
            self._row(
                found.name,
                found.section,
                f"{found.score:.4f}",
                f"{found.p_value:.3f}",
                _WORDS[found.anomalous],
                nearest,
            )
        )

    def end(self, title: str, thresholds: Mapping[str, float]) -> None:
        if not self._seen:
            return
        if len(thresholds) == 1:
            limits = f"threshold {next(iter(thresholds.values())):.4f}"
        else:
            listed = ", ".join(f"{name}: {value:.4f}" for name, value in thresholds.items())
            limits = f"thresholds {listed}"
        limits += self._longer(thresholds)
        anomalous = f"{self._anomalous:,} anomalous"
        say(f"{title}: {counted(self._seen, 'recording')}, {anomalous} ({limits})", as_json=False)

    def _longer(self, thresholds: Mapping[str, float]) -> str:
        """Return the thresholds of the recordings of most windows, where others than of one."""
        most = dict(sorted(self._of_several.items()))  # the last of a section is of its longest
        longest = {section: (windows, value) for (section, windows), value in most.items()}
        return "".join(
            f"; {f'{section}: ' if len(thresholds) > 1 else ''}{value:.4f} for {windows} clips"
            for section, (windows, value) in longest.items()
            if value != thresholds[section]
        )

    def _row(self, name: str, section: str, *rest: str) -> str:
        score, p_value, word, nearest = rest
        middle = f"  {section:>7}" if self._with_section else ""
        return f"{name:<{self._width}}{middle}  {score:>9}  {p_value:>5}  {word:<9}  {nearest}"


class _Csv(Printer):
    """A header and a row each; numbers in the shortest digits that read back equal."""

    def __init__(self) -> None:
        self._begun = False

    def one(self, found: Prediction) -> None:
        text = io.StringIO()
        row: dict[str, Any] = {**asdict(found), "anomalous": int(found.anomalous)}
        del row["members"]  # a mapping is no cell
        # A spreadsheet takes a file `=x.wav` for a formula, and not the same file as `./=x.wav`.
        row |= {k: f"./{v}" for k, v in row.items() if isinstance(v, str) and v[:1] in _FORMULA}
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        if not self._begun:
            writer.writeheader()
            self._begun = True
        writer.writerow(row)
        click.echo(text.getvalue(), nl=False)

    def end(self, title: str, thresholds: Mapping[str, float]) -> None:
        """CSV has no end."""


class _Json(Printer):
    """One array at the end, or an object a line. JSON has no infinity: such a threshold is null."""

    def __init__(self, whole: bool) -> None:
        self._whole = whole
        self._rows: list[dict[str, object]] = []

    def one(self, found: Prediction) -> None:
        row = asdict(found)
        if found.threshold == float("inf"):
            row["threshold"] = None
        if self._whole:
            self._rows.append(row)
        else:
            click.echo(json.dumps(row))

    def end(self, title: str, thresholds: Mapping[str, float]) -> None:
        if self._whole:
            click.echo(json.dumps(self._rows, indent=2))

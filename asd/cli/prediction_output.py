"""How predictions are printed: as a table, as CSV or as JSON, line by line as they come."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from asd.cli.output import counted, say
from asd.clips.scan import printable

if TYPE_CHECKING:
    from asd.detection.detector import Prediction

Style = Literal["table", "csv", "json"]
_FORMULA = ("=", "+", "-", "@")
_WORDS = {False: "normal", True: "anomalous"}


class Printer(ABC):
    """Prints predictions as they come."""

    @abstractmethod
    def one(self, found: Prediction) -> None:
        """Print one."""

    @abstractmethod
    def end(self, title: str) -> None:
        """Print what comes last; ``title`` names machine and system."""


def p_text(found: Prediction) -> str:
    """Return a p-value, and that it may be less where so few training clips tell no less."""
    floor = found.p_value <= found.least_p
    return f"< {found.least_p:.3f}" if floor else f"{found.p_value:.3f}"


def reason_text(found: Prediction) -> str:
    """Return what a decision rests on, in one sentence."""
    like = f"like {found.nearest}" if found.nearest else ""
    if found.fault:
        like = f"like the known fault {found.fault}"
    if not found.anomalous:
        return like
    unusual = f"most unusual: {next(iter(found.members))}" if found.members else ""
    why = found.reason or unusual
    if found.windows > 1 and not found.reason:
        why = f"{why}, from {found.start:g} s on".removeprefix(", ")
    if found.reason and found.members:
        why += f" ({next(iter(found.members))})"
    return f"{why}; {like}" if found.fault and why else why or like


def printer(style: Style, names: Sequence[str], sections: int) -> Printer:
    """Return what prints in a style.

    Args:
        style: ``table``, ``csv`` or ``json``.
        names: of the recordings that will come, as far as they are known.
        sections: how many sections they may be of.
    """
    if style == "table":
        return _Table(max((len(printable(name)) for name in names), default=24), sections > 1)
    if style == "csv":
        return _Csv()
    return _Json()


class _Table(Printer):
    """Aligned columns, and a summary."""

    def __init__(self, width: int, with_section: bool) -> None:
        self._width, self._with_section = max(width, len("recording")), with_section
        self._seen = self._anomalous = self._missed = 0

    def one(self, found: Prediction) -> None:
        if not self._seen:
            click.echo(self._row("recording", "section", "score", "threshold", "p", "", "reason"))
        self._seen += 1
        self._anomalous += found.anomalous
        self._missed += bool(found.fault) and not found.anomalous
        said = [one.text for one in found.remarks]
        if found.level and not {"louder", "quieter"} & {one.code for one in found.remarks}:
            said.append(found.level)
        text = "; ".join(said)
        click.echo(
            self._row(
                printable(found.name),
                found.section,
                f"{found.score:.4f}",
                f"{found.threshold:.4f}",
                p_text(found),
                _WORDS[found.anomalous],
                reason_text(found) + (f"  [{text}]" if text else ""),
            )
        )

    def end(self, title: str) -> None:
        if self._seen:
            anomalous = f"{self._anomalous:,} anomalous"
            say(f"{title}: {counted(self._seen, 'recording')}, {anomalous}")
        if self._missed:
            what = f"{self._missed:,} below the threshold, but like a known fault"
            say(f"{what}: 'asd threshold --find-faults' lowers it")

    def _row(self, name: str, section: str, *rest: str) -> str:
        score, threshold, p_value, word, why = rest
        middle = f"  {section:>7}" if self._with_section else ""
        numbers = f"{score:>9}  {threshold:>9}  {p_value:>7}"
        return f"{name:<{self._width}}{middle}  {numbers}  {word:<9}  {why}".rstrip()


class _Csv(Printer):
    """A header and a row each; numbers in the shortest digits that read back equal."""

    def __init__(self) -> None:
        self._begun = False

    def one(self, found: Prediction) -> None:
        text = io.StringIO()
        row: dict[str, Any] = {**asdict(found), "anomalous": int(found.anomalous)}
        del row["members"]  # a mapping is no cell
        row["remarks"] = "; ".join(one.text for one in found.remarks)
        # A spreadsheet takes a file `=x.wav` for a formula, and not the same file as `./=x.wav`.
        row |= {k: f"./{v}" for k, v in row.items() if isinstance(v, str) and v[:1] in _FORMULA}
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        if not self._begun:
            writer.writeheader()
            self._begun = True
        writer.writerow(row)
        click.echo(text.getvalue(), nl=False)

    def end(self, title: str) -> None:
        """CSV has no end."""


class _Json(Printer):
    """One array at the end. JSON has no infinity: such a threshold is null."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def one(self, found: Prediction) -> None:
        row = asdict(found)
        if found.threshold == float("inf"):
            row["threshold"] = None
        self._rows.append(row)

    def end(self, title: str) -> None:
        click.echo(json.dumps(self._rows, indent=2))

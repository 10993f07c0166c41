"""The small CSV files of the challenge: their names, and reading them whatever wrote them."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from asd.errors import JobError

T = TypeVar("T")

SHOWN = 10  # lines of a kind that are shown before the rest is only counted

# anomaly_score_fan_section_00_test.csv (2022 on), ..._section_00_source_test.csv (2021),
# ..._id_05.csv (2020), ..._DCASE2023T2fan_section_00_test_seed1_Eval.csv (baseline of 2023 on).
_NAME = re.compile(
    r"(?P<kind>anomaly_score|decision_result|ground_truth)_(?:DCASE\d{4}T2)?(?P<machine>.+)"
    r"_(?:section|id)_(?P<section>\d+)(?:_(?P<domain>source|target))?(?:_test.*)?\.csv"
)


@dataclass(frozen=True)
class FileName:
    """What the name of a result or ground truth file says.

    Attributes:
        kind: ``"anomaly_score"``, ``"decision_result"`` or ``"ground_truth"``.
        machine: machine type.
        section: section, as digits.
        domain: ``"source"`` or ``"target"`` where the name gives it (2021), else ``""``.
    """

    kind: str
    machine: str
    section: str
    domain: str

    @classmethod
    def parse(cls, name: str) -> FileName | None:
        """Return what a base name says, or None if it is not such a file's."""
        found = _NAME.fullmatch(name)
        return cls(**found.groupdict(default="")) if found else None


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A value read from a line of a file."""

    path: Path
    line: int
    value: T

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}"


class Problems:
    """Collects what is wrong with the files, so that one run names all of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Note one problem."""
        self.lines.append(line)

    def check(self) -> None:
        """Stop if anything is wrong.

        Raises:
            JobError: one line a problem, the first ten of them and the count of the rest.
        """
        if not self.lines:
            return
        shown = self.lines[:SHOWN]
        hidden = len(self.lines) - len(shown)
        rest = [f"... and {hidden} more problem{'s' if hidden > 1 else ''}"] if hidden else []
        raise JobError("\n".join(shown + rest))


def read_rows(path: Path, problems: Problems) -> list[Entry[list[str]]]:
    """Read a CSV file, tolerant of how it was saved.

    Commas or tabs, quoted or not, LF or CRLF, with or without a byte order mark; blank lines and
    blanks around a value are dropped.

    Returns:
        The cells of each line that is not blank; empty if the file cannot be read, which is noted
        in ``problems``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.add(f"{path}: cannot be read: {reason}; write it again")
        return []
    delimiter = "\t" if "\t" in text.lstrip().partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    read = 0
    try:
        for cells in reader:
            read = reader.line_num
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                rows.append(Entry(path, read, stripped))
    except csv.Error as error:
        # An open quote runs on to the end of the file; the line it began on is the one to mend.
        problems.add(f"{path}, line {read + 1}: not CSV ({error}); write the file again")
        return []
    if not rows:
        problems.add(f"{path}: it is empty; write it again")
    return rows


def read_values(path: Path, parse: Callable[[str], T], problems: Problems) -> dict[str, Entry[T]]:
    """Read a file of clip names and values, without a header.

    Args:
        path: the file.
        parse: turns the text of a value into the value; its ValueError says what is wrong.
        problems: takes each fault, named with file and line.

    Returns:
        Each clip's value, without the lines that are at fault.
    """
    entries: dict[str, Entry[T]] = {}
    for row in read_rows(path, problems):
        if len(row.value) != 2:
            problems.add(
                f"{row}: a line is <clip name>,<value>; this one has {len(row.value)} parts"
            )
            continue
        name, text = row.value
        if name in entries:
            problems.add(f"{row}: clip '{name}' is also on line {entries[name].line}; keep one")
            continue
        try:
            entries[name] = Entry(path, row.line, parse(text))
        except ValueError as error:
            problems.add(f"{row}: clip '{name}': {error}")
    return entries


def merged(parts: list[dict[str, Entry[T]]], problems: Problems) -> Mapping[str, Entry[T]]:
    """Join the files of one section; a clip in two of them is a problem."""
    whole: dict[str, Entry[T]] = {}
    for part in parts:
        for name in sorted(whole.keys() & part.keys()):
            problems.add(f"{part[name]}: clip '{name}' is also in {whole[name]}; keep one")
        whole.update(part)
    return whole


def parse_score(text: str) -> float:
    """Return an anomaly score.

    Raises:
        ValueError: it is no number, or not a finite one.
    """
    try:
        # Python's float takes 1_000; no other reader of these files does.
        score = float(text if "_" not in text else "no number")
    except ValueError:
        raise ValueError(f"score '{text}' is not a number") from None
    if not math.isfinite(score):
        raise ValueError(f"score '{text}' is not finite")
    return score


def parse_flag(text: str) -> bool:
    """Return a decision, label or domain, written as 0 or 1.

    Raises:
        ValueError: it is anything else.
    """
    flags = {"0": False, "1": True, "0.0": False, "1.0": True}
    if text not in flags:
        raise ValueError(f"'{text}' is neither 0 nor 1")
    return flags[text]

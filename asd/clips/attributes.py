"""The challenge's tables of attributes: ``attributes_<section>.csv`` in a machine's folder."""

from __future__ import annotations

import csv
from pathlib import Path

from asd.clips.grammar import HIDDEN
from asd.errors import UsageError


def read_attributes(folder: Path) -> dict[tuple[str, str], str]:
    """Read the attribute tables of one machine.

    A table's columns are ``file_name,d1p,d1v[,d2p,d2v...]``, the name of each attribute before its
    value, and a file's name is ``<machine>/<split folder>/<base name>``.

    Args:
        folder: the machine's folder.

    Returns:
        (split folder, base name) -> ``key=value`` joined by ``;``; clips without attributes, or
        with hidden ones, have ``""``.

    Raises:
        UsageError: a table that is not one of these.
    """
    attributes: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("attributes_[0-9][0-9].csv")):
        for line, row in enumerate(_rows(path), start=2):
            if not any(cell.strip() for cell in row):
                continue
            place = row[0].strip().split("/")
            if len(place) < 2:
                raise UsageError(
                    f"{path}, line {line}: '{row[0]}' is not <machine>/<split>/<file>; "
                    "correct the line or remove the table"
                )
            attributes[place[-2], place[-1]] = _pairs(path, line, row[1:])
    return attributes


def _rows(path: Path) -> list[list[str]]:
    """Return the rows below the heading."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV ({error}); remove it or mend it") from None
    if not rows or not rows[0] or rows[0][0].strip() != "file_name":
        raise UsageError(
            f"{path}: its first column is not 'file_name'; remove the table or mend it"
        )
    return rows[1:]


def _pairs(path: Path, line: int, cells: list[str]) -> str:
    """Join the cells d1p, d1v, d2p, d2v... of one clip; a pair without a name or value is none."""
    cells = [cell.strip() for cell in cells]
    for cell in cells:
        if any(mark in cell for mark in ";=\n\r"):
            raise UsageError(f"{path}, line {line}: attribute {cell!r} may not hold ';' or '='")
    pairs = zip(cells[::2], cells[1::2], strict=False)  # an odd last cell has no value
    return ";".join(f"{key}={value}" for key, value in pairs if key and value and key != HIDDEN)

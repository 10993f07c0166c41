"""The clip table: one row a clip, the same columns from the index to the scores.

Every room that speaks of clips carries this table or columns of it: the index is made of its rows,
a shard and a bank hold it beside their values, and scores are joined by it. What a clip's recording
is, and where in it the clip begins, are columns; nothing is read back out of a name.

A clip that is one of the windows of a long recording is *named* by where it begins, in the form of
a W3C media fragment, ``long.wav#t=20`` (Media Fragments URI 1.0, section 4.2). That name is what a
person reads and types.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

TEXTS = ("name", "recording", "section", "split", "domain", "label", "attributes", "content")
COLUMNS = (*TEXTS, "start")
TRUTH = ("domain", "label", "attributes")
"""What a scorer may not see of test clips."""


class Row(Protocol):
    """What a row of the table is made of; a clip of the index is one."""

    @property
    def name(self) -> str: ...
    @property
    def recording(self) -> str: ...
    @property
    def section(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def domain(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def attributes(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def start(self) -> int: ...


def _texts(column: str) -> cached_property[tuple[str, ...]]:
    """Return the property of a column of texts, which are decoded when they are first asked for."""
    return cached_property(
        lambda table: tuple(np.char.decode(table.rows[column], "utf-8").tolist())
    )


class ClipTable:
    """The table of N clips, by column.

    Args:
        rows: (N,) structured array with the fields :data:`COLUMNS`: bytes in UTF-8, and ``start``
            as int32. Further fields are left out.

    Attributes:
        name: (N,) the clips' names, unique among the clips of one machine and split.
        recording: (N,) the name of the recording that each is of; its own name where it is whole.
        start: (N,) int32, the sample at the used rate at which it begins in its recording.
        section: (N,) such as ``"00"``.
        split: (N,) ``"train"``, ``"test"`` or ``"supplemental"``.
        domain: (N,) ``"source"``, ``"target"`` or ``""``.
        label: (N,) ``"normal"``, ``"anomaly"``, ``"noise"`` or ``""``.
        attributes: (N,) operating attributes as ``key=value`` joined by ``;``.
        content: (N,) what identifies the samples (:func:`content_digest`), hexadecimal.
    """

    name = _texts("name")
    recording = _texts("recording")
    section = _texts("section")
    split = _texts("split")
    domain = _texts("domain")
    label = _texts("label")
    attributes = _texts("attributes")
    content = _texts("content")

    def __init__(self, rows: np.ndarray) -> None:
        if rows.dtype.names is None or not set(COLUMNS) <= set(rows.dtype.names):
            raise ValueError(f"the clips table has the columns {rows.dtype.names}, not {COLUMNS}")
        self._rows = rows

    @classmethod
    def of(cls, clips: Iterable[Row]) -> ClipTable:
        """Return the table of clips, in their order; texts take the width that they need."""
        listed = list(clips)
        columns: dict[str, Sequence[object]] = {
            column: [getattr(clip, column) for clip in listed] for column in COLUMNS
        }
        return cls.of_columns(columns)

    @classmethod
    def of_columns(cls, columns: Mapping[str, Sequence[object]]) -> ClipTable:
        """Return the table of columns (N,) by name; a missing one is empty, or 0."""
        count = max(map(len, columns.values()), default=0)
        encoded = {
            column: _encoded(columns.get(column, ("",) * count))  # type: ignore[arg-type]
            for column in TEXTS
        }
        layout = [(column, f"S{max(texts.itemsize, 1)}") for column, texts in encoded.items()]
        rows = np.zeros(count, np.dtype([*layout, ("start", "<i4")]))
        for column, texts in encoded.items():
            rows[column] = texts
        rows["start"] = columns.get("start", 0)
        return cls(rows)

    @classmethod
    def joined(cls, tables: Sequence[ClipTable]) -> ClipTable:
        """Return the rows of several tables, one table after the other."""
        return cls(np.concatenate([table._rows[list(COLUMNS)] for table in tables]))

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClipTable):
            return NotImplemented
        return len(self) == len(other) and all(
            np.array_equal(self._rows[column], other._rows[column]) for column in COLUMNS
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def rows(self) -> np.ndarray:
        """The structured array (N,)."""
        return self._rows

    def column(self, name: str) -> tuple[str, ...] | np.ndarray:
        """Return one column (N,): texts, or the starts as int32."""
        found: tuple[str, ...] | np.ndarray = getattr(self, name)
        return found

    @property
    def start(self) -> np.ndarray:
        found: np.ndarray = self._rows["start"]
        return found

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that have clips, sorted."""
        return tuple(sorted(set(self.section)))

    def only(self, rows: np.ndarray) -> ClipTable:
        """Return some of the clips, by a mask (N,) or by their numbers (n,)."""
        return ClipTable(self._rows[rows])

    def without_truth(self) -> ClipTable:
        """Return the table as a scorer may see test clips: no domain, label or attributes."""
        rows = self._rows[list(COLUMNS)].copy()
        for column in TRUTH:
            rows[column] = b""
        return ClipTable(rows)


def window_name(recording: str, seconds: float) -> str:
    """Return the name of the window that begins ``seconds`` after a recording's start.

    Example:
        >>> window_name("long.wav", 20.0), window_name("long.wav", 587.2985)
        ('long.wav#t=20', 'long.wav#t=587.2985')
    """
    return f"{recording}#t={seconds:.6f}".rstrip("0").rstrip(".") if seconds else f"{recording}#t=0"


def window_place(name: str) -> tuple[str, float | None]:
    """Return the recording that a person means, and the second; None where the whole is meant.

    Example:
        >>> window_place("day/long.wav#t=20"), window_place("long.wav")
        (('day/long.wav', 20.0), ('long.wav', None))
    """
    found = re.fullmatch(r"(.+)#t=(\d+(?:\.\d+)?)", name, re.DOTALL)
    return (found[1], float(found[2])) if found else (name, None)


def content_digest(digest: str, start: int, length: int) -> str:
    """Return what identifies a clip of a recording: SHA-256, hexadecimal.

    That of the file, for a clip that begins where its recording begins; of a later window that of
    the file's digest, the start and the length.
    """
    if not start:
        return digest
    return hashlib.sha256(f"{digest} {start} {length}".encode()).hexdigest()


def by_recording(table: ClipTable) -> list[np.ndarray]:
    """Return the rows (n,) of each recording of a section, in the order of their first clips.

    Example:
        >>> columns = {"recording": ["a.wav", "b.wav", "a.wav"], "section": ["00", "00", "00"]}
        >>> [rows.tolist() for rows in by_recording(ClipTable.of_columns(columns))]
        [[0, 2], [1]]
    """
    found: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(table.section, table.recording, strict=True)):
        found.setdefault(key, []).append(row)
    return [np.array(rows) for rows in found.values()]


def _encoded(texts: Sequence[str]) -> np.ndarray:
    """Return texts as UTF-8 bytes (N,)."""
    try:
        return np.array(texts, "S")  # many times faster, and knows ASCII alone
    except UnicodeEncodeError:
        return np.array([text.encode() for text in texts], "S")

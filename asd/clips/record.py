"""The record of one clip, and the CSV table of a machine's clips (its index)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from asd.errors import UsageError

OK = "ok"


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording and what is known of it.

    Attributes:
        path: path below the raw folder, with forward slashes.
        name: the clip's name in score files, unique among the clips of one machine and split: the
            file's base name, or in a plain folder where two files share it, the path below the
            machine's folder.
        machine: machine type, the name of its folder.
        section: section of the challenge, two digits as in file names (``"00"``); of a rejected
            recording of unknown place ``""``, as its split and label.
        domain: ``"source"``, ``"target"``, or ``""`` where unknown.
        split: ``"train"`` or ``"test"``.
        label: ``"normal"``, ``"anomaly"``, or ``""`` where unknown.
        attributes: operating attributes as ``key=value`` joined by ``;``, in the order of the
            name; ``""`` where there are none or they are hidden.
        sample_rate: rate of the recording in Hz; 0 where it cannot be read.
        channels: channels of the recording; 0 where it cannot be read.
        samples: samples a channel of the recording; 0 where it cannot be read.
        length: samples of the clip as it is used: one channel, at the configured rate, cut or
            looped to the configured duration; 0 for a rejected recording.
        treatment: what was done to get there, as words joined by ``;`` (``""`` for nothing).
        digest: SHA-256 of the file's bytes, hexadecimal; ``""`` where it cannot be read.
        status: ``"ok"``, or the reason why the recording is not used.
    """

    path: str
    name: str
    machine: str
    section: str
    domain: str
    split: str
    label: str
    attributes: str
    sample_rate: int
    channels: int
    samples: int
    length: int
    treatment: str
    digest: str
    status: str

    @property
    def usable(self) -> bool:
        """Whether the recording can be used."""
        return self.status == OK


COLUMNS = tuple(field.name for field in fields(Clip))
_INTEGERS = frozenset({"sample_rate", "channels", "samples", "length"})


def write_index(path: Path, clips: Iterable[Clip]) -> None:
    """Write an index as CSV (UTF-8, LF), whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(clip, column) for column in COLUMNS] for clip in clips)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text.getvalue(), encoding="utf-8", newline="")
    beside.replace(path)


def read_index(path: Path) -> list[Clip]:
    """Read an index written by :func:`write_index`.

    Raises:
        UsageError: the file is missing or is not an index.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such index; run 'asd index' first") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not an index ({error}); run 'asd index' again") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise UsageError(f"{path}: not an index of this version; run 'asd index' again")
    return [_parse(path, number, row) for number, row in enumerate(rows[1:], start=2)]


def _parse(path: Path, line: int, row: Sequence[str]) -> Clip:
    try:
        values = dict(zip(COLUMNS, row, strict=True))
        return Clip(**{k: int(v) if k in _INTEGERS else v for k, v in values.items()})  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(f"{path}, line {line}: {error}; run 'asd index' again") from None

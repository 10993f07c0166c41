"""The record of one clip, and the CSV table of a machine's clips (its index)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from asd.clip_table import content_digest
from asd.errors import UsageError
from asd.memory import uncollected

OK = "ok"


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording, or one window of a long one, and what is known of it.

    Attributes:
        path: path below the raw folder, with forward slashes.
        name: the clip's name in score files, unique among the clips of one machine and split: the
            file's base name, or in a plain folder where two files share it, the path below the
            machine's folder; of a window followed by where it begins (:mod:`asd.clip_table`).
        recording: the name without the place of a window: that of the recording in score files.
        machine: machine type, the name of its folder.
        section: section of the challenge, two digits as in file names (``"00"``); of a rejected
            recording of unknown place ``""``, as its split and label.
        domain: ``"source"``, ``"target"``, or ``""`` where unknown.
        split: ``"train"``, ``"test"``, or ``"supplemental"`` (clean machine clips or noise alone,
            which are in no bank).
        label: ``"normal"``, ``"anomaly"``, ``"noise"`` (of a supplemental clip without the
            machine), or ``""`` where unknown.
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
        start: sample at the used rate at which a window begins in its recording; 0 otherwise.
        full_scale: of samples stored as floats, the value that counts as full scale.
        remarks: in what the recording is unlike the training recordings that is not the machine, as
            ``code: text`` joined by ``;`` (:mod:`asd.clips.likeness`).
    """

    path: str
    name: str
    recording: str
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
    start: int = 0
    full_scale: float = 1.0
    remarks: str = ""

    @property
    def usable(self) -> bool:
        """Whether the recording can be used."""
        return self.status == OK

    @property
    def content(self) -> str:
        """What tells the rows of the store apart; see :func:`asd.clip_table.content_digest`."""
        return content_digest(self.digest, self.start, self.length)


COLUMNS = tuple(field.name for field in fields(Clip))
_NUMBERS: dict[str, type[int] | type[float]] = {
    **dict.fromkeys(("sample_rate", "channels", "samples", "length", "start"), int),
    "full_scale": float,
}


def index_text(clips: Iterable[Clip]) -> str:
    """Return an index as CSV with LF."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(clip, column) for column in COLUMNS] for clip in clips)
    return text.getvalue()


@uncollected()
def read_index(path: Path) -> list[Clip]:
    """Read an index that was written as :func:`index_text`.

    Raises:
        UsageError: the file is missing or is not an index.

    Example:
        >>> clip = read_index(Path("data/index/pump.csv"))[-1]
        >>> clip.name, clip.section, clip.split, clip.label, clip.length
        ('02_08.wav', '02', 'train', 'normal', 4096)
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such index; run 'asd index' first") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not an index ({error}); run 'asd index' again") from None
    columns = tuple(rows[0]) if rows else ()
    if columns != COLUMNS:
        raise UsageError(f"{path}: not an index of this version; run 'asd index' again")
    try:
        return _clips(columns, rows[1:])
    except ValueError:
        return [_parse(path, line, columns, row) for line, row in enumerate(rows[1:], start=2)]


def _clips(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Clip]:
    """Return the clips of rows; column by column takes a third of the time of row by row."""
    values: Any = (
        map(_NUMBERS[column], texts) if column in _NUMBERS else texts
        for column, texts in zip(columns, zip(*rows, strict=True), strict=True)
    )
    return list(map(Clip, *values))


def _parse(path: Path, line: int, columns: Sequence[str], row: Sequence[str]) -> Clip:
    try:
        (clip,) = _clips(columns, [row])
    except ValueError as error:
        raise UsageError(f"{path}, line {line}: {error}; run 'asd index' again") from None
    return clip

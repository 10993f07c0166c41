"""Versions of a bank: what enrolment adds can be taken back.

Beside ``train.h5`` lies ``versions/<NNNN>.h5``, the bank as it was before each enrolment; 0000 is
the one that ``asd embed`` wrote. How many enrolments a bank has been through is in its provenance,
so whatever replaces ``train.h5`` (``asd embed``, a restored file) needs no care for what lies here.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asd.atomic import remove, replacing, sync
from asd.errors import JobError
from asd.scoring.bank import Bank, read_bank, write_bank

FOLDER = "versions"
ENROLLED = "enrolled"


@dataclass(frozen=True)
class Version:
    """One state of a bank.

    Attributes:
        number: 0 for the one that ``asd embed`` wrote.
        clips: how many clips it has.
        added: the names of the clips that it has more than the one before.
    """

    number: int
    clips: int
    added: tuple[str, ...]


def enrolments(bank: Bank) -> list[dict[str, Any]]:
    """Return what each enrolment added to a bank, the first one first."""
    return list(bank.provenance.get(ENROLLED, []))


def add_version(path: Path, before: Bank, after: Bank, added: dict[str, Any]) -> None:
    """Put a new version of a bank in the place of ``path``, and keep the one before.

    Args:
        path: the bank.
        before: what it holds now.
        after: what it is to hold.
        added: what is to be written down of the enrolment; ``clips`` in it are the new names.

    Raises:
        JobError: a file cannot be written; the bank is then as it was.
    """
    past = enrolments(before)
    if not past:  # What may lie there belongs to a bank that has been replaced since.
        for stale in (path.parent / FOLDER).glob("*.h5"):
            remove(stale)
    with replacing(_kept(path, len(past))) as beside:
        shutil.copyfile(path, beside)
    provenance = {**after.provenance, ENROLLED: [*past, added]}
    write_bank(path, replace(after, provenance=provenance))


def undo(path: Path) -> Version | None:
    """Put the version before back in the place of ``path``.

    Returns:
        The version that was taken back; None where there is none.

    Raises:
        JobError: the version before is missing or damaged.
    """
    current = versions(path)[-1]
    if current.number == 0:
        return None
    kept = _kept(path, current.number - 1)
    if not kept.is_file():
        raise JobError(f"{kept}: the version before is missing; run 'asd embed' for a new bank")
    if len(enrolments(read_bank(kept))) != current.number - 1:
        raise JobError(f"{kept}: not the version before; run 'asd embed' for a new bank")
    kept.replace(path)
    sync(path.parent)
    return current


def versions(path: Path) -> list[Version]:
    """Return the versions of the bank at ``path``, the current one last."""
    bank = read_bank(path)
    added = [tuple(one["clips"]) for one in enrolments(bank)]
    first = len(bank) - sum(map(len, added))
    found = [Version(0, first, ())]
    for number, names in enumerate(added, start=1):
        found.append(Version(number, found[-1].clips + len(names), names))
    return found


def _kept(path: Path, number: int) -> Path:
    return path.parent / FOLDER / f"{number:04d}.h5"

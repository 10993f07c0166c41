"""The embedding bank: what a model gives for each clip of a machine.

The banks of a model and machine are one artifact: ``train.h5`` (the bank itself), ``test.h5`` (the
outputs for test clips, without truth) and the record that vouches for both. A file holds the
clip table as ``clips``, ``classes`` as int32, and one float32 array ``array.<name>`` an output; the
same bank gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from asd.artifact import RECORD, Record, Request, making, read_record
from asd.clip_table import ClipTable
from asd.errors import JobError, UsageError, one_line
from asd.hdf5 import MAX_RANK, UNREADABLE, read_arrays, write_arrays

SPLITS = ("train", "test")
_ARRAY_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PREFIX = "array."


class BanksRequest(Request):
    """Everything that decides the banks of a model and machine.

    Attributes:
        machine: the machine type.
        model: the digest of the model.
        inputs: by split, feature and section, the identities of the shards.
        params: how they are computed.
    """

    kind: ClassVar[str] = "banks"
    verb: ClassVar[str] = "embed"

    machine: str
    model: str
    inputs: dict[str, dict[str, dict[str, str]]]
    params: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Bank:
    """What a model gives for N clips of one machine.

    Attributes:
        clips: which clips they are.
        classes: (N,) int32, the primary class of each clip, -1 for none.
        arrays: (N, ...) float32 by name: ``embedding`` (N, D), ``logits`` (N, C), and others.

    Raises:
        ValueError: the arrays do not have one row a clip, or have other types.
    """

    clips: ClipTable
    classes: np.ndarray
    arrays: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        if self.classes.shape != (len(self.clips),) or self.classes.dtype != np.int32:
            raise ValueError(f"classes are {self.classes.dtype}{self.classes.shape}")
        for name, values in self.arrays.items():
            if not _ARRAY_NAME.fullmatch(name):
                raise ValueError(f"'{name}' cannot name an array")
            if values.dtype != np.float32 or not 1 <= values.ndim <= MAX_RANK:
                raise ValueError(f"array {name} is {values.dtype}{values.shape}, not float32")
            if len(values) != len(self.clips):
                raise ValueError(f"array {name} has not one row a clip")
        object.__setattr__(self, "arrays", dict(self.arrays))

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that have clips, sorted."""
        return self.clips.sections

    @property
    def unlearned(self) -> np.ndarray:
        """Which clips (N,) the model has not learned from; all where that is not known of any."""
        unlearned = self.arrays.get("held_out")
        return np.ones(len(self), dtype=bool) if unlearned is None else unlearned > 0

    def with_arrays(self, arrays: Mapping[str, np.ndarray]) -> Bank:
        """Return a bank of the same clips with other arrays."""
        return replace(self, arrays=arrays)

    def empty(self) -> Bank:
        """Return a bank of no clips with arrays of the same shapes."""
        return self.only(np.zeros(0, dtype=int))

    def only(self, rows: np.ndarray) -> Bank:
        """Return a bank of some clips, by their numbers (n,), in that order."""
        arrays = {name: values[rows] for name, values in self.arrays.items()}
        return Bank(self.clips.only(rows), self.classes[rows], arrays)

    def without_truth(self) -> Bank:
        """Return the bank as a scorer may see test clips: no domain, label, attributes or class."""
        classes = np.full(len(self), -1, np.int32)
        return replace(self, clips=self.clips.without_truth(), classes=classes)


def write_banks(
    path: Path, request: BanksRequest, train: Bank, test: Bank, facts: Mapping[str, Any]
) -> None:
    """Write the banks of a model and machine, and their record at ``path``.

    Raises:
        JobError: an array holds a value that is not finite, or a file cannot be written.
    """
    banks = dict(zip(SPLITS, (train, test), strict=True))
    for split, bank in banks.items():
        _check_finite(path.with_name(f"{split}.h5"), bank)
    with making(path, request, "numpy", "torch") as made:
        for split, bank in banks.items():
            with made.file(f"{split}.h5") as beside:
                write_arrays(beside, _arrays_of(bank))
        made.facts |= facts


def read_banks_record(path: Path) -> Record:
    """Read the record of banks; see :func:`asd.artifact.read_record` for the errors."""
    return read_record(path, BanksRequest)


def read_bank(path: Path) -> Bank:
    """Read one of the files of banks, checked by the record beside it.

    Args:
        path: ``.../train.h5`` or ``.../test.h5``.

    Raises:
        UsageError: there is no such bank.
        JobError: it is damaged, of another schema, or points outside itself.

    Example:
        >>> bank = read_bank(Path("data/banks/both/pump/train.h5"))
        >>> len(bank), bank.sections, bank.clips.name[0], bank.arrays["embedding"].shape
        (18, ('00', '02'), '00_00.wav', (18, 6))
    """
    if not path.exists() and not path.with_name(RECORD).exists():
        raise UsageError(f"{path}: no such bank; run 'asd embed' first")
    read_banks_record(path.with_name(RECORD)).file(path.name)
    try:
        return _bank_of(read_arrays(path))
    except UNREADABLE as error:
        raise JobError(
            f"{path}: not a readable bank ({one_line(error)}); delete it and run 'asd embed'"
        ) from None


def _check_finite(path: Path, bank: Bank) -> None:
    for name, values in bank.arrays.items():
        finite = np.isfinite(values)
        if not finite.all():
            clip = bank.clips.name[int(np.argwhere(~finite)[0, 0])]
            raise JobError(f"{path}: {name} of '{clip}' is not finite; train the model again")


def _arrays_of(bank: Bank) -> dict[str, np.ndarray]:
    own = {f"{_PREFIX}{name}": values for name, values in bank.arrays.items()}
    return {"clips": bank.clips.rows, "classes": bank.classes, **own}


def _bank_of(arrays: dict[str, np.ndarray]) -> Bank:
    own = {k.removeprefix(_PREFIX): v for k, v in arrays.items() if k.startswith(_PREFIX)}
    if arrays.keys() != {"clips", "classes", *(f"{_PREFIX}{name}" for name in own)}:
        raise ValueError("it does not hold clips, classes and arrays alone")
    return Bank(ClipTable(arrays["clips"]), arrays["classes"], own)

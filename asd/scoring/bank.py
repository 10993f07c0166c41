"""The embedding bank: what a model gives for each clip of a machine, in one HDF5 file.

``train.h5`` (the bank itself) and ``test.h5`` (the outputs for test clips, without labels and
domains) share the format:

- ``clips`` (N,): a table with the columns :data:`COLUMNS` as bytes, and ``classes`` as int32;
- ``arrays/<name>`` (N, ...): float32, one row a clip;
- ``provenance``: canonical JSON, as bytes;
- attributes ``schema`` and ``digest``, the SHA-256 of all of the above.

Every dataset is contiguous, and the same bank gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np

from asd.atomic import replacing
from asd.errors import JobError, UsageError
from asd.store.digest import canonical_json
from asd.store.hollow import HollowFile

SCHEMA = 1
COLUMNS = ("name", "section", "domain", "label", "attributes", "content")
_ARRAY_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MAX_RANK = 4


@dataclass(frozen=True, eq=False)
class Bank:
    """What a model gives for N clips of one machine.

    Attributes:
        name: (N,) the clips' names in score files.
        section: (N,) their sections, such as ``"00"``.
        domain: (N,) ``"source"``, ``"target"`` or ``""``.
        label: (N,) ``"normal"``, ``"anomaly"`` or ``""``.
        attributes: (N,) operating attributes as ``key=value`` joined by ``;``.
        content: (N,) SHA-256 of each recording, hexadecimal.
        classes: (N,) int32, the primary class of each clip, -1 for none.
        arrays: (N, ...) float32 by name: ``embedding`` (N, D), ``logits`` (N, C), and others.
        provenance: what made it, as JSON: model, params and input digests, versions, seed.

    Raises:
        ValueError: the columns and arrays do not have one row a clip, or have other types.
    """

    name: tuple[str, ...]
    section: tuple[str, ...]
    domain: tuple[str, ...]
    label: tuple[str, ...]
    attributes: tuple[str, ...]
    content: tuple[str, ...]
    classes: np.ndarray
    arrays: Mapping[str, np.ndarray]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        for column in COLUMNS:
            object.__setattr__(self, column, tuple(getattr(self, column)))
            if len(getattr(self, column)) != len(self.name):
                raise ValueError(f"column {column} has not one row a clip")
        if self.classes.shape != (len(self.name),) or self.classes.dtype != np.int32:
            raise ValueError(f"classes are {self.classes.dtype}{self.classes.shape}")
        for name, values in self.arrays.items():
            if not _ARRAY_NAME.fullmatch(name):
                raise ValueError(f"'{name}' cannot name an array")
            if values.dtype != np.float32 or not 1 <= values.ndim <= _MAX_RANK:
                raise ValueError(f"array {name} is {values.dtype}{values.shape}, not float32")
            if len(values) != len(self.name):
                raise ValueError(f"array {name} has not one row a clip")
        object.__setattr__(self, "arrays", MappingProxyType(dict(self.arrays)))

    def __len__(self) -> int:
        return len(self.name)

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that have clips, sorted."""
        return tuple(sorted(set(self.section)))

    @property
    def unlearned(self) -> np.ndarray:
        """Which clips (N,) the model has not learned from; all where that is not known of any."""
        unlearned = self.arrays.get("held_out")
        return np.ones(len(self), dtype=bool) if unlearned is None else unlearned > 0

    def with_arrays(self, arrays: Mapping[str, np.ndarray]) -> Bank:
        """Return a bank of the same clips with other arrays."""
        return replace(self, arrays=arrays)

    def empty(self, provenance: Mapping[str, Any]) -> Bank:
        """Return a bank of no clips with arrays of the same shapes."""
        return replace(
            self,
            **dict.fromkeys(COLUMNS, ()),
            classes=self.classes[:0],
            arrays={name: values[:0] for name, values in self.arrays.items()},
            provenance=provenance,
        )

    def without_truth(self) -> Bank:
        """Return the bank as a scorer may see test clips: no domain, label, attributes or class."""
        none = ("",) * len(self)
        classes = np.full(len(self), -1, np.int32)
        return replace(self, domain=none, label=none, attributes=none, classes=classes)


def write_bank(path: Path, bank: Bank) -> None:
    """Write a bank, whole or not at all; the same bank gives the same bytes.

    Raises:
        JobError: an array holds a value that is not finite, or the file cannot be written.
    """
    _check_finite(path, bank)
    table = _table(bank)
    provenance = canonical_json(dict(bank.provenance)).encode()
    laid_out = HollowFile()
    with h5py.File(laid_out, "w") as file:
        file.attrs["schema"] = np.uint32(SCHEMA)
        file.attrs["digest"] = np.bytes_(_digest(table, bank.arrays, provenance))
        file.create_dataset("clips", data=table)
        file.create_dataset("provenance", data=np.frombuffer(provenance, np.uint8))
        arrays = file.create_group("arrays")
        for name in sorted(bank.arrays):
            arrays.create_dataset(name, data=bank.arrays[name])
    with replacing(path) as beside:
        beside.write_bytes(laid_out.span(0, laid_out.size))


def read_bank(path: Path) -> Bank:
    """Read a bank and check that it is what was written.

    Raises:
        UsageError: there is no such file.
        JobError: the file is no bank of this schema, is damaged, or points outside itself.

    Example:
        >>> bank = read_bank(Path("data/banks/both/pump/train.h5"))
        >>> len(bank), bank.sections, bank.name[0], bank.arrays["embedding"].shape
        (18, ('00', '02'), '00_00.wav', (18, 6))
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _read(file, path.stat().st_size)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such bank; run 'asd embed' first") from None
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise JobError(
            f"{path}: not a readable bank ({reason}); delete it and run 'asd embed'"
        ) from None


def _check_finite(path: Path, bank: Bank) -> None:
    for name, values in bank.arrays.items():
        finite = np.isfinite(values)
        if not finite.all():
            clip = bank.name[int(np.argwhere(~finite)[0, 0])]
            raise JobError(f"{path}: {name} of '{clip}' is not finite; train the model again")


def _table(bank: Bank) -> np.ndarray:
    """Return the clips table (N,): texts as bytes of the width that they need, and classes."""
    columns = {column: [text.encode() for text in getattr(bank, column)] for column in COLUMNS}
    widths = {column: max(map(len, texts), default=1) for column, texts in columns.items()}
    layout = [(column, f"S{max(width, 1)}") for column, width in widths.items()]
    table = np.empty(len(bank), np.dtype([*layout, ("classes", "<i4")]))
    for column, texts in columns.items():
        table[column] = texts
    table["classes"] = bank.classes
    return table


def _digest(table: np.ndarray, arrays: Mapping[str, np.ndarray], provenance: bytes) -> str:
    """Return the SHA-256 of everything that a bank holds; shapes and types are hashed too."""
    shapes = {name: list(values.shape) for name, values in arrays.items()}
    layout = [[column, table.dtype[column].str] for column in table.dtype.names or ()]
    header = canonical_json([SCHEMA, len(provenance), layout, len(table), shapes])
    digest = hashlib.sha256(header.encode() + provenance)
    digest.update(table.tobytes())
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name], "<f4").data)
    return digest.hexdigest()


def _read(file: h5py.File, size: int) -> Bank:
    schema = int(file.attrs["schema"])
    if schema != SCHEMA:
        raise ValueError(f"schema {schema}, this version reads {SCHEMA}")
    _check_links(file, {"clips", "provenance", "arrays"})
    table = _load(file, "clips", size)
    arrays_there = file["arrays"]
    _check_links(arrays_there, set(arrays_there))
    arrays = {name: _load(arrays_there, name, size) for name in arrays_there}
    provenance = _load(file, "provenance", size).tobytes()
    if table.dtype.names != (*COLUMNS, "classes"):
        raise ValueError("the clips table has other columns")
    if _digest(table, arrays, provenance) != bytes(file.attrs["digest"]).decode():
        raise ValueError("its contents do not have the digest that was recorded")
    columns = {column: np.char.decode(table[column], "utf-8").tolist() for column in COLUMNS}
    return Bank(
        **columns,
        classes=np.ascontiguousarray(table["classes"]),
        arrays=arrays,
        provenance=json.loads(provenance),
    )


def _check_links(group: Any, names: set[str]) -> None:
    """Check that a group holds these names, none of which leads to another place."""
    if not isinstance(group, h5py.Group) or set(group) != names:
        raise ValueError("it does not hold clips, provenance and arrays")
    for name in names:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link to another place")


def _load(group: h5py.Group, name: str, size: int) -> np.ndarray:
    """Read one dataset, after checking that its bytes lie whole in this file of ``size`` bytes."""
    data = group[name]
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual or data.chunks:
        raise ValueError(f"{name} is not a contiguous dataset of this file")
    if data.dtype.hasobject or not 1 <= data.ndim <= _MAX_RANK:
        raise ValueError(f"{name} is {data.dtype} of rank {data.ndim}")
    start = data.id.get_offset()
    if data.size and (start is None or start + data.size * data.dtype.itemsize > size):
        raise ValueError(f"{name} reaches beyond the end of the file")
    values: np.ndarray = data[...]
    return values

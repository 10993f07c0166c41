"""The bank file: what is written is what is read, byte for byte, and nothing else is accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from asd.errors import AsdError, JobError, UsageError
from asd.scoring.bank import COLUMNS, Bank, read_bank, write_bank

MakeBank = Callable[..., Bank]


def contents(bank: Bank) -> tuple[Any, ...]:
    arrays = {name: (a.shape, a.tobytes()) for name, a in bank.arrays.items()}
    columns = [getattr(bank, column) for column in COLUMNS]
    return columns, bank.classes.tolist(), arrays, dict(bank.provenance)


@pytest.fixture
def bank(make_bank: MakeBank) -> Bank:
    return make_bank({"00": (6, 2), "01": (3, 1)})


@pytest.fixture
def path(bank: Bank, tmp_path: Path) -> Path:
    write_bank(tmp_path / "train.h5", bank)
    return tmp_path / "train.h5"


def test_round_trip(bank: Bank, path: Path) -> None:
    read = read_bank(path)
    assert contents(read) == contents(bank)
    assert all(array.dtype == np.float32 for array in read.arrays.values())
    assert len(read) == 12
    assert read.sections == ("00", "01")


@pytest.mark.parametrize("clips", [{}, {"00": (1, 0)}])
def test_round_trip_of_hardly_any_clips(
    make_bank: MakeBank, tmp_path: Path, clips: dict[str, tuple[int, int]]
) -> None:
    bank = make_bank(clips).without_truth()
    write_bank(tmp_path / "test.h5", bank)
    assert contents(read_bank(tmp_path / "test.h5")) == contents(bank)


def test_same_bank_same_bytes(bank: Bank, path: Path, tmp_path: Path) -> None:
    other = replace(bank, arrays=dict(reversed(bank.arrays.items())))
    write_bank(tmp_path / "elsewhere" / "again.h5", other)
    assert (tmp_path / "elsewhere" / "again.h5").read_bytes() == path.read_bytes()


def test_every_dataset_is_contiguous(path: Path) -> None:
    with h5py.File(path, "r") as file:
        for data in (file["clips"], file["provenance"], *file["arrays"].values()):
            assert data.chunks is None
            assert data.id.get_offset() is not None


def test_failed_write_leaves_the_old_file(bank: Bank, path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    embedding = np.array(bank.arrays["embedding"])
    embedding[4, 1] = np.inf
    with pytest.raises(JobError, match="embedding of 'clip_0004.wav' is not finite"):
        write_bank(path, replace(bank, arrays={"embedding": embedding}))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["train.h5"]


def test_any_flipped_byte_is_found_or_harmless(bank: Bank, path: Path) -> None:
    whole = path.read_bytes()
    expected = contents(bank)
    assert contents(read_bank(path)) == expected
    refusals = []
    # Every byte of the values, and a sample of the rest of the file.
    with h5py.File(path, "r") as file:
        embedding = file["arrays/embedding"]
        start, size = embedding.id.get_offset(), embedding.size * 4
    draw = np.random.default_rng(0)
    places = {*range(start, start + size, 7), *draw.integers(len(whole), size=500).tolist()}
    for place in sorted(places):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        path.write_bytes(broken)
        try:
            assert contents(read_bank(path)) == expected
        except AsdError as error:
            refusals.append(str(error))
    assert len(refusals) >= size // 7
    assert all(str(path) in line and "\n" not in line for line in refusals)


def test_truncated_file_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(JobError, match="not a readable bank.*run 'asd embed'"):
            read_bank(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such bank; run 'asd embed' first"):
        read_bank(tmp_path / "train.h5")


def unknown_schema(file: h5py.File) -> None:
    file.attrs["schema"] = np.uint32(99)


def other_provenance(file: h5py.File) -> None:
    file["provenance"][0] ^= 1


def external_link(file: h5py.File) -> None:
    # The values are there and right, in another file.
    with h5py.File(Path(file.filename).with_name("other.h5"), "w") as other:
        other["error"] = file["arrays/error"][...]
    del file["arrays/error"]
    file["arrays/error"] = h5py.ExternalLink("other.h5", "/error")


def soft_link(file: h5py.File) -> None:
    del file["arrays/error"]
    file["arrays/error"] = h5py.SoftLink("/clips")


def external_storage(file: h5py.File) -> None:
    values = file["arrays/error"][...]
    outside = Path(file.filename).with_name("other")
    outside.write_bytes(values.tobytes())
    del file["arrays/error"]
    file["arrays"].create_dataset("error", (12,), "f4", external=[(str(outside), 0, 48)])


def chunked(file: h5py.File) -> None:
    values = file["arrays/error"][...]
    del file["arrays/error"]
    file["arrays"].create_dataset("error", data=values, chunks=(4,))


def absurd_shape(file: h5py.File) -> None:
    del file["arrays/error"]
    file["arrays"].create_dataset("error", (2**50,), "f4")


def object_type(file: h5py.File) -> None:
    del file["arrays/error"]
    file["arrays"].create_dataset("error", data=["a"] * 12)


def double_type(file: h5py.File) -> None:
    values = file["arrays/error"][...].astype(np.float64)
    del file["arrays/error"]
    file["arrays"]["error"] = values


def more_rows(file: h5py.File) -> None:
    del file["arrays/error"]
    file["arrays"]["error"] = np.zeros(13, np.float32)


def other_object(file: h5py.File) -> None:
    file["more"] = np.zeros(3)


def array_is_a_group(file: h5py.File) -> None:
    del file["arrays/error"]
    file["arrays"].create_group("error")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unknown_schema, "schema 99, this version reads 1"),
        (other_provenance, "do not have the digest"),
        (external_link, "error is a link to another place"),
        (soft_link, "error is a link to another place"),
        (external_storage, "error is not a contiguous dataset of this file"),
        (chunked, "error is not a contiguous dataset of this file"),
        (absurd_shape, "error reaches beyond the end of the file"),
        (object_type, "error is object of rank 1"),
        (double_type, "array error is float64"),
        (more_rows, "do not have the digest"),
        (other_object, "does not hold clips, provenance and arrays"),
        (array_is_a_group, "error is not a contiguous dataset of this file"),
    ],
)
def test_anything_else_is_refused(
    path: Path, change: Callable[[h5py.File], None], reason: str
) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(JobError, match=f"not a readable bank.*{reason}") as caught:
        read_bank(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"domain": ("source",)},
        {"classes": np.zeros(12, np.int64)},
        {"arrays": {"embedding": np.zeros((12, 3))}},
        {"arrays": {"embedding": np.zeros((11, 3), np.float32)}},
        {"arrays": {"../up": np.zeros((12, 3), np.float32)}},
    ],
)
def test_a_bank_has_one_row_a_clip(bank: Bank, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(bank, **change)

"""The banks of a model: what is written is what is read, byte for byte, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from asd.artifact import RECORD, write_record
from asd.clip_table import COLUMNS
from asd.errors import AsdError, JobError, UsageError
from asd.scoring.bank import BanksRequest, read_bank, read_banks_record, write_banks

REQUEST = BanksRequest(
    machine="fan", model="a" * 64, inputs={"train": {"wave": {"00": "b" * 64}}}, params={}
)
ERROR = np.ones(12, np.float32)
FILES = ["record.json", "test.h5", "train.h5"]


def contents(bank):
    arrays = {name: (a.shape, a.tobytes()) for name, a in bank.arrays.items()}
    columns = [list(bank.clips.column(column)) for column in COLUMNS]
    return columns, bank.classes.tolist(), arrays


def write(folder, train, test=None):
    """Write banks, and return the file of the training clips."""
    other = train.without_truth() if test is None else test
    write_banks(folder / RECORD, REQUEST, train, other, {"clips": len(train)})
    return folder / "train.h5"


def vouch(path):
    """Let the record say that the files are what they are now."""
    write_record(path.with_name(RECORD), REQUEST, ["train.h5", "test.h5"], {})


def refuse(path, reason=None, named=None):
    """Check that a bank is refused in one line that names it, or another file."""
    with pytest.raises(JobError, match=reason) as caught:
        read_bank(path)
    assert str(named or path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def bank(make_bank):
    return make_bank({"00": (6, 2), "01": (3, 1)})


@pytest.fixture
def path(bank, tmp_path):
    return write(tmp_path / "banks", bank)


def test_round_trip(bank, path):
    read = read_bank(path)
    assert contents(read) == contents(bank)
    assert contents(read_bank(path.with_name("test.h5"))) == contents(bank.without_truth())
    assert all(array.dtype == np.float32 for array in read.arrays.values())
    assert len(read) == 12
    assert read.sections == ("00", "01")
    record = read_banks_record(path.with_name(RECORD))
    assert record.asked(BanksRequest) == REQUEST
    assert record.facts == {"clips": 12}
    assert sorted(file.name for file in path.parent.iterdir()) == FILES


@pytest.mark.parametrize("clips", [{}, {"00": (1, 0)}])
def test_round_trip_of_hardly_any_clips(make_bank, tmp_path, clips):
    bank = make_bank(clips).without_truth()
    path = write(tmp_path, bank, bank)
    assert contents(read_bank(path.with_name("test.h5"))) == contents(bank)


def test_where_a_window_begins_is_kept(bank, changed, tmp_path):
    windows = changed(bank, recording=["ä.wav"] * 12, start=range(0, 12_000, 1000))
    read = read_bank(write(tmp_path, windows))
    assert set(read.clips.recording) == {"ä.wav"}
    assert read.clips.start.tolist() == list(range(0, 12_000, 1000))


def test_same_bank_same_bytes(bank, path, tmp_path):
    other = replace(bank, arrays=dict(reversed(bank.arrays.items())))
    again = write(tmp_path / "elsewhere", other)
    for name in FILES:
        assert again.with_name(name).read_bytes() == path.with_name(name).read_bytes()


def test_every_dataset_is_contiguous(path):
    with h5py.File(path, "r") as file:
        arrays = {f"array.{name}" for name in ("embedding", "error", "level", "logits")}
        assert set(file) == {"clips", "classes", *arrays}
        for data in file.values():
            assert data.chunks is None
            assert data.id.get_offset() is not None


def test_failed_write_leaves_the_old_files(bank, path):
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    embedding = np.array(bank.arrays["embedding"])
    embedding[4, 1] = np.inf
    broken = replace(bank, arrays={"embedding": embedding})
    for train, test in ((broken, bank), (bank, broken)):
        with pytest.raises(JobError, match=r"embedding of 'clip_0004.wav' is not finite"):
            write(path.parent, train, test)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_any_flipped_byte_is_found(bank, path):
    """By the record; and reading what it vouches for ends in a bank or in one line."""
    whole, refusals = path.read_bytes(), 0
    for place in np.random.default_rng(0).integers(len(whole), size=500):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        path.write_bytes(broken)
        refuse(path, "is not what was written")
        vouch(path)
        try:
            assert len(read_bank(path)) == len(bank)
        except AsdError:
            refuse(path)
            refusals += 1
    assert refusals


def test_truncated_file_is_refused(path):
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refuse(path, "is not what was written.*run 'asd embed'")
        vouch(path)
        refuse(path, "not a readable bank.*run 'asd embed'")
    write_record(path.with_name(RECORD), REQUEST, ["test.h5"], {})
    with pytest.raises(JobError, match="does not name train.h5"):
        read_bank(path)


def test_missing_files(tmp_path, path):
    with pytest.raises(UsageError, match="no such bank; run 'asd embed' first"):
        read_bank(tmp_path / "train.h5")
    path.unlink()
    with pytest.raises(JobError, match=r"train.h5: lost: record.json names it; run 'asd embed'"):
        read_bank(path)
    path.with_name(RECORD).unlink()
    with pytest.raises(UsageError, match="run 'asd embed' first"):
        read_bank(path.with_name("test.h5"))


def test_other_records_are_refused(path):
    record = path.with_name(RECORD)
    whole = record.read_text()
    for change, reason in (
        (('"schema": 1', '"schema": 99'), "schema 99, this version reads banks of schema 1"),
        (('"kind": "banks"', '"kind": "model"'), "model of schema 1, this version reads banks"),
        (('"machine": "fan"', '"machine": "fad"'), "do not have the digest"),
    ):
        record.write_text(whole.replace(*change))
        refuse(path, f"not a readable banks record.*{reason}", record)


def external_link(file):
    # The values are there, in another file.
    with h5py.File(Path(file.filename).with_name("other.h5"), "w") as other:
        other["error"] = ERROR
    file["array.error"] = h5py.ExternalLink("other.h5", "/error")


def soft_link(file):
    file["array.error"] = h5py.SoftLink("/clips")


def external_storage(file):
    outside = Path(file.filename).with_name("other")
    outside.write_bytes(ERROR.tobytes())
    dataset(shape=(12,), dtype="f4", external=[(str(outside), 0, 48)])(file)


def dataset(**what):
    return lambda file: file.create_dataset("array.error", **what)


def fewer_columns(file):
    table = file["clips"][...][["name", "section"]]
    del file["clips"]
    file["clips"] = table


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (external_link, "array.error is a link to another place"),
        (soft_link, "array.error is a link to another place"),
        (external_storage, "array.error is not a contiguous dataset of this file"),
        (dataset(data=ERROR, chunks=(4,)), "array.error is not a contiguous dataset of this file"),
        (dataset(shape=(2**50,), dtype="f4"), "array.error reaches beyond the end of the file"),
        (dataset(data=["a"] * 12), "array.error is object of rank 1"),
        (dataset(data=ERROR.astype(float)), "array error is float64"),
        (dataset(data=np.ones(13, np.float32)), "array error has not one row a clip"),
        (
            lambda file: file.create_group("array.error"),
            "array.error is not a contiguous dataset of this file",
        ),
        (
            lambda file: file.create_dataset("more", data=ERROR),
            "does not hold clips, classes and arrays alone",
        ),
        (lambda file: file.__delitem__("clips"), "does not hold clips, classes and arrays alone"),
        (fewer_columns, "the clips table has the columns"),
    ],
)
def test_anything_else_is_refused(path, change, reason):
    """In the place of an array or beside the others, even where the record vouches for it."""
    with h5py.File(path, "r+") as file:
        del file["array.error"]
        change(file)
    refuse(path, "is not what was written")
    vouch(path)
    refuse(path, f"not a readable bank.*{reason}")


@pytest.mark.parametrize(
    "change",
    [
        {"classes": np.zeros(11, np.int32)},
        {"classes": np.zeros(12, np.int64)},
        {"arrays": {"embedding": np.zeros((12, 3))}},
        {"arrays": {"embedding": np.zeros((11, 3), np.float32)}},
        {"arrays": {"../up": np.zeros((12, 3), np.float32)}},
    ],
)
def test_a_bank_has_one_row_a_clip(bank, change):
    with pytest.raises(ValueError):
        replace(bank, **change)

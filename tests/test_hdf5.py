"""Arrays in HDF5: the same bytes each time, and no way out of the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from asd.hdf5 import MAX_RANK, UNREADABLE, HollowFile, read_arrays, write_arrays

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/."), min_size=1, max_size=8)
ARRAYS = of_numpy.arrays(
    st.sampled_from(["<f4", "<f8", "<i4", "<i8", "u1", "S5"]),
    of_numpy.array_shapes(min_dims=1, max_dims=MAX_RANK, min_side=0, max_side=3),
)


@settings(max_examples=50)
@given(st.dictionaries(NAMES, ARRAYS, max_size=4))
def test_arrays_round_trip_and_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray]
) -> None:
    folder = tmp_path_factory.mktemp("arrays")
    write_arrays(folder / "one.h5", arrays)
    read = read_arrays(folder / "one.h5")
    assert read.keys() == arrays.keys()
    for name, values in arrays.items():
        assert (read[name].dtype, read[name].shape) == (values.dtype, values.shape)
        assert read[name].tobytes() == values.tobytes()
    write_arrays(folder / "two.h5", dict(reversed(arrays.items())))
    assert (folder / "two.h5").read_bytes() == (folder / "one.h5").read_bytes()


def test_arrays_are_copies_of_their_own(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.h5", {"a": np.arange(3)})
    read = read_arrays(tmp_path / "a.h5")["a"]
    read[0] = 7
    assert read_arrays(tmp_path / "a.h5")["a"].tolist() == [0, 1, 2]


Change = Callable[[h5py.File], object]


def _set(value: object) -> Change:
    return lambda file: file.__setitem__("b", value)


def _create(**of: object) -> Change:
    return lambda file: file.create_dataset("b", **of)


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (4,))
    file.create_virtual_dataset("b", layout)


CHANGES: dict[str, Change] = {
    "external link": _set(h5py.ExternalLink("other.h5", "/a")),
    "soft link": _set(h5py.SoftLink("/a")),
    "dangling link": _set(h5py.SoftLink("/nowhere")),
    "external data": _create(
        shape=(4,), dtype="f4", external=[("other.h5", 0, h5py.h5f.UNLIMITED)]
    ),
    "virtual": _virtual,
    "chunks": _create(data=np.zeros(4), chunks=(2,)),
    "compressed": _create(data=np.zeros(4), compression="gzip"),
    "group": lambda file: file.create_group("b"),
    "objects": _create(data=["text of any length"]),
    "references": lambda file: _create(data=[file["a"].ref], dtype=h5py.ref_dtype)(file),
    "scalar": _set(1.0),
    "rank": _set(np.zeros((1,) * (MAX_RANK + 1))),
    "absurd": _create(shape=(10**6, 10**6), dtype="f4"),
    "named type": _set(np.dtype("f4")),
    "no text": lambda file: file.id.links.create_soft(b"\xff\xfe", b"/a"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_leads_elsewhere_is_refused(tmp_path: Path, change: str) -> None:
    """A file beside must not be read by the word of the one that was asked for."""
    write_arrays(tmp_path / "other.h5", {"a": np.arange(4, dtype="f4")})
    write_arrays(tmp_path / "some.h5", {"a": np.arange(3, dtype="f4")})
    assert list(read_arrays(tmp_path / "some.h5")) == ["a"]
    with h5py.File(tmp_path / "some.h5", "r+") as file:
        CHANGES[change](file)
    with pytest.raises(UNREADABLE):
        read_arrays(tmp_path / "some.h5")


@pytest.mark.parametrize("size", [0, 1, 100, 1000])
def test_half_a_file_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "some.h5"
    write_arrays(path, {"a": np.arange(3000.0)})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UNREADABLE):
        read_arrays(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.h5")


OPERATIONS = st.lists(
    st.tuples(st.integers(0, 200_000), st.binary(max_size=70_000) | st.none()), max_size=6
)


@settings(max_examples=40)
@given(OPERATIONS)
def test_a_hollow_file_is_a_file(operations: list[tuple[int, bytes | None]]) -> None:
    """``None`` makes it as long as the place, bytes are written there."""
    hollow, plain = HollowFile(), io.BytesIO()
    for place, data in operations:
        if data is None:
            longer = max(place, hollow.size)
            hollow.truncate(longer)
            plain.seek(0, io.SEEK_END)
            plain.write(bytes(longer - plain.tell()))
            continue
        assert hollow.seek(place) == place
        assert hollow.write(memoryview(data)) == len(data)
        if data:
            plain.seek(0, io.SEEK_END)
            plain.write(bytes(max(0, place - plain.tell())))
            plain.seek(place)
            plain.write(data)
    whole = plain.getvalue()
    hollow.truncate(len(whole))
    assert hollow.span(0, len(whole)) == whole
    hollow.seek(len(whole) // 2)
    buffer = bytearray(len(whole))
    count = hollow.readinto(memoryview(buffer))
    assert buffer[:count] == whole[len(whole) // 2 :]
    assert hollow.seek(0, io.SEEK_END) == len(whole)
    assert hollow.seek(-len(whole), io.SEEK_CUR) == 0


def test_holes_take_no_memory() -> None:
    hollow = HollowFile()
    hollow.truncate(1 << 40)
    hollow.seek(1 << 39)
    hollow.write(memoryview(b"x"))
    assert hollow.size == 1 << 40
    assert len(hollow._pages) == 1
    assert hollow.span((1 << 39) - 1, (1 << 39) + 2) == b"\0x\0"

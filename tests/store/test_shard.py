"""The format: what is written is read, in any process, and nothing unsafe is opened."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from asd.digest import canonical_json
from asd.errors import JobError, UsageError
from asd.store import Shard, ShardSpec

NAMES = ["a.wav", "b.wav", 'ü,".wav', "d.wav", "e.wav"]


def test_round_trip(
    tmp_path: Path, spec: ShardSpec, write: Callable, row: Callable, table_of: Callable
) -> None:
    shard = write(tmp_path / "s.h5", spec, NAMES)
    assert shard.spec == spec
    assert (shard.machine, shard.feature, shard.section, shard.split) == (
        "fan",
        "logmel",
        "00",
        "train",
    )
    assert shard.clips == table_of(NAMES)
    assert shard.clips.name == tuple(NAMES)
    assert shard.clips.domain == ("source",) * 5
    assert shard.features.dtype == np.float16
    for i, name in enumerate(NAMES):
        np.testing.assert_array_equal(shard.features[i], row(name, spec))


def test_rows_lie_where_h5py_finds_them(tmp_path: Path, spec: ShardSpec, write: Callable) -> None:
    shard = write(tmp_path / "s.h5", spec, NAMES)
    with h5py.File(shard.path) as file:
        np.testing.assert_array_equal(shard.features, file["features"][...])
        assert file["features"].chunks is None
        assert file.attrs["complete"] == 1
        assert (bytes(file.attrs["kind"]), file.attrs["schema"]) == (b"shard", 2)
        assert json.loads(bytes(file.attrs["request"])) == spec.request


def test_same_inputs_give_the_same_bytes(tmp_path: Path, spec: ShardSpec, write: Callable) -> None:
    one = write(tmp_path / "one.h5", spec, NAMES, batch=1).path.read_bytes()
    two = write(tmp_path / "two.h5", spec, NAMES, batch=5).path.read_bytes()
    assert one == two


def test_pickle_carries_no_rows(tmp_path: Path, spec: ShardSpec, write: Callable) -> None:
    shard = write(tmp_path / "s.h5", spec, NAMES)
    expected = np.array(shard.features)
    sent = pickle.dumps(shard)
    assert expected.tobytes() not in sent
    np.testing.assert_array_equal(pickle.loads(sent).features, expected)  # noqa: S301


def test_rows_are_read_only(tmp_path: Path, spec: ShardSpec, write: Callable) -> None:
    shard = write(tmp_path / "s.h5", spec, NAMES)
    with pytest.raises(ValueError, match="read-only"):
        shard.features[0] = 0


def test_identity_follows_the_data(tmp_path: Path, spec: ShardSpec, write: Callable) -> None:
    first = write(tmp_path / "a.h5", spec, NAMES)
    assert first.identity == write(tmp_path / "b.h5", spec, NAMES).identity
    assert first.identity != write(tmp_path / "c.h5", spec, NAMES[:4]).identity


def test_missing_file_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such shard"):
        Shard.open(tmp_path / "none.h5")


def _text(file: h5py.File) -> None:
    file.attrs["schema"] = np.uint32(99)


def _unfinished(file: h5py.File) -> None:
    file.attrs["complete"] = np.uint8(0)


def _older(file: h5py.File) -> None:
    file.attrs["schema"] = np.uint32(1)


def _recipe(file: h5py.File) -> None:
    request = json.loads(bytes(file.attrs["request"])) | {"recipe": {"hop": 256}}
    file.attrs["request"] = np.bytes_(canonical_json(request))


def _another_section(file: h5py.File) -> None:
    request = json.loads(bytes(file.attrs["request"])) | {"section": "07"}
    file.attrs["request"] = np.bytes_(canonical_json(request))


def _numbered_section(file: h5py.File) -> None:
    request = json.loads(bytes(file.attrs["request"])) | {"section": 7}
    file.attrs["request"] = np.bytes_(canonical_json(request))


def _further_request(file: h5py.File) -> None:
    request = json.loads(bytes(file.attrs["request"])) | {"more": 1}
    file.attrs["request"] = np.bytes_(canonical_json(request))


def _listed_request(file: h5py.File) -> None:
    file.attrs["request"] = np.bytes_(b"[1]")


def _extra(file: h5py.File) -> None:
    file["more"] = [1]


def _external_link(file: h5py.File) -> None:
    del file["features"]
    file["features"] = h5py.ExternalLink("other.h5", "/features")


def _external_storage(file: h5py.File) -> None:
    del file["features"]
    file.create_dataset("features", (5, 3, 5), "f2", external=[("raw.bin", 0, h5py.h5f.UNLIMITED)])


def _soft_link(file: h5py.File) -> None:
    file.move("features", "clips2")
    file["features"] = h5py.SoftLink("/clips")


def _chunked(file: h5py.File) -> None:
    del file["features"]
    file.create_dataset("features", data=np.zeros((5, 3, 5), "f2"), chunks=(1, 3, 5))


def _absurd(file: h5py.File) -> None:
    del file["features"]
    file.create_dataset("features", (5, 10**6, 10**6), "f2")


def _label(file: h5py.File) -> None:
    table = file["clips"][...]
    table["label"][0] = b"anomaly"
    file["clips"][...] = table


def _start(file: h5py.File) -> None:
    table = file["clips"][...]
    table["start"][0] = 7
    file["clips"][...] = table


def _other_columns(file: h5py.File) -> None:
    table = file["clips"][...]
    del file["clips"]
    file["clips"] = table[["name", "content", "row"]]


def _floats(file: h5py.File) -> None:
    del file["features"]
    file.create_dataset("features", data=np.zeros((5, 3, 5), "f8"))


@pytest.mark.parametrize(
    "change",
    [
        _text,
        _unfinished,
        _older,
        _recipe,
        _another_section,
        _numbered_section,
        _further_request,
        _listed_request,
        _extra,
        _external_link,
        _external_storage,
        _soft_link,
        _chunked,
        _absurd,
        _floats,
        _label,
        _start,
        _other_columns,
    ],
)
def test_unsafe_or_foreign_files_are_refused(
    tmp_path: Path, spec: ShardSpec, write: Callable, change: Callable[[h5py.File], None]
) -> None:
    path = write(tmp_path / "s.h5", spec, NAMES).path
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(JobError, match=r"s\.h5: not a readable shard") as caught:
        Shard.open(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 100, 2000])
def test_truncated_files_are_refused(
    tmp_path: Path, spec: ShardSpec, write: Callable, size: int
) -> None:
    path = write(tmp_path / "s.h5", spec, NAMES).path
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(JobError, match="not a readable shard"):
        Shard.open(path)

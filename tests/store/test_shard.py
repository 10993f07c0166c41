"""The format: what is written is read, in any process, and nothing unsafe is opened."""

import json
import pickle

import h5py
import numpy as np
import pytest

from asd.digest import canonical_json
from asd.errors import JobError, UsageError
from asd.store import Shard
from tests.store.conftest import SPEC, row, table_of, write

NAMES = ["a.wav", "b.wav", 'ü,".wav', "d.wav", "e.wav"]


def test_round_trip(tmp_path):
    shard = write(tmp_path / "s.h5", NAMES)
    assert shard.spec == SPEC
    assert shard.clips == table_of(NAMES)
    assert shard.clips.name == tuple(NAMES)
    assert shard.clips.domain == ("source",) * 5
    assert shard.features.dtype == np.float16
    for i, name in enumerate(NAMES):
        np.testing.assert_array_equal(shard.features[i], row(name))


def test_rows_lie_where_h5py_finds_them(tmp_path):
    shard = write(tmp_path / "s.h5", NAMES)
    with h5py.File(shard.path) as file:
        np.testing.assert_array_equal(shard.features, file["features"][...])
        assert file["features"].chunks is None
        assert file.attrs["complete"] == 1
        assert (bytes(file.attrs["kind"]), file.attrs["schema"]) == (b"shard", 2)
        assert json.loads(bytes(file.attrs["request"])) == SPEC.request


def test_same_inputs_give_the_same_bytes(tmp_path):
    one = write(tmp_path / "one.h5", NAMES, batch=1).path.read_bytes()
    two = write(tmp_path / "two.h5", NAMES, batch=5).path.read_bytes()
    assert one == two


def test_pickle_carries_no_rows(tmp_path):
    shard = write(tmp_path / "s.h5", NAMES)
    expected = np.array(shard.features)
    sent = pickle.dumps(shard)
    assert expected.tobytes() not in sent
    np.testing.assert_array_equal(pickle.loads(sent).features, expected)  # noqa: S301


def test_rows_are_read_only(tmp_path):
    shard = write(tmp_path / "s.h5", NAMES)
    with pytest.raises(ValueError, match="read-only"):
        shard.features[0] = 0


def test_the_row_of_a_clip_is_found_by_its_content_and_given_if_it_is_intact(tmp_path):
    shard = write(tmp_path / "s.h5", NAMES)
    one, other = shard.clips.content[1:3]
    data = bytearray(shard.path.read_bytes())
    data[shard.offset + 2 * shard.spec.row_bytes] ^= 1
    shard.path.write_bytes(data)
    np.testing.assert_array_equal(shard.row(one), row(NAMES[1]))
    assert shard.row(other) is None
    assert shard.row("") is None


def test_identity_follows_the_data(tmp_path):
    first = write(tmp_path / "a.h5", NAMES)
    assert first.identity == write(tmp_path / "b.h5", NAMES).identity
    assert first.identity != write(tmp_path / "c.h5", NAMES[:4]).identity


def test_missing_file_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="no such shard"):
        Shard.open(tmp_path / "none.h5")


def _attribute(key, value):
    return lambda file: file.attrs.__setitem__(key, value)


def _request(**change):
    def run(file):
        request = json.loads(bytes(file.attrs["request"])) | change
        file.attrs["request"] = np.bytes_(canonical_json(request))

    return run


def _features(*shape, **values):
    def run(file):
        del file["features"]
        file.create_dataset("features", *shape, **values)

    return run


def _external_link(file):
    del file["features"]
    file["features"] = h5py.ExternalLink("other.h5", "/features")


def _soft_link(file):
    file.move("features", "clips2")
    file["features"] = h5py.SoftLink("/clips")


def _cell(column, value):
    def run(file):
        table = file["clips"][...]
        table[column][0] = value
        file["clips"][...] = table

    return run


def _other_columns(file):
    table = file["clips"][...]
    del file["clips"]
    file["clips"] = table[["name", "content", "row"]]


ELSEWHERE = [("raw.bin", 0, h5py.h5f.UNLIMITED)]
HARMS = {
    "newer schema": _attribute("schema", np.uint32(99)),
    "older schema": _attribute("schema", np.uint32(1)),
    "unfinished": _attribute("complete", np.uint8(0)),
    "listed request": _attribute("request", np.bytes_(b"[1]")),
    "other recipe": _request(recipe={"hop": 256}),
    "other section": _request(section="07"),
    "numbered section": _request(section=7),
    "further request": _request(more=1),
    "further dataset": lambda file: file.__setitem__("more", [1]),
    "external link": _external_link,
    "soft link": _soft_link,
    "external storage": _features((5, 3, 5), "f2", external=ELSEWHERE),
    "chunks": _features(data=np.zeros((5, 3, 5), "f2"), chunks=(1, 3, 5)),
    "absurd shape": _features((5, 10**6, 10**6), "f2"),
    "other type": _features(data=np.zeros((5, 3, 5), "f8")),
    "other label": _cell("label", b"anomaly"),
    "other start": _cell("start", 7),
    "other columns": _other_columns,
}


@pytest.mark.parametrize("harm", HARMS)
def test_unsafe_or_foreign_files_are_refused(tmp_path, harm):
    path = write(tmp_path / "s.h5", NAMES).path
    with h5py.File(path, "r+") as file:
        HARMS[harm](file)
    with pytest.raises(JobError, match=r"s\.h5: not a readable shard") as caught:
        Shard.open(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 100, 2000])
def test_truncated_files_are_refused(tmp_path, size):
    path = write(tmp_path / "s.h5", NAMES).path
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(JobError, match="not a readable shard"):
        Shard.open(path)

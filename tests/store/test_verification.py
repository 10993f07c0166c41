"""Verification: whatever is not what was written is found, and nothing else is complained of."""

import errno
import os
from dataclasses import replace

import pytest

from asd.digest import sha256_bytes
from asd.store import FeatureStore, Shard
from asd.store.verification import (
    leftovers,
    verify_files,
    verify_rows,
    verify_shards,
)
from tests.store.conftest import SPEC, write

NAMES = [f"{i}.wav" for i in range(6)]


@pytest.fixture
def store(tmp_path):
    """Two sections of one feature."""
    store = FeatureStore(tmp_path / "features")
    for section in ("00", "01"):
        write(store.path("fan", "logmel", section, "train"), NAMES, replace(SPEC, section=section))
    return store


def _flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_what_was_written_is_whole(store):
    found = verify_shards(store, store.paths("fan", "logmel"))
    assert (len(found.shards), found.rows, found.damaged) == (2, 12, ())
    read = []
    assert verify_rows(found.shards, read.append) == []
    assert sum(read) == 12
    assert leftovers(store.root) == []


def test_damaged_rows_are_named(store):
    path = store.path("fan", "logmel", "01", "train")
    shard = Shard.open(path)
    for row in (1, 2, 4, 5):
        _flip(path, shard.offset + row * shard.spec.row_bytes)
    (damage,) = verify_rows(verify_shards(store, [path]).shards)
    assert (damage.path, damage.rows) == (path, (1, 2, 4, 5))
    assert "4 of 6 rows are not what was written (1.wav, 2.wav, 4.wav, ...)" in damage.reason


def test_what_says_which_rows_there_are_is_checked_without_reading_them(store):
    path = store.path("fan", "logmel", "01", "train")
    _flip(path, path.read_bytes().index(b"2.wav"))
    found = verify_shards(store, store.paths("fan", "logmel"))
    assert len(found.shards) == 1
    assert [damage.path for damage in found.damaged] == [path]
    assert "\n" not in found.damaged[0].reason


@pytest.mark.parametrize(
    "place",
    ["fan/logmel/section_02_train.h5", "fan/wave/section_00_train.h5", "valve/logmel/copy.h5"],
)
def test_a_shard_in_another_place_is_damage(store, place):
    path = store.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(store.path("fan", "logmel", "00", "train").read_bytes())
    (damage,) = verify_shards(store, store.root.rglob("*.h5")).damaged
    assert damage.path == path
    assert "wrong place: it says that it is fan logmel section 00 train" in damage.reason


def test_a_disk_that_fails_to_give_a_row_says_nothing_of_it(store, monkeypatch):
    path = store.path("fan", "logmel", "00", "train")
    shard = Shard.open(path)
    bad = shard.offset + 3 * shard.spec.row_bytes
    pread = os.pread

    def failing(handle, size, offset):
        if offset == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(handle, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    (damage,) = verify_rows([shard])
    assert (damage.rows, damage.unreadable) == ((), True)
    assert damage.reason == "cannot be read: Input/output error"


def test_a_shard_replaced_meanwhile_is_not_damage(store):
    opened = store.shards("fan", "logmel")
    write(opened[0].path, NAMES, replace(SPEC, recipe={"hop": 1}))
    opened[1].path.unlink()
    assert verify_rows(opened) == []


def test_recordings_are_read_against_their_index(tmp_path):
    for name in ("kept", "changed"):
        (tmp_path / name).write_text(name)
    digests = {tmp_path / n: sha256_bytes(n.encode()) for n in ("kept", "changed", "lost")}
    (tmp_path / "changed").write_text("other")
    found = {damage.path.name: damage.reason for damage in verify_files(digests)}
    assert set(found) == {"changed", "lost"}
    assert "changed since it was indexed" in found["changed"]
    assert "lost" in found["lost"]


def test_what_killed_runs_left_is_listed(store):
    names = (".a.h5.part", ".a.h5.part.new", ".a.h5.journal", ".x.json.17.part")
    left = [store.root / "fan" / name for name in names]
    for path in left:
        path.write_text("")
    assert leftovers(store.root) == sorted(left)

"""Writing: nothing valid is computed twice, nothing half-written is ever read."""

import errno
import os
import random
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from asd.errors import JobError
from asd.store import Shard, ShardWriter
from asd.store.writer import is_current
from tests.store.conftest import SPEC, row, table_of, write

NAMES = [f"{i:02d}.wav" for i in range(12)]


def _interrupt(path):
    """Write five rows and no more."""
    with ShardWriter(path, SPEC, table_of(NAMES)) as writer:
        for i in writer.pending[:5]:
            writer.write([i], row(NAMES[i])[None])


def test_finished_shard_is_current(tmp_path):
    path = tmp_path / "s.h5"
    assert not is_current(path, SPEC, table_of(NAMES))
    write(path, NAMES)
    assert is_current(path, SPEC, table_of(NAMES))
    assert not is_current(path, SPEC, table_of(NAMES[1:]))
    assert not is_current(path, SPEC, table_of(NAMES, "anomaly"))
    assert not is_current(path, replace(SPEC, recipe={"hop": 256}), table_of(NAMES))


def test_interrupted_run_goes_on(tmp_path):
    path = tmp_path / "s.h5"
    whole = write(tmp_path / "whole.h5", NAMES).path.read_bytes()
    _interrupt(path)
    assert not path.exists()
    with ShardWriter(path, SPEC, table_of(NAMES)) as writer:
        assert writer.pending.tolist() == list(range(5, 12))
    write(path, NAMES)
    assert path.read_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.h5", "whole.h5"]


def test_torn_rows_are_computed_again(tmp_path):
    path = tmp_path / "s.h5"
    _interrupt(path)
    part = tmp_path / ".s.h5.part"
    data = bytearray(part.read_bytes())
    start = data.find(row(NAMES[2]).tobytes())
    data[start] ^= 1
    part.write_bytes(bytes(data))
    with ShardWriter(path, SPEC, table_of(NAMES)) as writer:
        assert writer.pending.tolist() == [2, *range(5, 12)]


@pytest.mark.parametrize("other", ["clips", "recipe"])
def test_the_journal_of_another_part_says_nothing_of_this_one(tmp_path, other):
    """A kill between the renames of part and journal leaves the old journal beside the new part.

    It tells of a silent clip, whose row is all zeros like those that are not computed yet.
    """
    path, journal = tmp_path / "s.h5", tmp_path / ".s.h5.journal"
    silence = np.zeros((1, *SPEC.row_shape), SPEC.dtype)
    with ShardWriter(path, SPEC, table_of(NAMES)) as writer:
        writer.write([3], silence)
    old = journal.read_bytes()
    names = NAMES if other == "recipe" else [f"other_{name}" for name in NAMES]
    new = replace(SPEC, recipe={"hop": 256}) if other == "recipe" else SPEC
    with ShardWriter(path, new, table_of(names)):
        pass
    journal.write_bytes(old)
    with ShardWriter(path, new, table_of(names)) as writer:
        assert len(writer.pending) == 12
        writer.write([3], silence)
    with ShardWriter(path, new, table_of(names)) as writer:
        assert len(writer.pending) == 11


def test_half_a_journal_record_is_ignored(tmp_path):
    path = tmp_path / "s.h5"
    _interrupt(path)
    journal = tmp_path / ".s.h5.journal"
    journal.write_bytes(journal.read_bytes()[:-7])
    with ShardWriter(path, SPEC, table_of(NAMES)) as writer:
        assert writer.pending.tolist() == list(range(4, 12))


def test_changed_clips_keep_the_valid_rows(tmp_path):
    path = tmp_path / "s.h5"
    write(path, NAMES)
    changed = ["new.wav", *reversed(NAMES[2:])]
    with ShardWriter(path, SPEC, table_of(changed)) as writer:
        assert writer.pending.tolist() == [0]
        # Until the new shard is finished the old one is what readers see.
        assert Shard.open(path).clips.name == tuple(NAMES)
        writer.write([0], row("new.wav")[None])
        writer.finish()
    shard = Shard.open(path)
    assert shard.clips.name == tuple(changed)
    for i, name in enumerate(changed):
        np.testing.assert_array_equal(shard.features[i], row(name))
    assert path.read_bytes() == write(tmp_path / "t.h5", changed).path.read_bytes()


def test_rows_of_an_interrupted_run_survive_a_change_of_clips(tmp_path):
    path = tmp_path / "s.h5"
    _interrupt(path)
    with ShardWriter(path, SPEC, table_of(NAMES[1:])) as writer:
        assert writer.pending.tolist() == list(range(4, 11))


def test_another_recipe_keeps_nothing(tmp_path):
    path = tmp_path / "s.h5"
    write(path, NAMES)
    with ShardWriter(path, replace(SPEC, recipe={"hop": 256}), table_of(NAMES)) as writer:
        assert len(writer.pending) == 12


def test_a_changed_label_computes_nothing(tmp_path):
    path = tmp_path / "s.h5"
    write(path, NAMES)
    with ShardWriter(path, SPEC, table_of(NAMES, "anomaly")) as writer:
        assert len(writer.pending) == 0
        writer.finish()
    assert Shard.open(path).clips.label == ("anomaly",) * 12


def test_a_damaged_shard_is_computed_again(tmp_path):
    path = tmp_path / "s.h5"
    write(path, NAMES)
    path.write_bytes(b"not HDF5")
    assert not is_current(path, SPEC, table_of(NAMES))
    with ShardWriter(path, SPEC, table_of(NAMES)) as writer:
        assert len(writer.pending) == 12


def test_unfinished_rows_cannot_be_finished(tmp_path):
    with (
        ShardWriter(tmp_path / "s.h5", SPEC, table_of(NAMES)) as writer,
        pytest.raises(JobError, match="12 rows are missing"),
    ):
        writer.finish()


def test_rows_of_another_shape_are_refused(tmp_path):
    with ShardWriter(tmp_path / "s.h5", SPEC, table_of(NAMES)) as writer:
        with pytest.raises(ValueError, match="rows are"):
            writer.write([0], np.zeros((1, 3, 4), np.float16))
        with pytest.raises(ValueError, match="rows are"):
            writer.write([0], np.zeros((1, 3, 5), np.float32))


def test_second_run_waits_for_the_first(tmp_path):
    path = tmp_path / "s.h5"
    seen = []

    def second():
        with ShardWriter(path, SPEC, table_of(NAMES)) as writer:
            seen.append(len(writer.pending))
            writer.finish()

    with ShardWriter(path, SPEC, table_of(NAMES)) as writer:
        thread = threading.Thread(target=second)
        thread.start()
        writer.write(range(12), np.stack([row(name) for name in NAMES]))
        thread.join(0.2)
        assert thread.is_alive()
        writer.finish()
    thread.join(10)
    # What the first run finished is reused by the second.
    assert seen == [0]
    assert path.read_bytes() == write(tmp_path / "t.h5", NAMES).path.read_bytes()


def test_full_disk_is_one_line_and_leaves_the_shard(tmp_path, monkeypatch):
    path = tmp_path / "s.h5"
    before = write(path, NAMES).path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(JobError, match=r"s\.h5: cannot be written: No space left") as caught:  # noqa: SIM117
        with ShardWriter(path, SPEC, table_of([*NAMES, "new.wav"])) as writer:
            writer.write([12], row("new.wav")[None])
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


_KILLED = """
import sys, numpy as np
from pathlib import Path
from asd.clip_table import ClipTable
from asd.store import ShardSpec, ShardWriter
spec = ShardSpec("fan", "logmel", "00", "train", {"hop": 512}, (64, 64), "float16")
names = [f"{i:03d}.wav" for i in range(200)]
table = ClipTable.of_columns({"name": names, "content": [f"{i:064d}" for i in range(200)]})
with ShardWriter(Path(sys.argv[1]), spec, table) as writer:
    print(len(writer.pending), flush=True)
    for i in writer.pending:
        writer.write([i], np.full((1, 64, 64), i, np.float16))
    writer.finish()
"""


def test_kill_at_random_moments_gives_the_same_bytes(tmp_path):
    command = [sys.executable, "-c", _KILLED]
    subprocess.run([*command, tmp_path / "whole.h5"], check=True, capture_output=True)
    whole = (tmp_path / "whole.h5").read_bytes()
    chance = random.Random(0)
    path = tmp_path / "s.h5"
    pending = 200
    for _ in range(6):
        with subprocess.Popen([*command, path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if line:
                assert int(line) <= pending, "a finished row was lost"
                pending = int(line)
            try:
                process.wait(chance.uniform(0.0, 0.05))
            except subprocess.TimeoutExpired:
                process.kill()
        if path.exists():
            assert path.read_bytes() == whole
    subprocess.run([*command, path], check=True, capture_output=True)
    assert path.read_bytes() == whole

"""HDF5 wrote to the disk itself: a full one was a RuntimeError, and then a segmentation fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# A limit on the size of files refuses writes at the same places as a full disk, for any user.
_WRITE = """
import resource, sys
from pathlib import Path
import numpy as np
from asd.errors import JobError
from asd.clip_table import ClipTable
from asd.scoring.bank import Bank, BanksRequest, write_banks
from asd.store import Shard, ShardSpec, ShardWriter

folder = Path(sys.argv[1])
names = [f"{i}.wav" for i in range(60)]
spec = ShardSpec("fan", "logmel", "00", "train", {"hop": 512}, (16, 16), "float16")
clips = ClipTable.of_columns({
    "name": names, "domain": ["source"] * 60, "label": ["normal"] * 60, "attributes": ["a=1"] * 60,
    "content": names})
bank = Bank(clips, np.zeros(60, np.int32), {"embedding": np.ones((60, 16), np.float32)})
request = BanksRequest(machine="fan", model="", inputs={}, params={})

def write_bank(path):
    write_banks(path / "record.json", request, bank, bank, {})

def write_shard(path):
    with ShardWriter(path, spec, clips) as writer:
        writer.write(range(60), np.zeros((60, 16, 16), np.float16))
        writer.finish()

for number, limit in enumerate(range(0, 60_000, 1_500)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for write in (write_shard, write_bank):
        path = folder / f"{number}_{write.__name__}.h5"
        try:
            write(path)
            print("written")
        except JobError as error:
            print(error)
        assert not list(folder.rglob("*.new"))
"""


def test_a_full_disk_is_an_error_and_no_crash(tmp_path: Path) -> None:
    package = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, tmp_path],
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 80
    refused = [line for line in lines if line != "written"]
    assert 10 < len(refused) < 70
    assert all("cannot be written: File too large" in line for line in refused)

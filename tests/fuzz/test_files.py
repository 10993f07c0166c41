"""Damaged recordings and HDF5 files: refused on one line, and never a crash or wrong values.

`ASD_LONG_TESTS=1` tries 12,000 of each kind instead of 60.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

COUNT = 12_000 if os.environ.get("ASD_LONG_TESTS") else 60
TARGETS = ("wav", "flac", "ogg", "shard", "bank", "vouched", "detector", "part")


def test_no_damaged_file_takes_a_reader_down(tmp_path: Path) -> None:
    fuzzer = Path(__file__).with_name("fuzzer.py")
    package = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, fuzzer, tmp_path, "0", str(COUNT), *TARGETS],
        env={**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # The last input of the target that is missing from the output is in the folder.
    assert done.returncode == 0, f"{tmp_path}: {done.stdout}{done.stderr}"
    counts: dict[str, dict[str, int]] = {}
    for line in done.stdout.splitlines():
        counts |= json.loads(line)
    assert tuple(counts) == TARGETS
    assert all(sum(of_target.values()) == COUNT for of_target in counts.values())
    assert all(counts[target].get("refused", 0) > COUNT / 4 for target in TARGETS[:-1])
    assert counts["part"] == {"read": COUNT}, "a damaged part must cost its rows at most"

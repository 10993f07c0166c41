"""Peak memory of ``asd extract`` of 2,000 clips against that of 200.

Clips of 10 s with the wave and the log-mel as features, at the paper's settings: 800 MB of rows.
The peak is that of the resident set, which counts the libraries and what is mapped of files. It is
what the process says of itself at its end (``VmHWM``): ``ru_maxrss`` of a child begins with the
memory of the process that started it. A store that keeps rows, or a reader that keeps clips, would
show as 800 MB; the floor is what torch and HDF5 take. The least of several runs on either side.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.base import Bound, Result
from tests.benchmarks.material import RATE, write_recordings

BOUNDS = (Bound("200 clips", at_least=1.1, aim=1.02, lower_is_better=True),)
FEW, MANY, ROUNDS = 200, 2_000, 3
COMMAND = """
import atexit, pathlib, sys
from asd.cli import main

@atexit.register
def say_peak():
    status = pathlib.Path("/proc/self/status").read_text().splitlines()
    print(next(line for line in status if line.startswith("VmHWM")), file=sys.stderr)

main()
"""
PARAMS = """
dataset: {name: memory, rules: '2022', raw: raw, machines: [fan]}
features:
  wave: {extractor: wave}
  logmel: {extractor: logmel}
models:
  both: {features: [logmel, wave]}
systems:
  both: {model: both, scorer: cosine}
"""


def run(scratch: Path) -> Result:
    """Extract from many clips, and from the first few of them."""
    many, few = scratch / "many", scratch / "few"
    for root in (many, few):
        (root / "pipeline").mkdir(parents=True)
        (root / "pipeline" / "params.yaml").write_text(PARAMS)
    paths = write_recordings(many / "raw" / "fan" / "train", MANY, 10 * RATE)
    folder = few / "raw" / "fan" / "train"
    folder.mkdir(parents=True)
    for path in paths[:FEW]:
        os.link(path, folder / path.name)
    for root in (many, few):
        _peak(root, "index")
    peaks: dict[Path, list[float]] = {many: [], few: []}
    for _ in range(ROUNDS):
        for root in (few, many):
            for shard in (root / "data" / "features").rglob("*.h5"):
                shard.unlink()
            peaks[root].append(_peak(root, "extract"))
            _check(root, MANY if root == many else FEW)
    ours, peer = min(peaks[many]), min(peaks[few])
    return Result(
        name="memory",
        work=f"peak of asd extract of {MANY:,} clips of 10 s, 2 features",
        unit="MiB",
        ours=ours,
        peers={BOUNDS[0].peer: peer},
        ratios={BOUNDS[0].peer: ours / peer},
        bounds=BOUNDS,
    )


def _peak(root: Path, verb: str) -> float:
    """Run a command as a process of its own and return its peak resident set in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, verb], cwd=root, check=True, capture_output=True, text=True
    )
    return int(done.stderr.split()[-2]) / 1024  # "VmHWM:    123456 kB"


def _check(root: Path, clips: int) -> None:
    from asd.store import FeatureStore

    shards = [
        FeatureStore(root / "data" / "features").open("fan", feature, "00", "train")
        for feature in ("wave", "logmel")
    ]
    assert [len(shard) for shard in shards] == [clips, clips]

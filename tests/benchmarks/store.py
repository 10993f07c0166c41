"""Random batches of 64 log-mel rows from a shard, against what else one could keep them in.

The rows are log-mels (128, 313) float16 of 10 s clips, computed by the package and the same in all
three. Ours: ``Shard.features``, one line of fancy indexing. Peers: h5py's fancy index into a
dataset with one gzip-compressed chunk a clip, the usual way to keep spectrograms in HDF5 (its rows
sorted, as h5py demands), and ``numpy.memmap`` over a file of nothing but the rows. All return the
same batch of float16 rows in memory; files stay open, and all of them lie in the page cache. One
thread each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.benchmarks.base import Bound, Result, fastest
from tests.benchmarks.material import RATE, waves, write_shard

BOUNDS = (
    Bound("h5py fancy index, chunked gzip", at_least=30.0, aim=30.0),
    Bound("numpy.memmap", at_least=0.0, aim=0.9),
)
CLIPS, BATCH, BATCHES, ROUNDS = 1_000, 64, 12, 9


def run(scratch: Path) -> Result:
    """Read the same batches from all three."""
    import h5py

    from asd.store import ShardSpec

    spec = ShardSpec("fan", "logmel", "00", "train", {"extractor": "logmel"}, (128, 313), "float16")
    shard = write_shard(scratch / "section_00_train.h5", spec, _logmels(), CLIPS)
    rows = np.array(shard.features)
    rows.tofile(scratch / "rows.bin")
    with h5py.File(scratch / "chunked.h5", "w") as file:
        file.create_dataset("rows", data=rows, chunks=(1, 128, 313), compression="gzip")
    raw = np.memmap(scratch / "rows.bin", np.float16, mode="r", shape=rows.shape)
    random = np.random.default_rng(0)
    batches = [random.choice(CLIPS, BATCH, replace=False) for _ in range(BATCHES)]
    ascending = [np.sort(batch) for batch in batches]
    with h5py.File(scratch / "chunked.h5", "r") as file:
        chunked = file["rows"]
        assert np.array_equal(shard.features[ascending[0]], chunked[ascending[0]])
        assert np.array_equal(shard.features[batches[0]], raw[batches[0]])
        taken = fastest(
            {
                "ours": lambda: [shard.features[batch] for batch in batches],
                BOUNDS[0].peer: lambda: [chunked[batch] for batch in ascending],
                BOUNDS[1].peer: lambda: [raw[batch] for batch in batches],
            },
            ROUNDS,
        )
    each = {name: 1000 * value / BATCHES for name, value in taken.items()}
    ours = each.pop("ours")
    return Result(
        name="store",
        work=f"random batches of {BATCH} of {CLIPS:,} log-mel rows",
        unit="ms/batch",
        ours=ours,
        peers=each,
        ratios={name: value / ours for name, value in each.items()},
        bounds=BOUNDS,
    )


def _logmels() -> Iterator[np.ndarray]:
    """Yield blocks of log-mels (n, 128, 313) float16 of as many clips."""
    from asd.clips.audio import Signal
    from asd.features.logmel import LogMel, LogMelConfig

    extractor = LogMel(LogMelConfig(), Signal(sample_rate=RATE, length=10 * RATE, channel=0))
    made = waves(CLIPS, 10 * RATE)
    for start in range(0, CLIPS, BATCH):
        yield extractor(np.stack([next(made) for _ in range(min(BATCH, CLIPS - start))]))

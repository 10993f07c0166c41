"""Small shards for the tests of the store."""

import numpy as np

from asd.clip_table import ClipTable
from asd.digest import sha256_json
from asd.store import Shard, ShardSpec, ShardWriter

SPEC = ShardSpec("fan", "logmel", "00", "train", {"hop": 512}, (3, 5), "float16")


def row(name, spec=SPEC):
    """The one row that a made-up clip has under a recipe."""
    seed = int(sha256_json([name, spec.recipe])[:8], 16)
    drawn = np.random.default_rng(seed).normal(size=spec.row_shape) * 100
    return drawn.astype(spec.dtype)


def table_of(names, label="normal"):
    """The table of made-up clips."""
    count = len(names)
    columns = {
        "name": names,
        "recording": names,
        "section": ["00"] * count,
        "split": ["train"] * count,
        "domain": ["source"] * count,
        "label": [label] * count,
        "attributes": ["speed=1"] * count,
        "content": [sha256_json(name) for name in names],
    }
    return ClipTable.of_columns(columns)


def write(path, names, spec=SPEC, batch=4):
    """Write a whole shard of the named clips and open it."""
    with ShardWriter(path, spec, table_of(names)) as writer:
        pending = writer.pending
        for start in range(0, len(pending), batch):
            rows = pending[start : start + batch]
            writer.write(rows, np.stack([row(names[one], spec) for one in rows]))
        writer.finish()
    return Shard.open(path)

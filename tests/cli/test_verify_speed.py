"""asd verify on the clips of a whole challenge: under two seconds, with the start of Python."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from asd.clip_table import ClipTable
from asd.store import FeatureStore, ShardSpec, writer

PARAMS = """
dataset: {name: large, raw: data/raw, machines: [fan]}
features: {logmel: {}}
models: {small: {features: [logmel]}}
systems: {}
"""


def test_a_large_store_is_verified_at_once(tmp_path: Path) -> None:
    """42 shards of 1,000 rows, as in the challenge of 2022."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/params.yaml").write_text(PARAMS)
    store = FeatureStore(tmp_path / "data/features")
    for shard in range(42):
        machine, section = f"machine{shard // 6}", f"{shard % 6:02d}"
        names = [
            f"section_{section}_source_train_normal_{i:04d}_car_C2_v_31.wav" for i in range(1000)
        ]
        clips = ClipTable.of_columns(
            {
                "name": names,
                "recording": names,
                "section": [section] * 1000,
                "split": ["train"] * 1000,
                "domain": ["source"] * 1000,
                "label": ["normal"] * 1000,
                "attributes": ["car=C2;v=31"] * 1000,
                "content": [f"{i:064d}" for i in range(1000)],
            }
        )
        spec = ShardSpec(machine, "logmel", section, "train", {"hop": 512}, (128, 313), "float16")
        casing = writer._casing(spec, writer._table(clips), complete=True)
        path = store.path(machine, "logmel", section, "train")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(casing.size)  # the rows are a hole: they are not read
            casing.write(file.fileno())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
    done = subprocess.run(
        [sys.executable, "-c", code + "from asd.cli import main; main()", "verify"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "verified 42 shards, 42,000 rows" in done.stdout
    # Time of the processor: that of the clock depends on what else the machine does.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2

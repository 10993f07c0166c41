"""`predict` beside a `score` that made the detector anew asked for what was under way: a score."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asd.artifact import begun_path, lock_path
from asd.atomic import locked
from asd.detection import Detector
from asd.workspace import Workspace


def test_it_is_waited_for(tiny: Path) -> None:
    record = Workspace.at(tiny).score_record("cosine", "pump")
    content = record.read_bytes()
    with ThreadPoolExecutor() as pool:
        with locked(lock_path(record), fleeting=True):
            begun_path(record).touch()
            record.unlink()
            loading = pool.submit(Detector, tiny, "pump", "cosine")
            time.sleep(0.2)
            assert not loading.done()
            record.write_bytes(content)
        assert loading.result(timeout=20).system == "cosine"

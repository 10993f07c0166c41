"""A disk that became full within a row of a watch's log left half of it, joined by the next row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asd.detection.watch import RowLog

resource = pytest.importorskip("resource")


@pytest.mark.parametrize("limit", [0, 50, 100, 120, 121])
def test_a_row_is_written_whole_or_not_at_all(
    tmp_path: Path, limit: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pump.jsonl"
    log = RowLog(path, 10_000, 2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files refuses the rest of a row, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        for number in range(10, 20):
            log.write({"number": number, "more": "x" * 10})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.write({"number": 20})
    rows = path.read_text().splitlines(keepends=True)
    size = len(json.dumps({"number": 10, "more": "x" * 10})) + 1
    assert [json.loads(row)["number"] for row in rows] == [*range(10, 10 + limit // size), 20]

"""Extraction on a Dask cluster of local processes: the same bytes, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal as signals
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asd.clips.audio import Signal
from asd.clips.record import Clip
from asd.errors import JobError, UsageError
from asd.extraction import compute_here, extract
from asd.extraction.cluster import compute_on, connected
from asd.features import EXTRACTORS, build_extractor
from asd.store import FeatureStore


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connected(workers=2) as found:
        yield found


def _extract(
    tmp_path: Path, clips: list[Clip], signal: Signal, store: str, client: Any, feature: str
) -> dict[str, bytes]:
    extractor = build_extractor(EXTRACTORS, feature, {}, signal)
    raw = tmp_path / "raw"
    if client is None:
        compute = compute_here(raw, extractor)
    else:
        compute = compute_on(client, raw, extractor, {})
    extract(clips, extractor, feature, FeatureStore(tmp_path / store), compute)
    return {p.name: p.read_bytes() for p in (tmp_path / store / "fan" / feature).iterdir()}


@pytest.mark.parametrize("feature", ["wave", "logmel"])
def test_bytes_are_those_of_the_serial_run(
    tmp_path: Path, clips: list[Clip], signal: Signal, client: Any, feature: str
) -> None:
    serial = _extract(tmp_path, clips, signal, "serial", None, feature)
    assert _extract(tmp_path, clips, signal, "dask", client, feature) == serial


def test_a_changed_clip_is_named(
    tmp_path: Path, clips: list[Clip], signal: Signal, client: Any
) -> None:
    (tmp_path / "raw" / clips[30].path).write_bytes(b"gone")
    with pytest.raises(JobError, match=clips[30].name + ".*asd index"):
        _extract(tmp_path, clips, signal, "dask", client, "wave")


def test_a_killed_worker_costs_nothing_but_time(
    tmp_path: Path, clips: list[Clip], signal: Signal
) -> None:
    serial = _extract(tmp_path, clips, signal, "serial", None, "logmel")
    with connected(workers=2) as own:
        pids = list(own.run(os.getpid).values())

        def kill() -> None:
            time.sleep(0.3)
            os.kill(pids[0], signals.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        found = _extract(tmp_path, clips, signal, "dask", own, "logmel")
        thread.join()
    assert found == serial


def test_no_scheduler_is_one_line() -> None:
    with pytest.raises(UsageError, match="no Dask scheduler answers") as caught:  # noqa: SIM117
        with connected(scheduler="nonsense://127.0.0.1:1"):
            pass
    assert "\n" not in str(caught.value)

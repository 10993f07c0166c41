"""Extraction on a Dask cluster of local processes: the same bytes, whatever dies meanwhile."""

import os
import signal as signals
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from asd.clips.audio import Signal
from asd.digest import sha256_bytes
from asd.errors import JobError, UsageError
from asd.extraction import cluster, compute_here, extract
from asd.extraction.cluster import compute_on, connected
from asd.features import EXTRACTORS, build_extractor
from asd.store import FeatureStore
from tests.extraction.conftest import SIGNAL


@pytest.fixture(scope="module")
def client():
    with connected(workers=2) as found:
        yield found


def _extract(tmp_path, clips, store, client, feature, signal=SIGNAL):
    extractor = build_extractor(EXTRACTORS, feature, {}, signal)
    raw = tmp_path / "raw"
    if client is None:
        compute = compute_here(raw, extractor)
    else:
        compute = compute_on(client, raw, extractor, {}, device="auto")
    extract(clips, extractor, feature, FeatureStore(tmp_path / store), compute)
    return {p.name: p.read_bytes() for p in (tmp_path / store / "fan" / feature).iterdir()}


@pytest.mark.parametrize("feature", ["wave", "logmel"])
def test_bytes_are_those_of_the_serial_run(tmp_path, clips, client, feature):
    serial = _extract(tmp_path, clips, "serial", None, feature)
    assert _extract(tmp_path, clips, "dask", client, feature) == serial


def test_a_changed_clip_is_named(tmp_path, clips, client):
    (tmp_path / "raw" / clips[30].path).write_bytes(b"gone")
    with pytest.raises(JobError, match=clips[30].name + ".*asd index"):
        _extract(tmp_path, clips, "dask", client, "wave")


def test_a_killed_worker_costs_nothing_but_time(tmp_path, clips):
    serial = _extract(tmp_path, clips, "serial", None, "logmel")
    with connected(workers=2) as own:
        pids = list(own.run(os.getpid).values())

        def kill():
            time.sleep(0.3)
            os.kill(pids[0], signals.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        found = _extract(tmp_path, clips, "dask", own, "logmel")
        thread.join()
    assert found == serial


def test_a_scheduler_that_goes_away_is_one_line(tmp_path, clips):
    """It was a traceback of its client."""
    script = "import sys; from distributed.cli.dask_scheduler import main; main(sys.argv[1:])"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    place = ["--host", address, "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", script, *place], **quiet) as scheduler:
        try:
            with connected(scheduler=_answering(address)) as own:
                extractor = build_extractor(EXTRACTORS, "wave", {}, SIGNAL)
                compute = compute_on(own, tmp_path / "raw", extractor, {})
                # Without a worker nothing comes before the scheduler goes.
                threading.Timer(0.5, scheduler.kill).start()
                with pytest.raises(JobError, match="the Dask scheduler went away"):
                    list(compute([clip for clip in clips if clip.usable], np.arange(3)))
        finally:
            scheduler.kill()


def _answering(address):
    """Return an address as soon as a scheduler answers there."""
    for _ in range(60):
        with suppress(UsageError):
            cluster._ask_who(address)
            return address
        time.sleep(0.5)
    raise AssertionError("no scheduler came up")


def test_the_memory_of_a_worker_does_not_grow_with_the_clips(tmp_path, clips):
    length = 160_000
    wave = np.random.default_rng(0).integers(-9000, 9000, length).astype(np.int16)
    soundfile.write(tmp_path / "raw" / clips[1].path, wave, 16_000)
    digest = sha256_bytes((tmp_path / "raw" / clips[1].path).read_bytes())
    one = replace(clips[1], length=length, samples=length, digest=digest)
    signal = Signal(sample_rate=16_000, length=length, channel=0)
    peaks = []
    with connected(workers=1) as own:
        for count in (64, 448):
            many = [
                replace(one, name=f"{number:04d}.wav", recording=f"{number:04d}.wav")
                for number in range(count)
            ]
            _extract(tmp_path, many, f"of_{count}", own, "wave", signal)
            peaks += own.run(_peak).values()
    added = (448 - 64) * 2 * length / 1e6
    assert peaks[1] - peaks[0] < added / 3, "megabytes; the rows that were added have three times"


def _peak():
    """Return the most memory that this process ever took, in megabytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


class _Growing:
    """A client that sees one worker at first, then four, and one in the end."""

    def __init__(self, client):
        self._client, self._calls, self.submitted = client, 0, 0

    def nthreads(self):
        self._calls += 1
        return dict.fromkeys(range(4 if 3 <= self._calls < 20 else 1), 1)

    def submit(self, *arguments, **named):
        self.submitted += 1
        return self._client.submit(*arguments, **named)


def test_tasks_under_way_are_bounded_and_follow_the_workers(tmp_path, clips, client):
    extractor = build_extractor(EXTRACTORS, "wave", {}, SIGNAL)
    extractor.batch_size = 1
    growing = _Growing(client)
    usable = [clip for clip in clips if clip.usable]
    compute = compute_on(growing, tmp_path / "raw", extractor, {})
    under_way = [
        growing.submitted - done
        for done, _ in enumerate(compute(usable, np.arange(len(usable))), start=1)
    ]
    assert len(under_way) == growing.submitted == len(usable)
    assert under_way[:2] == [3, 12]
    assert max(under_way) == 12
    assert under_way[24:29] == [5, 4, 3, 3, 3]


def test_each_worker_has_a_gpu_and_its_share_of_the_threads(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-7a")
    with connected(workers=3) as own:
        found = list(own.run(_environment).values())
    threads = str(max(1, (os.cpu_count() or 1) // 3))
    assert sorted(gpu for gpu, _, _ in found) == ["3", "3", "GPU-7a"]
    assert {share for _, share, _ in found} == {threads}
    # Nothing is imported yet that reads them, and malloc is not told to trim.
    assert not any(late for _, _, late in found)
    assert "CUDA_VISIBLE_DEVICES" not in cluster._environments(4, [])[0]


def _environment():
    import os
    import sys

    gpu, threads = os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("OMP_NUM_THREADS")
    return gpu, threads, "torch" in sys.modules or "MALLOC_TRIM_THRESHOLD_" in os.environ


@pytest.mark.parametrize(("count", "gpus"), [(0, []), (2, ["0", "1"])])
def test_gpus_are_those_that_torch_counts_or_the_user_chose(monkeypatch, count, gpus):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    assert cluster._gpus() == gpus
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert cluster._gpus() == []


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n"])
def test_what_is_no_scheduler_does_not_keep_one_waiting(monkeypatch, answer):
    monkeypatch.setattr(cluster, "_PATIENCE", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak():
            with suppress(OSError):
                while True:
                    there, _ = server.accept()
                    kept.append(there)
                    there.sendall(answer)

        kept = []
        threading.Thread(target=speak, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match="no Dask scheduler answers"):  # noqa: SIM117
            with connected(scheduler=address):
                pass
        for one in kept:
            one.close()


def test_no_scheduler_is_one_line():
    with pytest.raises(UsageError, match="no Dask scheduler answers") as caught:  # noqa: SIM117
        with connected(scheduler="nonsense://127.0.0.1:1"):
            pass
    assert "\n" not in str(caught.value)

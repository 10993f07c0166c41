"""Computing rows on a Dask cluster: local processes, or whatever a scheduler runs on.

A task is one batch of a shard's rows. Workers get the feature's settings and the clips' paths,
build the extractor once, and send values back; this process alone writes. A lost worker's tasks are
done again by another, and no more tasks are under way than the workers can be kept busy with, so
neither side's memory grows with the number of clips.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from asd.clips.audio import Reader, Signal
from asd.clips.record import Clip
from asd.clips.windows import runs
from asd.device import choose_compute
from asd.digest import canonical_json
from asd.errors import JobError, UsageError, one_line
from asd.extraction.local import batches, stacked
from asd.extraction.shards import Compute
from asd.features import EXTRACTORS, Extractor, build_extractor
from asd.memory import kept

_TASKS_PER_WORKER = 3
_PATIENCE = 20  # seconds


@contextmanager
def connected(workers: int = 0, scheduler: str | None = None) -> Iterator[Any]:
    """Yield a client of the scheduler at an address, or of ``workers`` local processes.

    Local workers share the processors evenly, and each has one GPU where there are any, in turn.

    Raises:
        UsageError: nothing answers at the address.
    """
    import dask
    from distributed import Client

    if scheduler:
        _ask_who(scheduler)
        with Client(scheduler, timeout=_PATIENCE) as client:
            yield client
        return
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    local = {
        # In the place of Dask's own, which make malloc give memory back so often that a network
        # takes 1.6 times the processor time.
        "distributed.nanny.pre-spawn-environ": {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
        },
        "distributed.worker.daemon": False,
        # What Dask looks at by itself, and how often: left as it is, that takes a twentieth of two
        # processors from the workers.
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.admin.tick.interval": "500ms",
        "distributed.worker.memory.monitor-interval": "1s",
        "distributed.worker.profile.enabled": False,
        "logging": {"distributed": "error"},
    }
    with (
        dask.config.set(local),
        _local_cluster(_environments(workers, _gpus())) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _ask_who(address: str) -> None:
    """Ask who listens at an address; a client waits for ever where nobody answers.

    Raises:
        UsageError: it is no scheduler.
    """
    import asyncio

    from distributed.core import rpc

    async def ask() -> Any:
        async with rpc(address) as there:
            return await there.identity()

    try:
        who = asyncio.run(asyncio.wait_for(ask(), _PATIENCE))["type"]
    except Exception as error:  # whatever the bytes of another protocol lead to
        why = one_line(error) or f"in {_PATIENCE} s"
        raise UsageError(f"{address}: no Dask scheduler answers there ({why})") from None
    if who != "Scheduler":
        raise UsageError(f"{address}: a Dask {who} answers there, no scheduler")


def _local_cluster(environments: Sequence[Mapping[str, str]]) -> Any:
    """Start a process for each environment; a LocalCluster gives all of its workers the same."""
    from distributed import Nanny, Scheduler, SpecCluster
    from distributed.system import MEMORY_LIMIT

    options = {
        "host": "127.0.0.1",
        "nthreads": 1,
        "memory_limit": MEMORY_LIMIT // len(environments),
        "dashboard": False,
        "silence_logs": logging.ERROR,
    }
    return SpecCluster(
        scheduler={
            "cls": Scheduler,
            "options": {
                "host": "127.0.0.1",
                "dashboard": False,
                # Any port: another cluster may run here.
                "dashboard_address": "127.0.0.1:0",
            },
        },
        workers={
            number: {"cls": Nanny, "options": {**options, "env": dict(environment)}}
            for number, environment in enumerate(environments)
        },
        silence_logs=logging.ERROR,
    )


def _environments(workers: int, gpus: Sequence[str]) -> list[dict[str, str]]:
    """Return what the environment of each worker says besides, before it imports torch."""
    if not gpus:
        return [{}] * workers
    return [{"CUDA_VISIBLE_DEVICES": gpus[worker % len(gpus)]} for worker in range(workers)]


def _gpus() -> list[str]:
    """Return the names under which the GPUs that may be used are known to CUDA."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def compute_on(
    client: Any,
    raw: Path,
    extractor: Extractor,
    values: Mapping[str, Any],
    device: str = "cpu",
) -> Compute:
    """Return what computes rows on a cluster.

    Args:
        client: a client from :func:`connected`.
        raw: the folder that the clips' paths begin at; the workers must see it too.
        extractor: the feature's extractor.
        values: the settings that it was built from, in the form of the params file.
        device: where a worker computes, as in the params file; ``"auto"`` is its own GPU, if any.
    """
    settings = canonical_json({"extractor": extractor.reference or extractor.name, **values})
    task = partial(_batch, raw.resolve(), settings, extractor.signal, device)
    return partial(_compute, client, task, extractor.batch_size)


def _compute(
    client: Any, task: Any, size: int, clips: Sequence[Clip], pending: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from distributed import CancelledError, KilledWorker, as_completed

    todo = iter(batches(pending, size))
    under_way: dict[Any, np.ndarray] = {}
    done = as_completed()

    def submit() -> None:
        # Counted each time: a cluster's workers come and go while it is at work.
        most = _TASKS_PER_WORKER * max(1, len(client.nthreads()))
        for rows in islice(todo, max(0, most - len(under_way))):
            chosen = runs(clips[row] for row in rows)
            future = client.submit(task, chosen, pure=False)
            under_way[future] = rows
            done.add(future)

    submit()
    for future in done:
        rows = under_way.pop(future)
        try:
            values = future.result()
        except KilledWorker as error:
            raise JobError(f"{clips[rows[0]].path}: workers died computing it ({error})") from None
        except CancelledError:
            raise JobError(
                f"{clips[rows[0]].path}: the Dask scheduler went away; what was computed is kept,"
                " so run it again"
            ) from None
        submit()
        yield rows, values


def _batch(
    raw: Path,
    settings: str,
    signal: Signal,
    device: str,
    chosen: Sequence[tuple[str, str, tuple[int, ...]]],
) -> np.ndarray:
    """Compute the rows of clips (path, digest, starts of windows); runs in a worker."""
    with kept():
        extractor = _worker_extractor(settings, signal, device)
        waves = [
            wave
            for path, digest, starts in chosen
            for wave in _worker_reader()(raw / path, signal, starts, digest)
        ]
        return extractor(stacked(waves, extractor.batch_size, signal))[: len(waves)]


@lru_cache(maxsize=1)
def _worker_reader() -> Reader:
    return Reader()


@lru_cache(maxsize=1)
def _worker_extractor(settings: str, signal: Signal, device: str) -> Extractor:
    """Build the extractor once a worker; a checkpoint is loaded once."""
    import torch

    if threads := os.environ.get("OMP_NUM_THREADS"):  # its share, not all of the machine
        torch.set_num_threads(int(threads))
    values = json.loads(settings)
    extractor = build_extractor(EXTRACTORS, values["extractor"], values, signal)
    extractor.device = choose_compute(device, "float32", "extract").device
    return extractor

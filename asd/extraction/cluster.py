"""Computing rows on a Dask cluster: local processes, or whatever a scheduler runs on.

A task is one batch of a shard's rows. Workers get the feature's settings and the clips' paths,
build the extractor once, and send values back; this process alone writes. A lost worker's tasks are
done again by another, and no more tasks are under way than the workers can be kept busy with, so
neither side's memory grows with the number of clips.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from asd.clips.audio import Signal, read_clip
from asd.clips.record import Clip
from asd.errors import JobError, UsageError
from asd.extraction.local import batches, stacked
from asd.extraction.shards import Compute
from asd.features import EXTRACTORS, Extractor, build_extractor
from asd.store.digest import canonical_json

_TASKS_PER_WORKER = 3


@contextmanager
def connected(workers: int = 0, scheduler: str | None = None) -> Iterator[Any]:
    """Yield a client of the scheduler at an address, or of ``workers`` local processes.

    Raises:
        UsageError: nothing answers at the address.
    """
    import dask
    from distributed import Client, LocalCluster

    if scheduler:
        try:
            client = Client(scheduler, timeout="20s")
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
            raise UsageError(f"{scheduler}: no Dask scheduler answers there ({why})") from None
        with client:
            yield client
        return
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    environment = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    quiet = {
        "distributed.nanny.pre-spawn-environ": environment,
        "distributed.worker.daemon": False,
        "logging": {"distributed": "error"},
    }
    with (
        dask.config.set(quiet),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def compute_on(client: Any, raw: Path, extractor: Extractor, values: Mapping[str, Any]) -> Compute:
    """Return what computes rows on a cluster.

    Args:
        client: a client from :func:`connected`.
        raw: the folder that the clips' paths begin at; the workers must see it too.
        extractor: the feature's extractor.
        values: the settings that it was built from, in the form of the params file.
    """
    settings = canonical_json({"extractor": extractor.name, **values})
    task = partial(_batch, raw.resolve(), settings, extractor.signal)
    return partial(_compute, client, task, extractor.batch_size)


def _compute(
    client: Any, task: Any, size: int, clips: Sequence[Clip], pending: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from distributed import KilledWorker, as_completed

    todo = iter(batches(pending, size))
    under_way: dict[Any, np.ndarray] = {}
    done = as_completed()

    def submit() -> None:
        rows = next(todo, None)
        if rows is not None:
            chosen = [(clips[row].path, clips[row].digest) for row in rows]
            future = client.submit(task, chosen, pure=False)
            under_way[future] = rows
            done.add(future)

    for _ in range(_TASKS_PER_WORKER * max(1, len(client.scheduler_info()["workers"]))):
        submit()
    for future in done:
        rows = under_way.pop(future)
        try:
            values = future.result()
        except KilledWorker as error:
            raise JobError(f"{clips[rows[0]].path}: workers died computing it ({error})") from None
        submit()
        yield rows, values


def _batch(
    raw: Path, settings: str, signal: Signal, clips: Sequence[tuple[str, str]]
) -> np.ndarray:
    """Compute the rows of clips (path, content digest); runs in a worker."""
    extractor = _worker_extractor(settings, signal)
    waves = [read_clip(raw / path, signal, digest) for path, digest in clips]
    return extractor(stacked(waves, extractor.batch_size, signal))[: len(clips)]


@lru_cache(maxsize=1)
def _worker_extractor(settings: str, signal: Signal) -> Extractor:
    """Build the extractor once a worker; a checkpoint is loaded once."""
    import json

    _share_threads()
    values = json.loads(settings)
    return build_extractor(EXTRACTORS, values["extractor"], values, signal)


def _share_threads() -> None:
    """Give torch the threads that the worker was started with, not all of the machine."""
    import torch

    threads = os.environ.get("OMP_NUM_THREADS")
    if threads:
        torch.set_num_threads(int(threads))

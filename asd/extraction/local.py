"""Computing rows in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from functools import partial
from pathlib import Path

import numpy as np

from asd.clips.audio import Reader, Signal, announce
from asd.clips.record import Clip
from asd.clips.windows import runs
from asd.extraction.shards import Compute
from asd.features import Extractor
from asd.memory import kept

_READERS = 2


def compute_here(raw: Path, extractor: Extractor) -> Compute:
    """Return what computes rows in this process.

    Args:
        raw: the folder that the clips' paths begin at.
        extractor: computes the feature.
    """
    return partial(_compute, raw, extractor)


def batches(pending: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut the rows that are missing into batches of ``size``; the last may be shorter."""
    return [pending[start : start + size] for start in range(0, len(pending), size)]


def stacked(waves: Sequence[np.ndarray], size: int, signal: Signal) -> np.ndarray:
    """Stack clips (L,) into a batch (size, L), padded with zeros.

    Every batch has the extractor's size: what is computed of a clip must not depend on how many
    clips happened to be left.
    """
    batch = np.empty((size, signal.length), np.int16)
    for i, wave in enumerate(waves):
        batch[i] = wave
    batch[len(waves) :] = 0
    return batch


def _compute(
    raw: Path, extractor: Extractor, clips: Sequence[Clip], pending: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Compute batch after batch.

    While the caller writes one batch, the next is computed, or the next ones where an extractor
    takes one thread each. Memory is that of these.

    Where batches are computed side by side each thread reads its own clips, still in its cache when
    they are transformed; the system is told beforehand which files will be read. Otherwise other
    threads read the clips of the batch after.
    """
    size, signal, lanes = extractor.batch_size, extractor.signal, 1
    if extractor.on_one_thread:
        import torch

        lanes = torch.get_num_threads()
    computer = ThreadPoolExecutor(lanes)
    readers = None if lanes > 1 else ThreadPoolExecutor(_READERS)
    read_windows = Reader()

    def compute(reading: list[Callable[[], np.ndarray]]) -> np.ndarray:
        waves = [wave for windows in reading for wave in windows()]
        return extractor(stacked(waves, size, signal))[: len(waves)]

    under_way: deque[tuple[np.ndarray, Future[np.ndarray]]] = deque()
    with ExitStack() as stack:
        stack.enter_context(kept())
        if readers is not None:
            stack.callback(readers.shutdown, cancel_futures=True)
        stack.callback(computer.shutdown, cancel_futures=True)
        for rows in batches(pending, size):
            reading: list[Callable[[], np.ndarray]] = []
            for path, digest, starts in runs(clips[row] for row in rows):
                read = partial(read_windows, raw / path, signal, starts, digest)
                if readers is None:
                    announce(raw / path)
                    reading.append(read)
                else:
                    reading.append(readers.submit(read).result)
            # In a context like this one, which knows how much is to be said.
            under_way.append((rows, computer.submit(copy_context().run, compute, reading)))
            if len(under_way) > lanes + 1:
                first, values = under_way.popleft()
                yield first, values.result()
        for rows, values in under_way:
            yield rows, values.result()

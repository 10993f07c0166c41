"""Computing rows in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from asd.clips.audio import Signal, read_clip
from asd.clips.record import Clip
from asd.extraction.shards import Compute
from asd.features import Extractor

_READERS = 4


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
    batch = np.zeros((size, signal.length), np.int16)
    for i, wave in enumerate(waves):
        batch[i] = wave
    return batch


def _compute(
    raw: Path, extractor: Extractor, clips: Sequence[Clip], pending: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Compute batch after batch; the next one's clips are read meanwhile."""
    size, signal = extractor.batch_size, extractor.signal
    todo = batches(pending, size)
    with ThreadPoolExecutor(_READERS) as pool:

        def begin(rows: np.ndarray) -> list[Future[np.ndarray]]:
            chosen = [clips[row] for row in rows]
            return [pool.submit(read_clip, raw / c.path, signal, c.digest) for c in chosen]

        coming = begin(todo[0]) if todo else []
        for number, rows in enumerate(todo):
            current = coming
            coming = begin(todo[number + 1]) if number + 1 < len(todo) else []
            waves = stacked([future.result() for future in current], size, signal)
            yield rows, extractor(waves)[: len(rows)]

"""What a benchmark is: a measured cost of ours, that of its peers, and the ratios that are wanted.

A benchmark is a file of this folder with ``BOUNDS`` (a tuple of :class:`Bound`) and
``run(scratch: Path) -> Result``. Every time is the least of several rounds in which ours and the
peers take turns, in one process and on the same number of threads: other work on the machine only
ever adds to a time, and a slow minute slows all sides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bound:
    """What a ratio is to reach.

    Attributes:
        peer: the name of the ratio in :attr:`Result.ratios`; mostly of a peer.
        at_least: the ratio that must be reached; a miss fails the run. Infinite with
            ``lower_is_better``, or zero without, where nothing is demanded.
        aim: the ratio that is wanted.
        lower_is_better: whether the ratio is a share of the peer's cost, ours / peer, or a plain
            figure that is to stay low. Otherwise it is a speed-up, peer / ours.
    """

    peer: str
    at_least: float
    aim: float
    lower_is_better: bool = False

    @property
    def demanded(self) -> bool:
        """Whether a ratio must be reached, and is not just wanted."""
        return math.isfinite(self.at_least) and (self.lower_is_better or self.at_least > 0)

    def verdict(self, ratio: float) -> str:
        """Return what ``ratio`` reaches: ``"aim"``, ``"at least"``, or ``"missed"`` for neither.

        ``"below aim"`` where nothing is demanded.
        """

        def reaches(value: float) -> bool:
            return ratio <= value if self.lower_is_better else ratio >= value

        if reaches(self.aim):
            return "aim"
        if not self.demanded:
            return "below aim"
        return "at least" if reaches(self.at_least) else "missed"


@dataclass(frozen=True)
class Result:
    """What a benchmark measured.

    Attributes:
        name: the benchmark's.
        work: what was done, in a few words, with its size.
        unit: of ``ours`` and ``peers``: a cost such as ``"ms/clip"``, less of it is better.
        ours: our cost.
        peers: each peer's cost.
        ratios: by peer, and other figures that have a bound.
        bounds: what the ratios are to reach.
        notes: what a reader must know to judge the figures, or what limits them.
    """

    name: str
    work: str
    unit: str
    ours: float
    peers: dict[str, float]
    ratios: dict[str, float]
    bounds: tuple[Bound, ...]
    notes: str = ""


def seconds(work: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fastest(sides: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the least time in seconds of each side, over rounds in which they take turns.

    Each side runs once before, unmeasured: caches are warm and lazy imports are done.
    """
    for work in sides.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            times[name].append(seconds(work))
    return {name: min(taken) for name, taken in times.items()}


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Give torch ``count`` threads while the block runs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

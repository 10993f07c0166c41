"""Clips side by side: one thread for each, and none shared within a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute the block on the thread that runs it, and on no other."""
    threads = torch.get_num_threads()
    if threads > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if threads > 1:
            torch.set_num_threads(threads)


def on_one_thread_each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply ``function`` to items side by side, with one thread for the products of each.

    Matrix products that share one clip among threads add up in an order that depends on how many
    there are, which would show in the last bits.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        results = list(pool.map(function, items))
    torch.set_num_threads(threads)  # what threads that start from now on inherit
    return results

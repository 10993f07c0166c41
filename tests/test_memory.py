"""Memory that one batch frees is kept for the next, and then given back."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from asd import memory
from asd.memory import kept
from asd.training.data import ahead

MEGABYTES = 64
ON_GLIBC = memory._glibc() is not None


def resident() -> float:
    """Return the megabytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def faults() -> int:
    """Fill a block of memory and free it; return how many pages the system cleared for it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    # Not an array: NumPy asks the system for huge pages, of which few make much.
    assert len(b"x" * (MEGABYTES * 1_000_000)) > 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not ON_GLIBC, reason="another C library")
def test_freed_memory_is_used_again_and_then_returned() -> None:
    before = resident()
    assert faults() > 1000
    with kept():
        faults()
        assert faults() < 100
        assert resident() > before + 0.9 * MEGABYTES
    assert resident() < before + 0.5 * MEGABYTES
    assert faults() > 1000


@pytest.mark.skipif(not ON_GLIBC, reason="another C library")
def test_it_is_returned_where_batches_are_left_early() -> None:
    before = resident()
    for _ in ahead(range(3)):
        faults()
        break
    assert resident() < before + 0.5 * MEGABYTES


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    memory._glibc.cache_clear()
    try:
        assert memory._glibc() is None
        with kept():
            pass
    finally:
        memory._glibc.cache_clear()

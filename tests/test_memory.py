"""Memory that one batch frees is kept for the next, and then given back."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest

from asd import memory
from asd.memory import kept, uncollected

ON_GLIBC = memory._glibc() is not None
# In a process of its own: what others have freed before would be used here.
CODE = """
import json, resource
from pathlib import Path
from asd.memory import kept
from asd.training.data import ahead

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    # Not an array: NumPy asks the system for huge pages, of which few make much.
    assert len(b"x" * 64_000_000) > 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = resident()
found = {"first": faults()}
with kept():
    faults()
    found["again"] = faults()
    found["inside"] = resident() - before
found["afterwards"] = resident() - before
found["last"] = faults()
for _ in ahead(range(3)):
    faults()
    break
found["left"] = resident() - before
print(json.dumps(found))
"""


@pytest.mark.skipif(not ON_GLIBC, reason="another C library")
def test_freed_memory_is_used_again_and_then_returned() -> None:
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=root, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["first"] > 1000
    assert found["again"] < 100
    assert found["last"] > 1000
    assert found["inside"] > 0.9 * 64  # megabytes
    assert found["afterwards"] < 0.5 * 64
    assert found["left"] < 0.5 * 64, "returned where batches are left early, too"


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    memory._glibc.cache_clear()
    try:
        assert memory._glibc() is None
        with kept():
            pass
    finally:
        memory._glibc.cache_clear()


@pytest.mark.parametrize("before", [True, False])
def test_garbage_is_collected_afterwards_as_it_was_before(before: bool) -> None:
    was = gc.isenabled()
    try:
        gc.enable() if before else gc.disable()
        with pytest.raises(KeyError), uncollected():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == before
    finally:
        gc.enable() if was else gc.disable()

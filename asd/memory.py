"""How memory is given back: what one batch frees is kept for the next; tables are read at once."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Options of glibc's mallopt, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
# Left alone, the thresholds grow with what is freed, up to these; once set they stay.
_GROWN = {_TRIM_THRESHOLD: 2**26, _MMAP_THRESHOLD: 2**25, _MMAP_MAX: 65_536}
_KEEP = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}


@contextmanager
def kept() -> Iterator[None]:
    """Let what is freed in the block be used again in it, and return it to the system afterwards.

    Reading clips and training free large arrays by the hundred. By default each is mapped and
    unmapped by itself, and the system clears its pages anew every time: a tenth of the processor
    time of a step, and more of a log-mel's, measured. No value depends on it. Where the C library
    is another than glibc, nothing is done.
    """
    library = _glibc()
    if library is None:
        yield
        return
    _set(library, _KEEP)
    try:
        yield
    finally:
        _set(library, _GROWN)
        library.malloc_trim(0)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage in the block, which makes many objects that all stay.

    Python looks through all of them again each time there are a quarter more, which is a third of
    the time of reading a large table.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _set(library: Any, options: dict[int, int]) -> None:
    for option, value in options.items():
        library.mallopt(option, value)


@cache
def _glibc() -> Any | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None

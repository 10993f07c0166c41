"""Memory that one batch frees is kept for the next."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Options of glibc's mallopt, from malloc.h, and what the library begins with.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65_536}
_KEEP = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}


@contextmanager
def kept() -> Iterator[None]:
    """Let what is freed in the block be used again in it, and return it to the system afterwards.

    A network frees large tensors by the hundred in each step. By default each is mapped and
    unmapped by itself, and the system clears its pages anew every time: a tenth of a step's
    processor time, measured. No value depends on it. Where the C library is another than glibc,
    nothing is done.
    """
    library = _glibc()
    if library is None:
        yield
        return
    _set(library, _KEEP)
    try:
        yield
    finally:
        _set(library, _DEFAULTS)
        library.malloc_trim(0)


def _set(library: Any, options: dict[int, int]) -> None:
    for option, value in options.items():
        library.mallopt(option, value)


@cache
def _glibc() -> Any | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None

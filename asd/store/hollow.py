"""A file in memory that keeps only what was written to it.

HDF5 lays its files out here and never writes to a disk: when a disk is full, HDF5 2.0 leaves
objects behind that it cannot close, and the process dies of a segmentation fault.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

_PAGE = 1 << 16


class HollowFile(io.RawIOBase):
    """A file object for :class:`h5py.File` whose holes take no memory.

    Attributes:
        size: its length in bytes.
    """

    def __init__(self) -> None:
        self.size = 0
        self._position = 0
        self._pages: dict[int, bytearray] = {}

    def span(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` up to ``stop``; what was never written is zero."""
        hole = bytes(_PAGE)
        parts = (self._pages.get(page, hole)[low:high] for page, low, high in _cut(start, stop))
        return b"".join(parts)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def writable(self) -> bool:
        """It can be written."""
        return True

    def seekable(self) -> bool:
        """It has a position."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, and return it."""
        self._position = {0: 0, 1: self._position, 2: self.size}[whence] + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Make it longer or shorter, and return its new length."""
        self.size = self._position if size is None else size
        return self.size

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read at the position into a buffer, and return how many bytes there were."""
        count = max(0, min(len(buffer), self.size - self._position))
        buffer[:count] = self.span(self._position, self._position + count)
        self._position += count
        return count

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        """Write at the position, and return how many bytes were written."""
        start, count = self._position, len(data)
        done = 0
        for page, low, high in _cut(start, start + count):
            there = self._pages.setdefault(page, bytearray(_PAGE))
            there[low:high] = data[done : done + high - low]
            done += high - low
        self._position += count
        self.size = max(self.size, self._position)
        return count


def _cut(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Cut a span of bytes at the pages: yield each page with the span's begin and end in it."""
    while start < stop:
        page, low = divmod(start, _PAGE)
        high = min(_PAGE, low + stop - start)
        yield page, low, high
        start += high - low

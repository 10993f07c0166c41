"""HDF5 without surprises: files laid out in memory, named arrays in one file, links refused.

HDF5 lays its files out in a :class:`HollowFile` and never writes to a disk: when a disk is full,
HDF5 2.0 leaves objects behind that it cannot close, and the process dies of a segmentation fault.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_PAGE = 1 << 16
MAX_RANK = 4
UNREADABLE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
)
"""What reading a damaged HDF5 file may raise."""
REFUSED = frozenset(
    (errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE)
)
"""The numbers of the errors by which a system does not give a file that may be whole."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as contiguous datasets of one file; the same arrays give the same bytes.

    Args:
        path: the file, which is not replaced at one moment: give a path beside.
        arrays: by name, of rank 1 to 4, numbers or structured rows of bytes and numbers.
    """
    laid_out = HollowFile()
    with h5py.File(laid_out, "w") as file:
        for name in sorted(arrays):
            file.create_dataset(name, data=arrays[name])
    path.write_bytes(laid_out.span(0, laid_out.size))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what :func:`write_arrays` wrote; nothing in the file may lead to another place.

    Raises:
        OSError, LookupError, ValueError, ...: one of :data:`UNREADABLE`; it is no such file.
    """
    with h5py.File(path, "r", locking=False) as file:
        size = path.stat().st_size
        return {name: checked_dataset(file, name, size)[...] for name in file}


def checked_dataset(file: h5py.File, name: str, size: int) -> h5py.Dataset:
    """Return a dataset of a file of ``size`` bytes, after checking that all of it lies there.

    Raises:
        ValueError: it is a link, is stored in chunks or elsewhere, or reaches beyond the end; or
            its name is no text, which HDF5 then gives as bytes.
    """
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is not a name in UTF-8")
    if file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name} is a link to another place")
    data: Any = file[name]
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual or data.chunks:
        raise ValueError(f"{name} is not a contiguous dataset of this file")
    if data.dtype.hasobject or not 1 <= data.ndim <= MAX_RANK:
        raise ValueError(f"{name} is {data.dtype} of rank {data.ndim}")
    start = data.id.get_offset()
    if data.size and (start is None or start + data.size * data.dtype.itemsize > size):
        raise ValueError(f"{name} reaches beyond the end of the file")
    return data


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

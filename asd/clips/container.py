"""Whether the bytes of a WAV or OGG file are all there.

The decoder quietly takes what it finds of a file that was cut short; these checks compare what the
file's own structure promises with what is there. (FLAC needs none: its decoder notices.)
"""

from __future__ import annotations

from typing import Literal

_UNKNOWN = 0xFFFFFFFF  # the size that a stream writes when it does not know better
_LAST_PAGE = 0x04


def shortfall(data: bytes) -> str:
    """Say what is missing of a recording's bytes; ``""`` where nothing is.

    Args:
        data: the whole file; formats other than RIFF WAV and OGG are not judged.
    """
    if data[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return _wav_shortfall(data)
    if data[:4] == b"OggS":
        return _ogg_shortfall(data)
    return ""


def _wav_shortfall(data: bytes) -> str:
    """Compare the size of the ``data`` chunk with the bytes that follow it."""
    order: Literal["big", "little"] = "big" if data[:4] == b"RIFX" else "little"
    position, long_size = 12, _UNKNOWN
    while position + 8 <= len(data):
        chunk = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], order)
        position += 8
        if chunk == b"ds64":  # RF64 keeps the size of its data here: 8 bytes after the RIFF size
            long_size = int.from_bytes(data[position + 8 : position + 16], order)
        if chunk == b"data":
            promised = long_size if size == _UNKNOWN else size
            there = len(data) - position
            if promised != _UNKNOWN and promised > there:
                return f"the header promises {promised} bytes of samples, {there} are there"
            return ""
        position += size + size % 2
    return ""


def _ogg_shortfall(data: bytes) -> str:
    """Demand that the last page is marked as the last and is there to its end (RFC 3533)."""
    page = data.rfind(b"OggS")
    header = data[page : page + 27]
    if len(header) < 27 or not header[5] & _LAST_PAGE:
        return "the last page of the OGG stream is missing"
    sizes = data[page + 27 : page + 27 + header[26]]
    if page + 27 + header[26] + sum(sizes) > len(data):
        return "the last page of the OGG stream is not whole"
    return ""

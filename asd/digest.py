"""Digests: SHA-256 of bytes, of files and of canonical JSON; there is one canonical JSON."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> str:
    """Return the one JSON text of ``value``: keys sorted, no spaces, no NaN, UTF-8 as it is.

    Raises:
        ValueError: ``value`` holds NaN or an infinity.
        TypeError: ``value`` holds something that JSON does not have.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )


def sha256_json(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``, hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_bytes(data: Any) -> str:
    """Return the SHA-256 of a buffer, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal; the file is read in blocks.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

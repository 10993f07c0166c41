"""Extraction: from clips to the store, in this process or on a Dask cluster."""

from __future__ import annotations

from asd.extraction.local import compute_here
from asd.extraction.shards import Account, extract, machine_signal

__all__ = ["Account", "compute_here", "extract", "machine_signal"]

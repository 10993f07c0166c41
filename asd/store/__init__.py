"""The feature store: shards of one feature of one section and split, in HDF5 files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asd.store.folder import FeatureStore
    from asd.store.shard import Shard, ShardSpec
    from asd.store.writer import ShardWriter

__all__ = ["FeatureStore", "Shard", "ShardSpec", "ShardWriter"]

_HOMES = {
    "FeatureStore": "asd.store.folder",
    "Shard": "asd.store.shard",
    "ShardSpec": "asd.store.shard",
    "ShardWriter": "asd.store.writer",
}


def __getattr__(name: str) -> Any:
    """Import the store's classes on first use: who only replaces a file needs no HDF5."""
    if name not in _HOMES:
        raise AttributeError(f"module 'asd.store' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)

"""The feature store: shards of one feature of one section and split, in HDF5 files."""

from __future__ import annotations

from asd.store.folder import FeatureStore
from asd.store.shard import Shard, ShardSpec
from asd.store.writer import ShardWriter

__all__ = ["FeatureStore", "Shard", "ShardSpec", "ShardWriter"]

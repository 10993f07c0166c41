"""Machine anomalous sound detection as a pipeline over an HDF5 feature store.

Example:
    >>> from asd import Detector, FeatureStore
    >>> detector = Detector(".", "pump")  # the workspace here
    >>> detector.predict(["raw/pump/id_00/train/00_01.wav"], section="00")
    array([0])
    >>> FeatureStore("data/features").open("pump", "logmel", "00", "train").features.shape
    (9, 16, 33)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asd.version import __version__

if TYPE_CHECKING:
    from asd.detection.detector import Detector
    from asd.store.folder import FeatureStore

__all__ = ["Detector", "FeatureStore", "__version__"]

_HOMES = {"Detector": "asd.detection.detector", "FeatureStore": "asd.store.folder"}


def __getattr__(name: str) -> Any:
    """Import on first use: most commands need neither torch nor HDF5."""
    if name not in _HOMES:
        raise AttributeError(f"module 'asd' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)

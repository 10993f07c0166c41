"""Detection: a trained model with its bank, kept warm, for recordings that are nobody's data set.

Example:
    >>> from asd.detection import Detector
    >>> detector = Detector.load(".", "pump")  # the project here
    >>> normal, odd = "raw/pump/id_00/train/00_01.wav", "raw/pump/id_00/test/anomaly/00_11.wav"
    >>> detector.predict([normal, odd], section="00")
    array([0, 1])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asd.detection.detector import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    """Import the detector on first use: who only lists the versions of a bank needs no torch."""
    if name != "Detector":
        raise AttributeError(f"module 'asd.detection' has no attribute '{name}'")
    from asd.detection.detector import Detector

    return Detector

"""Features: one file per extractor, from canonical clips (B, L) to rows of the store."""

from __future__ import annotations

from asd.features.base import Extractor, build_extractor
from asd.registry import Registry

EXTRACTORS: Registry[type[Extractor]] = Registry(
    "extractor",
    {
        "wave": "asd.features.wave:Wave",
        "logmel": "asd.features.logmel:LogMel",
        "ptm": "asd.features.ptm:Ptm",
        "encoder": "asd.features.encoder:Encoder",
        "spectrum": "asd.features.spectrum:Spectrum",
        "spectrogram": "asd.features.spectrogram:Spectrogram",
    },
    "asd.extractors",
)

__all__ = ["EXTRACTORS", "Extractor", "build_extractor"]

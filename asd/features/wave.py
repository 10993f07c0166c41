"""The raw wave as a feature: what TgramNet learns from."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from asd.features.base import Extractor


class Wave(Extractor):
    """Canonical clips as they are: rows (L,) int16, full scale 32768."""

    name: ClassVar[str] = "wave"
    version: ClassVar[int] = 1
    batch_size = 32

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(L,)."""
        return (self.signal.length,)

    @property
    def dtype(self) -> np.dtype:
        """int16."""
        return np.dtype(np.int16)

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Return ``waves`` (B, L) int16 unchanged."""
        return waves

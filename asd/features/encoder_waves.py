"""Encoders that hear the wave itself, by convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asd.features.encoder_base import Anatomy, Kind
from asd.features.timing import FrameGrid

if TYPE_CHECKING:
    import torch


class Waves(Kind):
    """Encoders of the wave itself by convolutions: wav2vec 2.0 and all that came of it."""

    has_fast_parts = True

    @property
    def anatomy(self) -> Anatomy:
        """Frames of the convolutions, every 20 ms."""
        return self._anatomy(
            FrameGrid.of(
                self._config.get("conv_kernel", (10, 3, 3, 3, 3, 2, 2)),
                self._config.get("conv_stride", (5, 2, 2, 2, 2, 2, 2)),
            )
        )

    def inputs(self, waves: torch.Tensor) -> torch.Tensor:
        """Return the samples (B, L)."""
        from asd.features.frames import model_input

        return model_input(waves, bool(self._front.get("do_normalize", True)))


class ConformerWaves(Waves):
    """wav2vec 2.0 with the layers of a Conformer."""

    has_fast_parts = False


class SqueezedWaves(Waves):
    """SEW: its layers run at half the rate of its convolutions, and are read at that."""

    ends_in_layer = True
    has_fast_parts = False

    @property
    def anatomy(self) -> Anatomy:
        """Frames of the layers, every 40 ms."""
        kernels = self._config.get("conv_kernel", (10, 3, 1, 3, 1, 3, 1, 3, 1, 2, 1, 2, 1))
        strides = self._config.get("conv_stride", (5, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1))
        squeeze = int(self._config.get("squeeze_factor", 2))
        return self._anatomy(FrameGrid.of((*kernels, squeeze), (*strides, squeeze)))

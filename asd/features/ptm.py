"""The pre-trained feature (paper section II-A, Eq. 3): a frozen, fine-tuned wav2vec 2.0."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from asd.artifact import RECORD, tell_drift_of
from asd.clips.audio import Signal
from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.features.base import NetworkExtractor
from asd.features.checkpoint import CONFIG, PREPROCESSOR, WEIGHTS, describe, files_digest
from asd.features.kinds import TUNED
from asd.features.projection import HEAD, read_head_info, read_projection
from asd.features.timing import interpolation, logmel_frames

if TYPE_CHECKING:
    from asd.features.frozen import FrozenNetwork


class PtmConfig(Settings):
    """Settings of the pre-trained feature.

    Attributes:
        checkpoint: the folder that ``asd finetune`` wrote.
        layer: hidden layer, 0 (the input of the transformer) to n (its output); if not given, the
            layer, or mix of layers, that fine-tuning chose.
        projection: ``"auto"`` for the map that fine-tuning trained, where it trained one for this
            layer; ``"pca"`` for the principal components of the layer on training clips.
        hop: samples between frames; that of the log-mel.
        precision: ``"bfloat16"`` is faster on processors that have it, and ``"int8"``, on CPUs
            alone, faster still and less exact. It changes the values, so it is part of what the
            feature is, and never chosen by the machine. The first batch is compared with float32.
    """

    checkpoint: str = "data/checkpoints/ptm"
    layer: Annotated[int, Field(ge=0)] | None = None
    projection: Literal["auto", "pca"] = "auto"
    hop: Positive = 512
    precision: Literal["float32", "bfloat16", "int8"] = "float32"


class Ptm(NetworkExtractor):
    """Frames of a wav2vec 2.0 on the time axis of the log-mel: rows (F, T) float16.

    T is 1 + L // hop. The frames of one hidden layer are projected linearly to F rows and
    interpolated linearly in time onto the centres of the log-mel frames.

    Raises:
        UsageError: no such checkpoint or layer, another sample rate, clips that are too short.
    """

    name: ClassVar[str] = "ptm"
    version: ClassVar[int] = 4
    Config: ClassVar[type[Settings]] = PtmConfig
    places = ("checkpoint",)
    called = "checkpoint"
    prefix = "features.ptm."

    def __init__(self, config: PtmConfig, signal: Signal) -> None:
        super().__init__(config, signal)
        self.folder = folder = Path(config.checkpoint)
        self._checkpoint = describe(folder, "'asd finetune' writes one", TUNED)
        tell_drift_of(folder / RECORD)
        if not (folder / WEIGHTS).is_file():
            raise UsageError(f"{folder / WEIGHTS}: no such file; 'asd finetune' writes it")
        self._checkpoint.check_signal(signal.sample_rate, signal.length)
        if config.layer is not None:
            self._checkpoint.check_layer(config.layer)
        self._info = read_head_info(folder)
        kind = self._checkpoint.kind
        if (self._info.layers, self._info.hidden) != (kind.layers, kind.hidden):
            raise UsageError(f"{folder}: {HEAD} belongs to another checkpoint; run 'asd finetune'")
        if config.projection == "pca" and config.layer is None and self._info.layer is None:
            raise UsageError(f"{folder}: a mix has no principal components; set features.ptm.layer")

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(F, T)."""
        return (self._info.rows, logmel_frames(self.signal.length, self.config.hop))

    @cached_property
    def checkpoint_digest(self) -> str | None:
        """The digest of the weights, the configuration and the projection."""
        return files_digest(self.folder, (CONFIG, PREPROCESSOR, WEIGHTS, HEAD))

    def build(self, precision: str) -> FrozenNetwork:
        """Build the network.

        Raises:
            UsageError: int8 is wanted on another device than a CPU.
        """
        from asd.features.frozen import FrozenNetwork, Reading

        config, grid = self.config, self._checkpoint.kind.grid
        if precision == "int8" and not self.device.startswith("cpu"):
            raise UsageError(
                f"features.ptm.precision: int8 is for CPUs and the device is {self.device};"
                " set it to bfloat16"
            )
        head = read_projection(self.folder, config.layer, pca=config.projection == "pca")
        times = interpolation(grid, self.signal.length, config.hop)
        reading = Reading(keep_bands=False, weight=head.weight, bias=head.bias, times=times)
        read = self._checkpoint, self.checkpoint_digest, head.layer
        return FrozenNetwork(*read, head.mix, reading, precision, self.device)

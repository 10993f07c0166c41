"""The encoder feature: frames of any frozen audio encoder of transformers, as it is published."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from asd.clips.audio import Signal
from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.features.base import NetworkExtractor
from asd.features.checkpoint import (
    CONFIG,
    PICKLED_WEIGHTS,
    WEIGHTS,
    Checkpoint,
    check_weights,
    describe,
    files_digest,
    find_folder,
    has_safetensors,
    weight_files,
)
from asd.features.timing import averaging, interpolation, logmel_frames

if TYPE_CHECKING:
    from asd.features.frozen import FrozenNetwork

_WAYS_OUT = f"set base to a local folder that holds {CONFIG} and {WEIGHTS}"

Natural = Annotated[int, Field(ge=0)]


class EncoderConfig(Settings):
    """Settings of the encoder feature.

    Attributes:
        base: a local folder, or a name on the Hugging Face hub.
        revision: branch, tag or commit on the hub.
        allow_pickle: whether weights that exist as a pickle alone may be read.
        layer: hidden layer, 0 (the input of the transformer) to n (its output); ``"mid"`` for the
            one at half the depth; several for their mean.
        bands: where an encoder keeps frequency bands apart, as AST does, ``"keep"`` them, so that a
            frame has bands * H units; or take their ``"mean"``.
        rows: rows R of the feature; ``"all"`` units of a frame, or so many random projections of
            them.
        seed: of the random projections.
        frames_per_second: mean of the frames in runs, so many a second; null for single frames.
        hop: samples between frames that are interpolated onto the centres of log-mel frames, where
            the feature is read beside a log-mel; null for the encoder's own frames.
        precision: ``"bfloat16"`` is faster on processors that have it, and another feature. The
            first batch is compared with float32.
    """

    base: Annotated[str, Field(min_length=1)]
    revision: str = "main"
    allow_pickle: bool = False
    layer: Natural | Literal["mid"] | Annotated[tuple[Natural, ...], Field(min_length=1)] = "mid"
    bands: Literal["keep", "mean"] = "keep"
    rows: Positive | Literal["all"] = "all"
    seed: Natural = 0
    frames_per_second: Annotated[float, Field(gt=0)] | None = None
    hop: Positive | None = None
    precision: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _one_axis(self) -> Self:
        if self.hop is not None and self.frames_per_second is not None:
            raise ValueError("give hop or frames_per_second, not both")
        return self


class Encoder(NetworkExtractor):
    """Frames of a frozen encoder: rows (R, T) float16.

    R is ``rows``, or the units of a frame: unit h of band b is row ``b * H + h``. T is the
    encoder's own number of frames, ``1 + L // hop``, or that of ``frames_per_second``.

    Raises:
        UsageError: no such checkpoint or layer, a kind of model that is not known, another sample
            rate, clips that are too short, or more frames a second than the encoder gives.
    """

    name: ClassVar[str] = "encoder"
    version: ClassVar[int] = 3
    Config: ClassVar[type[Settings]] = EncoderConfig
    places = ("base", "revision", "allow_pickle")
    called = "encoder"
    prefix = ""

    def __init__(self, config: EncoderConfig, signal: Signal) -> None:
        super().__init__(config, signal)
        self.folder = find_folder(config.base, config.revision, config.allow_pickle, _WAYS_OUT)
        self._checkpoint = describe(self.folder, _WAYS_OUT)
        check_weights(self.folder, config.allow_pickle, "the feature's allow_pickle")
        self._checkpoint.check_signal(signal.sample_rate, signal.length)
        self._layers = _chosen_layers(self._checkpoint, config.layer)
        self._own_frames = self._checkpoint.kind.grid.count(signal.length)
        self._frames = self._count_frames()

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(R, T)."""
        rows = self._units if self.config.rows == "all" else self.config.rows
        return (rows, self._frames)

    @cached_property
    def checkpoint_digest(self) -> str | None:
        """The digest of the configuration and of the weights that are read."""
        beside = {PICKLED_WEIGHTS} if has_safetensors(self.folder) else set()
        return files_digest(self.folder, set(weight_files(self.folder)) - beside)

    @property
    def _units(self) -> int:
        kind = self._checkpoint.kind
        return kind.hidden * (kind.bands if self.config.bands == "keep" else 1)

    def _count_frames(self) -> int:
        config, signal = self.config, self.signal
        if config.hop is not None:
            return logmel_frames(signal.length, config.hop)
        if config.frames_per_second is None:
            return self._own_frames
        frames = max(1, round(signal.length / signal.sample_rate * config.frames_per_second))
        if frames > self._own_frames:
            raise UsageError(
                f"{self.folder}: frames_per_second {config.frames_per_second} asks for {frames}"
                f" frames of a clip, and the encoder gives {self._own_frames}; lower it"
            )
        return frames

    def build(self, precision: str) -> FrozenNetwork:
        """Build the network."""
        from asd.features.frozen import FrozenNetwork, Reading

        config, projection = self.config, None
        if config.rows != "all":
            projection = random_projection(config.rows, self._units, config.seed)
        reading = Reading(config.bands == "keep", projection, None, self._times)
        read = self._checkpoint, self.checkpoint_digest, self._layers
        return FrozenNetwork(*read, None, reading, precision, self.device)

    @property
    def _times(self) -> np.ndarray | None:
        """Return how the feature's frames come from the encoder's, (T, J) float32."""
        if self.config.hop is not None:
            grid = self._checkpoint.kind.grid
            return interpolation(grid, self.signal.length, self.config.hop)
        if self.config.frames_per_second is not None:
            return averaging(self._own_frames, self._frames)
        return None


def random_projection(rows: int, units: int, seed: int) -> np.ndarray:
    """Return a Gaussian projection (rows, units) float32 that keeps lengths on average."""
    drawn = np.random.default_rng(seed).standard_normal((rows, units))
    return (drawn / np.sqrt(rows)).astype(np.float32)


def _chosen_layers(checkpoint: Checkpoint, layer: int | str | Sequence[int]) -> tuple[int, ...]:
    if layer == "mid":
        return ((checkpoint.kind.layers + 1) // 2,)
    chosen = (layer,) if isinstance(layer, int) else tuple(int(one) for one in layer)
    for one in chosen:
        checkpoint.check_layer(one)
    return chosen

"""What can be set of the package's own networks and heads, apart from them: without torch.

A class has the name of its network or head with ``Settings`` after it, by which
:meth:`asd.registry.Registry.settings` finds it: what the params say is checked, and what a model is
made of is known, before any network is imported. Settings may also lie beside their network, as
those of a plugin do; then it is imported for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from asd.config import Positive, Settings

Branch = Literal["spectrum", "spectrogram", "tdnn"]
RES2_SCALE = 8
"""Groups of channels in a Res2 convolution."""


class NetworkSettings(Settings):
    """Base of the settings of networks.

    Attributes:
        kind: what the network is, which decides what it is trained for.
    """

    kind: ClassVar[str] = "classifier"


class TdnnSettings(Settings):
    """The shape of the network; the paper gives none of these, the defaults are the x-vector's.

    Attributes:
        channels: channels of each convolution.
        kernels: their taps.
        dilations: frames between taps.
        embedding: dimension of the embedding, D.
    """

    channels: tuple[Positive, ...] = (512, 512, 512, 512, 1500)
    kernels: tuple[Positive, ...] = (5, 3, 3, 1, 1)
    dilations: tuple[Positive, ...] = (1, 2, 3, 1, 1)
    embedding: Annotated[int, Field(ge=2)] = 128

    @model_validator(mode="after")
    def _one_each(self) -> TdnnSettings:
        if not len(self.channels) == len(self.kernels) == len(self.dilations) > 0:
            raise ValueError("channels, kernels and dilations need one entry a convolution")
        return self


class TgramSettings(NetworkSettings):
    """The front end of waves.

    Attributes:
        tgram_window: taps of TgramNet's first convolution.
        tgram_hop: its stride; the hop of the features that it is stacked with.
    """

    tgram_window: Positive = 1024
    tgram_hop: Positive = 512


class ClassifierSettings(TdnnSettings, TgramSettings):
    """The shape of the TDNN, and of the front end of waves."""


class EcapaClassifierSettings(TgramSettings):
    """The shape of the network; the defaults are those of the smaller published one.

    Attributes:
        channels: channels of the convolutions over time, a multiple of 8.
        dilations: frames between the taps of each block.
        aggregated: channels of the frames that are pooled.
        attention: hidden units of the pooling.
        squeeze: hidden units of the squeeze-excitation.
        embedding: dimension of the embedding, D.
    """

    channels: Positive = 512
    dilations: tuple[Positive, ...] = (2, 3, 4)
    aggregated: Positive = 1536
    attention: Positive = 128
    squeeze: Positive = 128
    embedding: Annotated[int, Field(ge=2)] = 192

    @model_validator(mode="after")
    def _groups(self) -> EcapaClassifierSettings:
        if self.channels % RES2_SCALE or not self.dilations:
            raise ValueError(f"channels must be a multiple of {RES2_SCALE}, dilations not empty")
        return self


class SpectrumSettings(Settings):
    """The shape of the branch; the defaults are the published ones.

    Attributes:
        channels: of the convolutions, and units of the dense layers.
        embedding: dimension of what the branch gives, D.
    """

    channels: Positive = 128
    embedding: Positive = 128


class SpectrogramSettings(Settings):
    """The shape of the branch; the defaults are the published ones.

    Attributes:
        channels: of each stage; a stage after the first halves time and frequency.
        blocks: residual blocks a stage.
        embedding: dimension of what the branch gives, D.
    """

    channels: tuple[Positive, ...] = Field((16, 32, 64, 128), min_length=1)
    blocks: Positive = 2
    embedding: Positive = 128


class BranchesSettings(NetworkSettings):
    """Which branch reads which feature, and the shape of each kind.

    Attributes:
        branches: the branch of a feature, by name. Where none is named, a row (bins,) is read by
            ``spectrum``, one of (F, T) by ``spectrogram``.
        spectrum, spectrogram, tdnn: the shape of all branches of that kind.
    """

    branches: dict[str, Branch] = Field({})
    spectrum: SpectrumSettings = SpectrumSettings()
    spectrogram: SpectrogramSettings = SpectrogramSettings()
    tdnn: TdnnSettings = TdnnSettings()


class AutoencoderSettings(NetworkSettings):
    """The shape of the network; defaults are the challenge's.

    Attributes:
        frames: frames that are stacked.
        hop: frames from one stack to the next.
        hidden: units of each hidden layer; with 128 bands and 5 frames,
            640-128-128-128-128-8-128-128-128-128-640.
    """

    kind = "autoencoder"

    frames: Positive = 5
    hop: Positive = 1
    hidden: Annotated[tuple[Positive, ...], Field(min_length=1)] = (*[128] * 4, 8, *[128] * 4)


class MobileNetV2Settings(NetworkSettings):
    """The shape of the network; defaults are the challenge's (DCASE 2022 Task 2 baseline).

    Attributes:
        width: multiplier of the channels; the last convolution is widened, but not narrowed.
        frames: frames of a window.
        hop: frames from one window to the next.
    """

    kind = "window_classifier"

    width: Annotated[float, Field(gt=0)] = 0.5
    frames: Positive = 64
    hop: Positive = 8


class PooledSettings(NetworkSettings):
    """Which embeddings are made.

    Attributes:
        poolings: by the name of the embedding, a pooling with its settings, such as
            ``{pooling: gwrp, decay: 0.9}``, or a list of them, which are joined.
        bins: the share of each feature's bins that is pooled, the lowest first. The highest are
            what the filters of the recorder, or of a change of the sample rate, leave of them.
    """

    kind = "pooling"

    bins: float = Field(1.0, gt=0, le=1)
    poolings: dict[str, tuple[dict[str, Any], ...]] = Field(
        {"mean": ({"pooling": "mean"},)}, min_length=1
    )

    @field_validator("poolings", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """Read a single pooling as a list of one, and leave out what null takes away."""
        if not isinstance(value, Mapping):
            return value
        return {
            name: (one,) if isinstance(one, Mapping) else one
            for name, one in value.items()
            if one is not None
        }


class LinearSettings(Settings):
    """The linear head has nothing to set."""


class ArcFaceSettings(Settings):
    """The published values are the defaults.

    Attributes:
        margin: added to the angle to the clip's own class, in radians.
        scale: of the logits, s.
    """

    margin: Annotated[float, Field(ge=0, lt=math.pi / 2)] = 0.5
    scale: Annotated[float, Field(gt=0)] = 64.0


class AdaCosSettings(Settings):
    """AdaCos has nothing to set: its scale follows from the number of classes."""


class SubClusterAdaCosSettings(Settings):
    """The published number of centres is the default.

    Attributes:
        centres: centres a class, K.
        trainable: whether the centres move; as first published they do not.
    """

    centres: Positive = 16
    trainable: bool = True


class AdaProjSettings(Settings):
    """The published dimension is the default.

    Attributes:
        subspace: dimension of a class's subspace.
    """

    subspace: Positive = 32

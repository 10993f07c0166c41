"""The kinds of audio encoders, and what is known of each before any weight is read.

A kind knows its encoder from ``config.json`` and ``preprocessor_config.json`` alone; a value that
is left out there is the library's default. The front end is the library's own. A new kind is one
class and one line of :data:`KINDS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asd.features.timing import FrameGrid
from asd.registry import Registry

FAMILY = ("data2vec-audio", "hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm")


@dataclass(frozen=True)
class Anatomy:
    """What is known of an encoder before any weight is read.

    Attributes:
        layers: transformer layers, n.
        hidden: units of a frame in one frequency band, H.
        bands: frequency bands of a frame, 1 where the encoder has merged them.
        grid: where the frames lie in the clip.
        sample_rate: rate in Hz that the encoder was trained at.
        window: samples that it hears at once, longer clips being cut; None for any number.
    """

    layers: int
    hidden: int
    bands: int
    grid: FrameGrid
    sample_rate: int
    window: int | None


class Kind(ABC):
    """One kind of encoder.

    Args:
        config: content of config.json.
        front: content of preprocessor_config.json, empty where there is none.

    Attributes:
        ends_in_layer: whether layer n is read before what follows it, since that is no frame of
            the same grid.
        normalize: whether each clip is brought to mean 0 and variance 1.
    """

    ends_in_layer = False
    normalize = False

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        self._config = config
        self._front = front
        self._rate = int(front.get("sampling_rate", 16000))

    @property
    @abstractmethod
    def anatomy(self) -> Anatomy:
        """What the files say."""

    @abstractmethod
    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return what the encoder wants of ``waves`` (B, L) int16, L being at most the window."""

    def model(self, folder: Path, **settings: Any) -> Any:
        """Read the encoder from its checkpoint; its layers are in ``layers``.

        Args:
            folder: the checkpoint.
            settings: more for the library, such as ``attn_implementation``.

        Raises:
            UsageError: weights are damaged, missing, of another shape, or left over.
        """
        from asd.features.checkpoint import load_model

        return load_model(folder, **settings)[0]

    def frames(self, states: Any) -> Any:
        """Return the frames (B, J, bands, H) of hidden states (B, S, H), padding included."""
        return states[:, :, None]

    def _anatomy(self, grid: FrameGrid) -> Anatomy:
        layers = int(self._config.get("num_hidden_layers", 12))
        hidden = int(self._config.get("hidden_size", 768))
        return Anatomy(layers, hidden, 1, grid, self._rate, None)


class Waves(Kind):
    """Encoders of the wave itself by convolutions: wav2vec 2.0 and all that came of it."""

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        super().__init__(config, front)
        self.normalize = bool(front.get("do_normalize", True))

    @property
    def anatomy(self) -> Anatomy:
        """Frames of the convolutions, every 20 ms."""
        return self._anatomy(
            FrameGrid.of(
                self._config.get("conv_kernel", (10, 3, 3, 3, 3, 2, 2)),
                self._config.get("conv_stride", (5, 2, 2, 2, 2, 2, 2)),
            )
        )

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return the samples (B, L)."""
        from asd.features.transformer import model_input

        return np.asarray(model_input(waves, self.normalize), np.float32)


class SqueezedWaves(Waves):
    """SEW: its layers run at half the rate of its convolutions, and are read at that."""

    ends_in_layer = True

    @property
    def anatomy(self) -> Anatomy:
        """Frames of the layers, every 40 ms."""
        kernels = self._config.get("conv_kernel", (10, 3, 1, 3, 1, 3, 1, 3, 1, 2, 1, 2, 1))
        strides = self._config.get("conv_stride", (5, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1))
        squeeze = int(self._config.get("squeeze_factor", 2))
        return self._anatomy(FrameGrid.of((*kernels, squeeze), (*strides, squeeze)))


class StackedMel(Kind):
    """Wav2Vec2-BERT: pairs of log-mel frames of 25 ms, each band normalised over the clip."""

    @property
    def anatomy(self) -> Anatomy:
        """Frames every 20 ms."""
        step, size, stack = _ms(self._rate, 10), _ms(self._rate, 25), self._stack
        hidden = int(self._config.get("hidden_size", 1024))
        layers = int(self._config.get("num_hidden_layers", 24))
        grid = FrameGrid(stack * step, (stack - 1) * step + size)
        return Anatomy(layers, hidden, 1, grid, self._rate, None)

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return log-mel frames (B, J, 2 * mels)."""
        # Unpadded: what the library would mask as padding is not there in the first place.
        return self._library(waves, pad_to_multiple_of=None)

    @property
    def _stack(self) -> int:
        return int(self._front.get("stride", 2))

    @cached_property
    def _library(self) -> Callable[..., np.ndarray]:
        mels = int(self._config.get("feature_projection_input_dim", 160)) // self._stack
        return _extractor(
            "SeamlessM4TFeatureExtractor",
            feature_size=mels,
            num_mel_bins=mels,
            sampling_rate=self._rate,
            stride=self._stack,
        )


class Patches(Kind):
    """The Audio Spectrogram Transformer: patches of a log-mel of 10.24 s, frequency kept.

    Shorter clips are padded as the library pads them, and the frames of the padding left out.
    """

    @property
    def anatomy(self) -> Anatomy:
        """Frames every 100 ms, in 12 bands from low to high."""
        step, size = _ms(self._rate, 10), _ms(self._rate, 25)
        patch, length = self._patch, self._length
        return Anatomy(
            layers=int(self._config.get("num_hidden_layers", 12)),
            hidden=int(self._config.get("hidden_size", 768)),
            bands=(self._mels - patch) // int(self._config.get("frequency_stride", 10)) + 1,
            grid=FrameGrid(
                stride=step * int(self._config.get("time_stride", 10)),
                receptive_field=step * (patch - 1) + size,
            ),
            sample_rate=self._rate,
            window=step * (length - 1) + size,
        )

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return padded log-mels (B, length, mels)."""
        return self._library(waves)

    def frames(self, states: Any) -> Any:
        """Return the patches (B, J, bands, H); two tokens that stand for the clip come before."""
        batch, _, hidden = states.shape
        patches = states[:, 2:].reshape(batch, self.anatomy.bands, -1, hidden)
        return patches.swapaxes(1, 2)

    @property
    def _patch(self) -> int:
        return int(self._config.get("patch_size", 16))

    @property
    def _mels(self) -> int:
        return int(self._config.get("num_mel_bins", 128))

    @property
    def _length(self) -> int:
        return int(self._config.get("max_length", 1024))

    @cached_property
    def _library(self) -> Callable[..., np.ndarray]:
        return _extractor(
            "ASTFeatureExtractor",
            num_mel_bins=self._mels,
            max_length=self._length,
            sampling_rate=self._rate,
            **{
                key: self._front[key]
                for key in ("do_normalize", "mean", "std")
                if key in self._front
            },
        )


class Whisper(Kind):
    """The encoder of Whisper: a log-mel of 30 s.

    Shorter clips are padded with silence as Whisper pads them, and the frames of the padding left
    out.
    """

    @property
    def anatomy(self) -> Anatomy:
        """Frames every 20 ms, the first centred at the clip's first sample."""
        stride = 2 * self._hop  # of the second convolution
        return Anatomy(
            layers=int(self._config.get("encoder_layers", 4)),
            hidden=int(self._config.get("d_model", 384)),
            bands=1,
            grid=FrameGrid(stride, receptive_field=1),
            sample_rate=self._rate,
            window=stride * int(self._config.get("max_source_positions", 1500)),
        )

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return padded log-mels (B, mels, frames)."""
        return self._library(waves, max_length=self.anatomy.window)

    def model(self, folder: Path, **settings: Any) -> Any:
        """Read the encoder; the decoder is not computed."""
        return super().model(folder, **settings).encoder

    @property
    def _hop(self) -> int:
        return int(self._front.get("hop_length", 160))

    @cached_property
    def _library(self) -> Callable[..., np.ndarray]:
        return _extractor(
            "WhisperFeatureExtractor",
            feature_size=int(self._config.get("num_mel_bins", 80)),
            sampling_rate=self._rate,
            hop_length=self._hop,
            n_fft=int(self._front.get("n_fft", 400)),
        )


def _ms(sample_rate: int, milliseconds: int) -> int:
    return sample_rate * milliseconds // 1000


def _extractor(name: str, sampling_rate: int, **settings: Any) -> Callable[..., np.ndarray]:
    """Return a front end of the library, from waves (B, L) int16 to what its encoder wants."""
    from asd.native import import_torchaudio

    import_torchaudio()
    import transformers

    library = getattr(transformers, name)(sampling_rate=sampling_rate, **settings)

    def extract(waves: np.ndarray, **own: Any) -> np.ndarray:
        clips = list((waves / 32768.0).astype(np.float32))
        found = library(clips, sampling_rate=sampling_rate, return_tensors="np", **own)
        return np.asarray(found[library.model_input_names[0]], np.float32)

    return extract


KINDS: Registry[type[Kind]] = Registry(
    "encoder",
    {
        **dict.fromkeys(FAMILY, "asd.features.kinds:Waves"),
        "wav2vec2-conformer": "asd.features.kinds:Waves",
        "sew": "asd.features.kinds:SqueezedWaves",
        "wav2vec2-bert": "asd.features.kinds:StackedMel",
        "audio-spectrogram-transformer": "asd.features.kinds:Patches",
        "whisper": "asd.features.kinds:Whisper",
        "beats": "asd.features.beats:Beats",
        "ced": "asd.features.dasheng:Ced",
        "dasheng": "asd.features.dasheng:Dasheng",
        "eat": "asd.features.eat:Eat",
    },
)

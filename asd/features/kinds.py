"""The kinds of audio encoders, and what is known of each before any weight is read.

A kind knows its encoder from ``config.json`` and ``preprocessor_config.json`` alone; a value that
is left out there is the library's default. The front end is the library's own. A new kind is one
class and one line of :data:`KINDS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from asd.features.timing import FrameGrid
from asd.registry import Registry

if TYPE_CHECKING:
    import torch

FAMILY = ("data2vec-audio", "hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm")
# What can be fine-tuned: the family, and encoders of log-mels whose layers are ours.
TUNED = (*FAMILY, "beats", "ced", "dasheng", "eat")


class Kind(ABC):
    """One kind of encoder, as the files of a checkpoint say it.

    Args:
        config: content of config.json.
        front: content of preprocessor_config.json, empty where there is none.

    Attributes:
        defaults: the values of config.json that are read, as they are where they are left out.
        sizes: under which names it gives layers and units.
        layers: transformer layers, n.
        hidden: units of a frame in one frequency band, H.
        bands: frequency bands of a frame, 1 where the encoder has merged them.
        grid: where the frames lie in the clip.
        sample_rate: rate in Hz that the encoder was trained at.
        window: samples that it hears at once, longer clips being cut; None for any number.
        ends_in_layer: whether layer n is read before what follows it, since that is no frame of
            the same grid.
        normalize: whether each clip is brought to mean 0 and variance 1.
        hides: whether its network takes a mask of frames that are hidden while it learns.

    Raises:
        TypeError, ValueError, ArithmeticError: a value is impossible.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"num_hidden_layers": 12, "hidden_size": 768}
    sizes: ClassVar[tuple[str, str]] = ("num_hidden_layers", "hidden_size")
    bands = 1
    grid: FrameGrid
    window: int | None = None
    ends_in_layer = False
    normalize = False
    hides = False

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        given = {key: type(one)(config.get(key, one)) for key, one in self.defaults.items()}
        self._config, self._front = {**config, **given}, front
        self.layers, self.hidden = (self._config[name] for name in self.sizes)
        self.sample_rate = int(front.get("sampling_rate", 16000))

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

    @property
    def front(self) -> dict[str, Any]:
        """What preprocessor_config.json of such an encoder says."""
        return {**self._front, "sampling_rate": self.sample_rate}

    def learned_from(self, waves: np.ndarray) -> np.ndarray:
        """Return what of ``waves`` (B, L) int16 goes into a batch that is learned from."""
        return self.inputs(waves)

    def on_device(self, batch: torch.Tensor) -> torch.Tensor:
        """Return what the encoder wants, of such a batch on its device."""
        return batch

    def over_bands(self, states: Any, samples: int) -> Any:
        """Return the frames (B, J, H) of clips of so many samples, each the mean of its bands."""
        return self.frames(states)[:, : self.grid.count(samples)].mean(2)

    def stored_as(self, name: str) -> str:
        """Return the name of a weight in a file that :meth:`model` reads."""
        return name

    def _ms(self, milliseconds: int) -> int:
        return self.sample_rate * milliseconds // 1000


class Waves(Kind):
    """Encoders of the wave itself by convolutions: wav2vec 2.0 and all that came of it.

    Frames are those of the convolutions, every 20 ms.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        **Kind.defaults,
        "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
        "conv_stride": (5, 2, 2, 2, 2, 2, 2),
        "squeeze_factor": 1,
    }
    hides = True

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        super().__init__(config, front)
        self.normalize = bool(front.get("do_normalize", True))
        own, squeeze = self._config, self._config["squeeze_factor"]
        self.grid = FrameGrid.of((*own["conv_kernel"], squeeze), (*own["conv_stride"], squeeze))

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return the samples (B, L)."""
        from asd.features.transformer import model_input

        return np.asarray(model_input(waves, self.normalize), np.float32)

    @property
    def front(self) -> dict[str, Any]:
        """What says how the samples are scaled."""
        return {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "do_normalize": self.normalize,
            "feature_size": 1,
            "padding_value": 0.0,
            "return_attention_mask": False,
            "sampling_rate": self.sample_rate,
        }

    def learned_from(self, waves: np.ndarray) -> np.ndarray:
        """Return the samples as they are, half of what the encoder wants."""
        return waves

    def on_device(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the samples (B, L) scaled."""
        from asd.features.transformer import model_input

        return model_input(batch, self.normalize)


class SqueezedWaves(Waves):
    """SEW: its layers run at half the rate of the convolutions, every 40 ms; read at that."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **Kind.defaults,
        "conv_kernel": (10, 3, 1, 3, 1, 3, 1, 3, 1, 2, 1, 2, 1),
        "conv_stride": (5, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1),
        "squeeze_factor": 2,
    }
    ends_in_layer = True


class StackedMel(Kind):
    """Wav2Vec2-BERT: pairs of log-mel frames of 25 ms, each band normalised over the clip.

    Frames lie 20 ms apart.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "feature_projection_input_dim": 160,
    }

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        super().__init__(config, front)
        step, size, self._stack = self._ms(10), self._ms(25), int(front.get("stride", 2))
        self.grid = FrameGrid(self._stack * step, (self._stack - 1) * step + size)

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return log-mel frames (B, J, 2 * mels)."""
        # Unpadded: what the library would mask as padding is not there in the first place.
        return self._library(waves, pad_to_multiple_of=None)

    @cached_property
    def _library(self) -> Callable[..., np.ndarray]:
        mels = self._config["feature_projection_input_dim"] // self._stack
        return _extractor(
            "SeamlessM4TFeatureExtractor",
            feature_size=mels,
            num_mel_bins=mels,
            sampling_rate=self.sample_rate,
            stride=self._stack,
        )


class Patches(Kind):
    """The Audio Spectrogram Transformer: patches of a log-mel of 10.24 s, frequency kept.

    Frames lie 100 ms apart, in 12 bands from low to high. Shorter clips are padded as the library
    pads them, and the frames of the padding left out.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        **Kind.defaults,
        "patch_size": 16,
        "num_mel_bins": 128,
        "max_length": 1024,
        "frequency_stride": 10,
        "time_stride": 10,
    }

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        super().__init__(config, front)
        own, step, size = self._config, self._ms(10), self._ms(25)
        patch = own["patch_size"]
        self.bands = (own["num_mel_bins"] - patch) // own["frequency_stride"] + 1
        self.grid = FrameGrid(step * own["time_stride"], step * (patch - 1) + size)
        self.window = step * (own["max_length"] - 1) + size

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return padded log-mels (B, length, mels)."""
        return self._library(waves)

    def frames(self, states: Any) -> Any:
        """Return the patches (B, J, bands, H); two tokens that stand for the clip come before."""
        batch, _, hidden = states.shape
        return states[:, 2:].reshape(batch, self.bands, -1, hidden).swapaxes(1, 2)

    @cached_property
    def _library(self) -> Callable[..., np.ndarray]:
        scale = ("do_normalize", "mean", "std")
        return _extractor(
            "ASTFeatureExtractor",
            num_mel_bins=self._config["num_mel_bins"],
            max_length=self._config["max_length"],
            sampling_rate=self.sample_rate,
            **{key: self._front[key] for key in scale if key in self._front},
        )


class Whisper(Kind):
    """The encoder of Whisper: a log-mel of 30 s.

    Frames lie 20 ms apart, the first centred at the clip's first sample. Shorter clips are padded
    with silence as Whisper pads them, and the frames of the padding left out.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "encoder_layers": 4,
        "d_model": 384,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
    }
    sizes = ("encoder_layers", "d_model")

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        super().__init__(config, front)
        self._hop = int(front.get("hop_length", 160))
        stride = 2 * self._hop  # of the second convolution
        self.grid = FrameGrid(stride, receptive_field=1)
        self.window = stride * self._config["max_source_positions"]

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return padded log-mels (B, mels, frames)."""
        return self._library(waves, max_length=self.window)

    def model(self, folder: Path, **settings: Any) -> Any:
        """Read the encoder; the decoder is not computed."""
        return super().model(folder, **settings).encoder

    @cached_property
    def _library(self) -> Callable[..., np.ndarray]:
        return _extractor(
            "WhisperFeatureExtractor",
            feature_size=self._config["num_mel_bins"],
            sampling_rate=self.sample_rate,
            hop_length=self._hop,
            n_fft=int(self._front.get("n_fft", 400)),
        )


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

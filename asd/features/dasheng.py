"""CED (Dinkel et al. 2023) and Dasheng (2024): patches of a mel spectrogram in decibels of 10 s.

Layouts: https://huggingface.co/mispeech/ced-base and https://huggingface.co/mispeech/dasheng-base
(``config.json`` with ``model_type`` ced or dasheng, ``model.safetensors`` with names that begin
with ``encoder.``); code: https://github.com/RicherMans/CED, https://github.com/RicherMans/Dasheng
and https://github.com/jimbozhang/hf_transformers_custom_model_dasheng.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from asd.features.kinds import Kind
from asd.features.timing import FrameGrid
from asd.features.vit import decibels, fill, output, vit_layers

_EPS = 1e-6


class Ced(Kind):
    """CED: frames every 160 ms in 4 bands; mel frame k is centred at sample 160 k.

    Attributes:
        named: the values that a name in config.json stands for; those beside it hold.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "embed_dim": 768,
        "num_heads": 12,
        "depth": 12,
        "mlp_ratio": 4.0,
        "n_mels": 64,
        "qkv_bias": True,
        "patch_size": (16, 16),
        "patch_stride": (16, 16),
        "target_length": 1012,
    }
    sizes = ("depth", "embed_dim")
    named: ClassVar[Mapping[str, dict[str, int]]] = {
        "ced-tiny": {"embed_dim": 192, "num_heads": 3},
        "ced-mini": {"embed_dim": 256, "num_heads": 4},
        "ced-small": {"embed_dim": 384, "num_heads": 6},
        "ced-base": {"embed_dim": 768, "num_heads": 12},
    }

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        given = {**config, **config.get("encoder_kwargs", {})}
        given = {key: value for key, value in given.items() if value is not None}
        for key in ("patch_size", "patch_stride"):
            if isinstance(given.get(key), int):
                given[key] = (given[key], given[key])
        super().__init__({**self.named.get(str(given.get("name")), {}), **given}, front)
        own, hop = self._config, int(front.get("hop_size", 160))
        (across, along), stride = own["patch_size"], own["patch_stride"]
        self.bands = (own["n_mels"] - across) // stride[0] + 1
        self.grid = FrameGrid(hop * stride[1], hop * (along - 1))
        self.window = hop * own["target_length"] - 1

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return mel spectrograms (B, 1, bins, frames) in decibels."""
        return decibels(waves, self._front)[:, None].numpy()

    def frames(self, states: Any) -> Any:
        """Return the patches (B, J, bands, H); frequency is first in memory."""
        return states.reshape(len(states), self.bands, -1, states.shape[2]).swapaxes(1, 2)

    def stored_as(self, name: str) -> str:
        """Return the published name of a weight."""
        return f"encoder.{name}"

    def model(self, folder: Path, **_: Any) -> Any:
        """Read the encoder."""
        return fill(folder, _MelPatches(self._config), _named)


class Dasheng(Ced):
    """Dasheng: frames every 40 ms over all bands."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **Ced.defaults,
        "patch_size": (64, 4),
        "patch_stride": (64, 4),
        "target_length": 1008,
    }
    named: ClassVar[Mapping[str, dict[str, int]]] = {
        "dasheng-0.6B": {"embed_dim": 1280, "depth": 32, "num_heads": 16},
        "dasheng-1.2B": {"embed_dim": 1536, "depth": 40, "num_heads": 24},
    }


class _MelPatches(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, bins, stride = config["embed_dim"], config["n_mels"], config["patch_stride"]
        across, along = bins // stride[0], config["target_length"] // stride[1]
        self.init_bn = nn.BatchNorm2d(bins)
        patches = nn.Conv2d(1, width, config["patch_size"], stride)
        self.patch_embed = nn.ModuleDict({"proj": patches})
        self.time_pos_embed = nn.Parameter(torch.zeros(1, width, 1, along))
        self.freq_pos_embed = nn.Parameter(torch.zeros(1, width, across, 1))
        self.layers = vit_layers(config, True, _EPS)
        self.norm = nn.LayerNorm(width, _EPS)

    def train(self, mode: bool = True) -> _MelPatches:
        """Learn or not; the inputs' mean and deviation stay those of the published training."""
        super().train(mode)
        self.init_bn.eval()
        return self

    def forward(self, inputs: torch.Tensor) -> Any:
        normed = self.init_bn(inputs.transpose(1, 2)).transpose(1, 2)
        patches = self.patch_embed["proj"](normed)
        placed = patches + self.time_pos_embed[..., : patches.shape[3]] + self.freq_pos_embed
        states = placed.flatten(2).mT
        for layer in self.layers:
            states = layer(states)
        return output(self.norm(states))


def _named(name: str) -> str | None:
    if not name.startswith("encoder."):
        return None  # of the classifier
    name = name.removeprefix("encoder.").replace("init_bn.1.", "init_bn.", 1)
    return None if name.startswith("front_end.") else name.replace("blocks.", "layers.", 1)

"""CED (Dinkel et al. 2023) and Dasheng (2024): patches of a mel spectrogram in decibels of 10 s.

Layouts: https://huggingface.co/mispeech/ced-base and https://huggingface.co/mispeech/dasheng-base
(``config.json`` with ``model_type`` ced or dasheng, ``model.safetensors`` with names that begin
with ``encoder.``); code: https://github.com/RicherMans/CED, https://github.com/RicherMans/Dasheng
and https://github.com/jimbozhang/hf_transformers_custom_model_dasheng.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.features.kinds import Anatomy, Kind
from asd.features.timing import FrameGrid
from asd.features.vit import Block, decibels, fill, output

_EPS = 1e-6


class Ced(Kind):
    """CED: frames every 160 ms in 4 bands."""

    sizes: Mapping[str, dict[str, int]] = {
        "ced-tiny": {"embed_dim": 192, "num_heads": 3},
        "ced-mini": {"embed_dim": 256, "num_heads": 4},
        "ced-small": {"embed_dim": 384, "num_heads": 6},
        "ced-base": {"embed_dim": 768, "num_heads": 12},
    }
    own: Mapping[str, Any] = {"patch_size": 16, "patch_stride": 16, "target_length": 1012}

    @property
    def settings(self) -> dict[str, Any]:
        """What config.json says of the encoder; a size that it only names is written out."""
        given = {**self._config, **self._config.get("encoder_kwargs", {})}
        rest = {"embed_dim": 768, "num_heads": 12, "depth": 12, "mlp_ratio": 4.0, "n_mels": 64}
        named = self.sizes.get(str(given.get("name")), {})
        return {**rest, **self.own, **named, **{k: v for k, v in given.items() if v is not None}}

    @property
    def anatomy(self) -> Anatomy:
        """What config.json says; mel frame k is centred at sample 160 k."""
        settings, hop = self.settings, int(self._front.get("hop_size", 160))
        size, stride = _pair(settings["patch_size"]), _pair(settings["patch_stride"])
        return Anatomy(
            layers=int(settings["depth"]),
            hidden=int(settings["embed_dim"]),
            bands=(int(settings["n_mels"]) - size[0]) // stride[0] + 1,
            grid=FrameGrid(hop * stride[1], hop * (size[1] - 1)),
            sample_rate=self._rate,
            window=hop * int(settings["target_length"]) - 1,
        )

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return mel spectrograms (B, 1, bins, frames) in decibels."""
        return decibels(waves, self._front)[:, None].numpy()

    def frames(self, states: Any) -> Any:
        """Return the patches (B, J, bands, H); frequency is first in memory."""
        bands = self.anatomy.bands
        return states.reshape(len(states), bands, -1, states.shape[2]).swapaxes(1, 2)

    def model(self, folder: Path, **_: Any) -> Any:
        """Read the encoder."""
        return fill(folder, _MelPatches(self.settings), _named)


class Dasheng(Ced):
    """Dasheng: frames every 40 ms over all bands."""

    sizes: Mapping[str, dict[str, int]] = {
        "dasheng-0.6B": {"embed_dim": 1280, "depth": 32, "num_heads": 16},
        "dasheng-1.2B": {"embed_dim": 1536, "depth": 40, "num_heads": 24},
    }
    own: Mapping[str, Any] = {
        "patch_size": (64, 4),
        "patch_stride": (64, 4),
        "target_length": 1008,
    }


class _MelPatches(nn.Module):
    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width, bins = int(settings["embed_dim"]), int(settings["n_mels"])
        size, stride = _pair(settings["patch_size"]), _pair(settings["patch_stride"])
        across, along = bins // stride[0], int(settings["target_length"]) // stride[1]
        self.init_bn = nn.BatchNorm2d(bins)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, width, size, stride)})
        self.time_pos_embed = nn.Parameter(torch.zeros(1, width, 1, along))
        self.freq_pos_embed = nn.Parameter(torch.zeros(1, width, across, 1))
        heads, bias = int(settings["num_heads"]), bool(settings.get("qkv_bias", True))
        self.layers = nn.ModuleList(
            Block(width, heads, float(settings["mlp_ratio"]), bias, True, _EPS)
            for _ in range(int(settings["depth"]))
        )
        self.norm = nn.LayerNorm(width, _EPS)

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


def _pair(size: Any) -> tuple[int, int]:
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))

"""EAT (Chen et al. 2024): patches of a log-mel of 10.24 s after a token that stands for the clip.

Layout: https://huggingface.co/worstchan/EAT-base_epoch30_pretrain (``config.json`` with
``model_type`` eat, ``model.safetensors`` with names that begin with ``model.``); code:
https://github.com/cwx-worst-one/EAT.
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
from asd.features.vit import Block, fill, filter_bank, output

_MEAN, _STD = -4.268, 4.569  # of AudioSet


class Eat(Kind):
    """EAT: frames every 160 ms in 8 bands; shorter clips are padded and that part left out."""

    @property
    def anatomy(self) -> Anatomy:
        """What config.json says."""
        frames, bins = self._config.get("img_size", (1024, 128))
        patch, stride = int(self._config.get("patch_size", 16)), int(self._config.get("stride", 16))
        return Anatomy(
            layers=int(self._config.get("depth", 12)),
            hidden=int(self._config.get("embed_dim", 768)),
            bands=(int(bins) - patch) // stride + 1,
            grid=FrameGrid(160 * stride, 160 * (patch - 1) + 400),
            sample_rate=self._rate,
            window=160 * (int(frames) - 1) + 400,
        )

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return padded log-mels (B, 1, frames, bins); the mean of each clip is taken off."""
        frames = int(self._config.get("img_size", (1024, 128))[0])
        mels = filter_bank(
            waves - waves.mean(axis=1, keepdims=True),
            1.0,
            htk_compat=True,
            window_type="hanning",
        )
        padded = nn.functional.pad(mels, (0, 0, 0, frames - mels.shape[1]))
        return ((padded - _MEAN) / (2 * _STD))[:, None].numpy()

    def frames(self, states: Any) -> Any:
        """Return the patches (B, J, bands, H), time first in memory, without the token."""
        return states[:, 1:].reshape(len(states), -1, self.anatomy.bands, states.shape[2])

    def model(self, folder: Path, **_: Any) -> Any:
        """Read the encoder."""
        return fill(folder, _Eat(self._config, self.anatomy), _named)


class _Eat(nn.Module):
    def __init__(self, config: Mapping[str, Any], anatomy: Anatomy) -> None:
        super().__init__()
        width, eps = anatomy.hidden, float(config.get("norm_eps", 1e-6))
        patch, stride = int(config.get("patch_size", 16)), int(config.get("stride", 16))
        self.local_encoder = nn.ModuleDict({"proj": nn.Conv2d(1, width, patch, stride)})
        self.extra_tokens = nn.Parameter(torch.zeros(1, 1, width))
        places = int(config.get("max_length", 768)) * anatomy.bands
        self.fixed_positional_encoder = nn.ParameterDict(
            {"positions": nn.Parameter(torch.zeros(1, places, width))}
        )
        self.pre_norm = nn.LayerNorm(width, eps)
        self.layers = nn.ModuleList(
            Block(
                width,
                int(config.get("num_heads", 12)),
                float(config.get("mlp_ratio", 4.0)),
                bool(config.get("qkv_bias", True)),
                bool(config.get("layer_norm_first", False)),
                eps,
            )
            for _ in range(anatomy.layers)
        )

    def forward(self, inputs: torch.Tensor) -> Any:
        patches = self.local_encoder["proj"](inputs).flatten(2).mT
        patches = patches + self.fixed_positional_encoder["positions"][:, : patches.shape[1]]
        tokens = self.extra_tokens.expand(len(patches), -1, -1)
        states = self.pre_norm(torch.cat([tokens, patches], dim=1))
        for layer in self.layers:
            states = layer(states)
        return output(states)


def _named(name: str) -> str | None:
    name = name.removeprefix("model.")
    if name.startswith(("fc_norm.", "head.")):
        return None
    return name.replace("blocks.", "layers.", 1)

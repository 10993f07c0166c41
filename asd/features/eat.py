"""EAT (Chen et al. 2024): patches of a log-mel of 10.24 s after a token that stands for the clip.

Layout: https://huggingface.co/worstchan/EAT-base_epoch30_pretrain (``config.json`` with
``model_type`` eat, ``model.safetensors`` with names that begin with ``model.``); code:
https://github.com/cwx-worst-one/EAT.
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
from asd.features.vit import fill, filter_bank, output, vit_layers

_MEAN, _STD = -4.268, 4.569  # of AudioSet


class Eat(Kind):
    """EAT: frames every 160 ms in 8 bands; shorter clips are padded and that part left out."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "img_size": (1024, 128),
        "patch_size": 16,
        "stride": 16,
        "depth": 12,
        "embed_dim": 768,
        "max_length": 768,
        "num_heads": 12,
        "mlp_ratio": 4.0,
        "qkv_bias": True,
        "layer_norm_first": False,
        "norm_eps": 1e-6,
    }
    sizes = ("depth", "embed_dim")

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        super().__init__(config, front)
        self._frames, bins = self._config["img_size"]
        patch, stride = self._config["patch_size"], self._config["stride"]
        self.bands = (bins - patch) // stride + 1
        self.grid = FrameGrid(160 * stride, 160 * (patch - 1) + 400)
        self.window = 160 * (self._frames - 1) + 400

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return padded log-mels (B, 1, frames, bins); the mean of each clip is taken off."""
        centred = waves - waves.mean(axis=1, keepdims=True)
        mels = filter_bank(centred, 1.0, htk_compat=True, window_type="hanning")
        padded = nn.functional.pad(mels, (0, 0, 0, self._frames - mels.shape[1]))
        return ((padded - _MEAN) / (2 * _STD))[:, None].numpy()

    def frames(self, states: Any) -> Any:
        """Return the patches (B, J, bands, H), time first in memory, without the token."""
        return states[:, 1:].reshape(len(states), -1, self.bands, states.shape[2])

    def model(self, folder: Path, **_: Any) -> Any:
        """Read the encoder."""
        return fill(folder, _Eat(self._config, self.bands), _named)


class _Eat(nn.Module):
    def __init__(self, config: Mapping[str, Any], bands: int) -> None:
        super().__init__()
        width, eps, places = config["embed_dim"], config["norm_eps"], config["max_length"] * bands
        patches = nn.Conv2d(1, width, config["patch_size"], config["stride"])
        self.local_encoder = nn.ModuleDict({"proj": patches})
        self.extra_tokens = nn.Parameter(torch.zeros(1, 1, width))
        self.fixed_positional_encoder = nn.ParameterDict(
            {"positions": nn.Parameter(torch.zeros(1, places, width))}
        )
        self.pre_norm = nn.LayerNorm(width, eps)
        self.layers = vit_layers(config, config["layer_norm_first"], eps)

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

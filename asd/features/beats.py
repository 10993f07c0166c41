"""BEATs (Chen et al. 2023): patches of a log-mel, with gated relative positions.

Layout: https://github.com/microsoft/unilm/tree/master/beats, one file such as
``BEATs_iter3_plus_AS2M.pt`` with the configuration ``cfg`` and the weights ``model``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.features.kinds import Anatomy, Kind
from asd.features.timing import FrameGrid
from asd.features.vit import fill, filter_bank, output

_MEAN, _STD = 15.41663, 6.55582  # of AudioSet


class Beats(Kind):
    """BEATs: frames every 160 ms in 8 bands, of clips of any length."""

    @property
    def anatomy(self) -> Anatomy:
        """What the configuration says."""
        patch = int(self._config.get("input_patch_size", 16))
        return Anatomy(
            layers=int(self._config.get("encoder_layers", 12)),
            hidden=int(self._config.get("encoder_embed_dim", 768)),
            bands=128 // patch,
            grid=FrameGrid(160 * patch, 160 * (patch - 1) + 400),
            sample_rate=self._rate,
            window=None,
        )

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return log-mels (B, 1, frames, 128)."""
        mels = filter_bank(waves, 2.0**15)
        return ((mels - _MEAN) / (2 * _STD))[:, None].numpy()

    def frames(self, states: Any) -> Any:
        """Return the patches (B, J, bands, H); time is first in memory."""
        return states.reshape(len(states), -1, self.anatomy.bands, states.shape[2])

    def model(self, folder: Path, **_: Any) -> Any:
        """Read the encoder."""
        return fill(folder, _Beats(self._config), _named, "its configuration")


class _Beats(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, patch = int(config["encoder_embed_dim"]), int(config["input_patch_size"])
        narrow = int(config["embed_dim"])
        bias = bool(config.get("conv_bias", False))
        self.patch_embedding = nn.Conv2d(1, narrow, patch, patch, bias=bias)
        self.layer_norm = nn.LayerNorm(narrow)
        self.post_extract_proj = nn.Linear(narrow, width) if narrow != width else nn.Identity()
        self.encoder = _Encoder(config)

    def forward(self, inputs: torch.Tensor) -> Any:
        patches = self.layer_norm(self.patch_embedding(inputs).flatten(2).mT)
        return output(self.encoder(self.post_extract_proj(patches)))


class _Encoder(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, kernel = int(config["encoder_embed_dim"]), int(config.get("conv_pos", 128))
        groups = int(config.get("conv_pos_groups", 16))
        conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        self.pos_conv = nn.Sequential(nn.utils.parametrizations.weight_norm(conv, dim=2))
        self._norm_first = bool(config.get("layer_norm_first", False))
        self.layer_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(int(config["encoder_layers"])))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        placed = self.pos_conv(x.mT)[..., : x.shape[1]].mT  # an even kernel gives one too many
        x = x + nn.functional.gelu(placed)
        if not self._norm_first:
            x = self.layer_norm(x)
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x) if self._norm_first else x


class _Layer(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, inner = int(config["encoder_embed_dim"]), int(config["encoder_ffn_embed_dim"])
        self._norm_first = bool(config.get("layer_norm_first", False))
        deep = bool(config.get("deep_norm", False))
        self._residual = (2 * int(config["encoder_layers"])) ** 0.25 if deep else 1.0
        self.self_attn = _Attention(config)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._norm_first:
            x = x + self.self_attn(self.self_attn_layer_norm(x))
            return x + self._feed_forward(self.final_layer_norm(x))
        x = self.self_attn_layer_norm(x * self._residual + self.self_attn(x))
        normed: torch.Tensor = self.final_layer_norm(x * self._residual + self._feed_forward(x))
        return normed

    def _feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        fed: torch.Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return fed


class _Attention(nn.Module):
    """Scores get a bias for the distance of two patches, as strong as the query says."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, self._heads = (int(config[f"encoder_{k}"]) for k in ("embed_dim", "attention_heads"))
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self._relative = bool(config.get("relative_position_embedding", False))
        self._gated = self._relative and bool(config.get("gru_rel_pos", False))
        self._farthest = int(config.get("max_distance", 1280))
        if self._relative:
            buckets = int(config.get("num_buckets", 320))
            self.relative_attention_bias = nn.Embedding(buckets, self._heads)
        if bool(config.get("gru_rel_pos", False)):
            self.grep_linear = nn.Linear(width // self._heads, 8)
            self.grep_a = nn.Parameter(torch.ones(1, self._heads, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            linear(x).unflatten(2, (self._heads, -1)).transpose(1, 2)
            for linear in (self.q_proj, self.k_proj, self.v_proj)
        )
        scores = query * query.shape[-1] ** -0.5 @ key.mT
        if self._relative:
            buckets = self.relative_attention_bias
            bias = buckets(_buckets(x.shape[1], buckets.num_embeddings, self._farthest, x.device))
            bias = bias.permute(2, 0, 1)
            if self._gated:
                gates = self.grep_linear(query).unflatten(3, (2, 4)).sum(dim=-1).sigmoid()
                update, reset = gates.split(1, dim=-1)
                bias = bias * (update * (reset * self.grep_a - 1) + 2)
            scores = scores + bias
        attended: torch.Tensor = self.out_proj(
            (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        )
        return attended


def _buckets(count: int, buckets: int, farthest: int, device: torch.device) -> torch.Tensor:
    """Return the bucket (S, S) of each distance: near ones alone, far ones by logarithm."""
    half, places = buckets // 2, torch.arange(count, device=device)
    distance = places - places[:, None]
    exact, size = half // 2, distance.abs()
    spread = (size.clamp(min=1) / exact).log() / math.log(farthest / exact)
    far = exact + (spread * (half - exact)).long()
    near = torch.where(size < exact, size, far.clamp(max=half - 1))
    return near + (distance > 0) * half


def _named(name: str) -> str | None:
    if name.startswith("predictor."):
        return None
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        name = name.replace(f"pos_conv.0.{old}", f"pos_conv.0.parametrizations.weight.{new}")
    return name

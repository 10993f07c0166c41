"""BEATs (Chen et al. 2023): patches of a log-mel, with gated relative positions.

Layout: https://github.com/microsoft/unilm/tree/master/beats, one file such as
``BEATs_iter3_plus_AS2M.pt`` with the configuration ``cfg`` and the weights ``model``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from asd.features.kinds import Kind
from asd.features.timing import FrameGrid
from asd.features.vit import Block, fill, filter_bank, output

_MEAN, _STD = 15.41663, 6.55582  # of AudioSet
# Parts of published names, and what they are called here.
_NAMES = (
    ("pos_conv.0.weight_g", "pos_conv.0.parametrizations.weight.original0"),
    ("pos_conv.0.weight_v", "pos_conv.0.parametrizations.weight.original1"),
    (".self_attn.", ".attn."),
    (".self_attn_layer_norm.", ".norm1."),
    (".final_layer_norm.", ".norm2."),
    (".fc1.", ".mlp.fc1."),
    (".fc2.", ".mlp.fc2."),
)


class Beats(Kind):
    """BEATs: frames every 160 ms in 8 bands, of clips of any length."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "input_patch_size": 16,
        "embed_dim": 512,
        "conv_bias": False,
        "encoder_layers": 12,
        "encoder_embed_dim": 768,
        "encoder_ffn_embed_dim": 3072,
        "encoder_attention_heads": 12,
        "layer_norm_first": False,
        "deep_norm": False,
        "conv_pos": 128,
        "conv_pos_groups": 16,
        "relative_position_embedding": False,
        "num_buckets": 320,
        "max_distance": 1280,
        "gru_rel_pos": False,
    }
    sizes = ("encoder_layers", "encoder_embed_dim")

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        super().__init__(config, front)
        patch = self._config["input_patch_size"]
        self.bands = 128 // patch
        self.grid = FrameGrid(160 * patch, 160 * (patch - 1) + 400)

    def inputs(self, waves: np.ndarray) -> np.ndarray:
        """Return log-mels (B, 1, frames, 128)."""
        mels = filter_bank(waves, 2.0**15)
        return ((mels - _MEAN) / (2 * _STD))[:, None].numpy()

    def frames(self, states: Any) -> Any:
        """Return the patches (B, J, bands, H); time is first in memory."""
        return states.reshape(len(states), -1, self.bands, states.shape[2])

    def stored_as(self, name: str) -> str:
        """Return the published name of a weight."""
        for old, new in reversed(_NAMES):
            name = name.replace(new, old)
        return name

    def model(self, folder: Path, **_: Any) -> Any:
        """Read the encoder."""
        return fill(folder, _Beats(self._config), _named, "its configuration")


class _Beats(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, narrow = config["encoder_embed_dim"], config["embed_dim"]
        patch = config["input_patch_size"]
        self.patch_embedding = nn.Conv2d(1, narrow, patch, patch, bias=config["conv_bias"])
        self.layer_norm = nn.LayerNorm(narrow)
        self.post_extract_proj = nn.Linear(narrow, width) if narrow != width else nn.Identity()
        self.encoder = _Encoder(config)

    def forward(self, inputs: torch.Tensor) -> Any:
        patches = self.layer_norm(self.patch_embedding(inputs).flatten(2).mT)
        return output(self.encoder(self.post_extract_proj(patches)))


class _Encoder(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, kernel = config["encoder_embed_dim"], config["conv_pos"]
        groups, count = config["conv_pos_groups"], config["encoder_layers"]
        conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        self.pos_conv = nn.Sequential(nn.utils.parametrizations.weight_norm(conv, dim=2))
        self._norm_first = config["layer_norm_first"]
        self.layer_norm = nn.LayerNorm(width)
        inner, scale = config["encoder_ffn_embed_dim"], (2 * count) ** 0.25
        self.layers = nn.ModuleList(
            Block(
                _Attention(config),
                width,
                inner,
                self._norm_first,
                residual=scale if config["deep_norm"] else 1.0,
            )
            for _ in range(count)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        placed = self.pos_conv(x.mT)[..., : x.shape[1]].mT  # an even kernel gives one too many
        x = x + nn.functional.gelu(placed)
        if not self._norm_first:
            x = self.layer_norm(x)
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x) if self._norm_first else x


class _Attention(nn.Module):
    """Scores get a bias for the distance of two patches, as strong as the query says."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, self._heads = config["encoder_embed_dim"], config["encoder_attention_heads"]
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self._relative, self._gated = config["relative_position_embedding"], config["gru_rel_pos"]
        self._farthest = config["max_distance"]
        if self._relative:
            self.relative_attention_bias = nn.Embedding(config["num_buckets"], self._heads)
        if self._gated:
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
        return self.out_proj((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


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
    for old, new in _NAMES:
        name = name.replace(old, new)
    return name

"""What the encoders share that transformers has not: vision transformers over log-mels.

Their checkpoints are read here, in the layouts in which they are published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.features.checkpoint import CONFIG, check_fit, read_tensors
from asd.native import import_torchaudio


class Attention(nn.Module):
    """Self-attention with one map for queries, keys and values."""

    def __init__(self, width: int, heads: int, bias: bool) -> None:
        super().__init__()
        self._heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute (B, S, H) of ``x`` (B, S, H)."""
        split = self.qkv(x).unflatten(2, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        scores = query * query.shape[-1] ** -0.5 @ key.mT
        return self.proj((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A layer of a transformer, normalised before its two parts or after them.

    Args:
        attention: its first part, from (B, S, H) to (B, S, H).
        width: units of a frame, H.
        inner: those of the second part between its two maps.
        norm_first: whether it is normalised before.
        eps: of the norms.
        residual: what the input of a part is scaled by where it is normalised after.
    """

    def __init__(
        self,
        attention: nn.Module,
        width: int,
        inner: int,
        norm_first: bool,
        eps: float = 1e-5,
        residual: float = 1.0,
    ) -> None:
        super().__init__()
        self._norm_first, self._residual = norm_first, residual
        self.norm1, self.norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.attn = attention
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute (B, S, H) of ``x`` (B, S, H)."""
        if self._norm_first:
            x = x + self.attn(self.norm1(x))
            return x + self._feed_forward(self.norm2(x))
        x = self.norm1(x * self._residual + self.attn(x))
        return self.norm2(x * self._residual + self._feed_forward(x))

    def _feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mlp["fc2"](nn.functional.gelu(self.mlp["fc1"](x)))


def vit_layers(config: Mapping[str, Any], norm_first: bool, eps: float) -> nn.ModuleList:
    """Return the layers of a vision transformer of which a configuration gives the sizes."""
    width, inner = config["embed_dim"], int(config["embed_dim"] * config["mlp_ratio"])
    return nn.ModuleList(
        Block(
            Attention(width, config["num_heads"], config["qkv_bias"]), width, inner, norm_first, eps
        )
        for _ in range(config["depth"])
    )


def output(states: torch.Tensor) -> Any:
    """Return states as the library's models do."""
    return SimpleNamespace(last_hidden_state=states)


def fill(
    folder: Path, module: nn.Module, named: Callable[[str], str | None], where: str = CONFIG
) -> nn.Module:
    """Put the weights of a checkpoint into a module.

    Args:
        folder: the checkpoint.
        module: what its configuration describes.
        named: from the published name of a tensor to the module's; None for one of a head.
        where: the file that describes it.

    Raises:
        UsageError: a tensor is missing, left over, or of another shape.
    """
    read = {named(name): value for name, value in read_tensors(folder).items()}
    found = {name: value for name, value in read.items() if name is not None}
    wanted = module.state_dict()
    reshaped = {k for k in set(found) & set(wanted) if found[k].shape != wanted[k].shape}
    faults = {
        "missing": set(wanted) - set(found),
        "unexpected": set(found) - set(wanted),
        "of another shape": reshaped,
    }
    check_fit(folder, where, faults, "take them as published")
    module.load_state_dict({k: v.to(wanted[k].dtype, copy=True) for k, v in found.items()})
    return module.eval()


def filter_bank(waves: np.ndarray, scale: float, **settings: Any) -> torch.Tensor:
    """Return Kaldi's log-mels (B, T, 128) of waves (B, L) int16, frames of 25 ms every 10 ms.

    Args:
        waves: clips at 16 kHz.
        scale: what full scale is to be.
        settings: more of Kaldi's.
    """
    import_torchaudio()
    from torchaudio.compliance.kaldi import fbank

    clips = torch.from_numpy(waves / 32768.0).float() * scale
    return torch.stack(
        [fbank(clip[None], num_mel_bins=128, sample_frequency=16000, **settings) for clip in clips]
    )


def decibels(waves: np.ndarray, front: Mapping[str, Any]) -> torch.Tensor:
    """Return mel spectrograms (B, F, 1 + L // hop) in decibels of waves (B, L) int16.

    Nothing is more than 120 dB below the loudest value of its clip.
    """
    import_torchaudio()
    from torchaudio.transforms import MelSpectrogram

    transform = MelSpectrogram(
        sample_rate=int(front.get("sampling_rate", 16000)),
        n_fft=int(front.get("n_fft", 512)),
        win_length=int(front.get("win_size", 512)),
        hop_length=int(front.get("hop_size", 160)),
        f_min=float(front.get("f_min", 0)),
        f_max=front.get("f_max"),
        n_mels=int(front.get("feature_size", 64)),
    )
    values = 10 * transform(torch.from_numpy(waves / 32768.0).float()).clamp(min=1e-10).log10()
    return torch.maximum(values, values.amax(dim=(1, 2), keepdim=True) - 120)

"""The frozen network of the pre-trained feature: waves to projected, interpolated frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from asd.features.frames import LayerFrames, model_input
from asd.features.frozen import freeze
from asd.features.products import is_native
from asd.features.projection import Projection
from asd.features.threads import on_one_thread_each
from asd.progress import note


class PtmNetwork:
    """Computes rows (B, F, T) float16 of waves (B, L) int16; nothing in it learns.

    On a CPU each clip is computed by itself on one thread, and clips side by side, by parts that
    are written for that (see :func:`asd.features.frozen.freeze`).

    Args:
        model: the body of the model in evaluation mode.
        projection: which layer is read, and its map to F rows.
        times: from :func:`asd.features.timing.interpolation`.
        normalize: whether each clip is brought to mean 0 and variance 1.
        precision: ``"float32"``, ``"bfloat16"`` or, on a CPU, ``"int8"`` for the products of the
            model; what follows it is float32.
        device: where it is computed.
        plain: leave the model's parts the library's, which a test compares with.
    """

    def __init__(
        self,
        model: Any,
        projection: Projection,
        times: tuple[np.ndarray, np.ndarray],
        normalize: bool,
        precision: str,
        device: str,
        plain: bool = False,
    ) -> None:
        self._frames = LayerFrames(model, projection.layer)
        if self._frames.mix is not None:
            self._frames.mix.data = torch.from_numpy(projection.mix)
        self._frames.eval().requires_grad_(False).to(device)
        self._half = precision != "float32"
        dtype: torch.dtype = getattr(torch, precision)
        on_cpu = torch.device(device).type == "cpu"
        if on_cpu and not is_native(dtype):
            note(
                f"{precision} is no faster than float32 on this processor, which has no products"
                " of it; its values come from float32 products"
            )
        fast = on_cpu and not plain
        on_one_thread_each(lambda network: freeze(network.model, dtype, fast), [self._frames])
        self._weight = torch.from_numpy(projection.weight).to(device)
        self._bias = torch.from_numpy(projection.bias).to(device)
        left, share = times
        self._left = torch.from_numpy(left).to(device)
        self._share = torch.from_numpy(share).to(device)
        self._normalize = normalize
        self._device = torch.device(device)

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute rows (B, F, T) float16 of ``waves`` (B, L) int16."""
        if self._device.type != "cpu":
            return self._compute(waves)
        heard = np.flatnonzero(waves.any(axis=1))
        clips = list(waves[heard, None])
        place = np.full(len(waves), len(heard))
        place[heard] = np.arange(len(heard))
        if len(heard) < len(waves):  # the silence that fills up a batch is computed once
            clips.append(np.zeros_like(waves[:1]))
        return np.concatenate(on_one_thread_each(self._compute, clips))[place]

    @torch.inference_mode()
    def _compute(self, waves: np.ndarray) -> np.ndarray:
        samples = model_input(torch.from_numpy(waves).to(self._device), self._normalize)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            frames = self._frames(samples)
        projected = nn.functional.linear(frames.float(), self._weight, self._bias)
        right = (self._left + 1).clamp(max=projected.shape[1] - 1)
        rows = torch.lerp(projected[:, self._left], projected[:, right], self._share[:, None])
        return rows.transpose(1, 2).to(torch.float16).contiguous().cpu().numpy()

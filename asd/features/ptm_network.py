"""The frozen network of the pre-trained feature: waves to projected, interpolated frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from asd.features.frames import LayerFrames, model_input
from asd.features.projection import Projection

T = TypeVar("T")
R = TypeVar("R")


class PtmNetwork:
    """Computes rows (B, F, T) float16 of waves (B, L) int16; nothing in it learns.

    On a CPU each clip is computed by itself on one thread, and clips side by side: matrix products
    that share one clip among threads add up in an order that depends on how many there are, which
    would show in the last bits.

    Args:
        model: the body of the model in evaluation mode.
        projection: which layer is read, and its map to F rows.
        times: from :func:`asd.features.timing.interpolation`.
        normalize: whether each clip is brought to mean 0 and variance 1.
        precision: ``"float32"`` or ``"bfloat16"`` for the model; what follows it is float32.
        device: where it is computed.
    """

    def __init__(
        self,
        model: Any,
        projection: Projection,
        times: tuple[np.ndarray, np.ndarray],
        normalize: bool,
        precision: str,
        device: str,
    ) -> None:
        self._frames = LayerFrames(model, projection.layer)
        if self._frames.mix is not None:
            self._frames.mix.data = torch.from_numpy(projection.mix)
        self._frames.eval().requires_grad_(False).to(device)
        self._half = precision == "bfloat16"
        dtype = torch.bfloat16 if self._half else torch.float32
        _on_one_thread_each(lambda network: _freeze(network, dtype), [self._frames])
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
        return np.concatenate(_on_one_thread_each(self._compute, np.split(waves, len(waves))))

    @torch.inference_mode()
    def _compute(self, waves: np.ndarray) -> np.ndarray:
        samples = model_input(torch.from_numpy(waves).to(self._device), self._normalize)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            frames = self._frames(samples)
        projected = nn.functional.linear(frames.float(), self._weight, self._bias)
        right = (self._left + 1).clamp(max=projected.shape[1] - 1)
        rows = torch.lerp(projected[:, self._left], projected[:, right], self._share[:, None])
        return rows.transpose(1, 2).to(torch.float16).contiguous().cpu().numpy()


def _on_one_thread_each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply ``function`` to items side by side, with one thread for the products of each."""
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        results = list(pool.map(function, items))
    torch.set_num_threads(threads)  # what threads that start from now on inherit
    return results


def _freeze(network: nn.Module, dtype: torch.dtype) -> None:
    """Compute once what a frozen network would compute at every call: normed and cast weights."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d)):
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight")
            module.to(dtype)

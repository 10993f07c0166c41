"""The network of the encoder feature: waves to the frames of some layers, pooled and projected."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.features.encoder_base import Kind
from asd.features.frozen import freeze
from asd.features.threads import on_one_thread_each


class LayerStates:
    """Hidden states of some layers of an encoder; those above are taken out of it.

    Layer 0 is the input of the transformer, layer n its output, with the normalisation that the
    encoder ends in.

    Args:
        body: the encoder.
        chosen: layers, each 0 to n.
        ends_in_layer: whether layer n is what the last layer itself gives.
    """

    def __init__(self, body: Any, chosen: Sequence[int], ends_in_layer: bool) -> None:
        owner = getattr(body, "encoder", body)
        total = len(owner.layers)
        owner.layers = owner.layers[: max(1, *chosen)]
        self._body = body
        self._chosen = chosen
        self._last = None if ends_in_layer else total
        # Clips are computed side by side: what a hook sees belongs to the thread it is called in.
        self._seen = threading.local()
        for layer in set(chosen) - {self._last}:
            if layer == 0:
                owner.layers[0].register_forward_pre_hook(self._see_input, with_kwargs=True)
            else:
                owner.layers[layer - 1].register_forward_hook(self._see_output(layer))

    def __call__(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Return the states (B, S, H) of the chosen layers."""
        self._seen.states = {}
        output = self._body(inputs)
        states = self._seen.states | {self._last: output.last_hidden_state}
        return [states[layer] for layer in self._chosen]

    def _see_input(self, _: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._seen.states[0] = arguments[0] if arguments else named["hidden_states"]

    def _see_output(self, layer: int) -> Any:
        def see(_: Any, __: Any, output: Any) -> None:
            self._seen.states[layer] = output[0] if isinstance(output, tuple) else output

        return see


class EncoderNetwork:
    """Computes rows (B, R, T) float16 of waves (B, L) int16; nothing in it learns.

    On a CPU each clip is computed by itself on one thread, and clips side by side.

    Args:
        kind: the kind of the encoder.
        model: the model, in evaluation mode.
        layers: the layers whose mean is taken.
        keep_bands: whether frequency bands stay apart; else their mean is taken.
        times: (T, J) float32, how frames in time come from those of the encoder; None for
            its own frames.
        projection: (R, bands * H) float32; None for all units.
        precision: ``"float32"`` or ``"bfloat16"`` for the encoder; what follows it is float32.
        device: where it is computed.
    """

    def __init__(
        self,
        kind: Kind,
        model: Any,
        layers: Sequence[int],
        keep_bands: bool,
        times: np.ndarray | None,
        projection: np.ndarray | None,
        precision: str,
        device: str,
    ) -> None:
        body = kind.body(model).eval().requires_grad_(False).to(device)
        self._states = LayerStates(body, layers, kind.ends_in_layer)
        self._half = precision == "bfloat16"
        dtype = torch.bfloat16 if self._half else torch.float32
        self._device = torch.device(device)
        fast = self._device.type == "cpu" and kind.has_fast_parts
        on_one_thread_each(lambda network: freeze(network, dtype, fast), [body])
        self._kind, self._keep_bands = kind, keep_bands
        self._times, self._projection = (
            None if matrix is None else torch.from_numpy(matrix).to(device)
            for matrix in (times, projection)
        )

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute rows (B, R, T) float16 of ``waves`` (B, L) int16."""
        if self._device.type != "cpu":
            return self._compute(waves)
        return np.concatenate(on_one_thread_each(self._compute, np.split(waves, len(waves))))

    @torch.inference_mode()
    def _compute(self, waves: np.ndarray) -> np.ndarray:
        frames = self._frames(torch.from_numpy(waves).to(self._device))
        frames = frames.flatten(2) if self._keep_bands else frames.mean(dim=2)
        if self._times is not None:
            frames = self._times @ frames
        if self._projection is not None:
            frames = nn.functional.linear(frames, self._projection)
        return frames.transpose(1, 2).to(torch.float16).contiguous().cpu().numpy()

    def _frames(self, waves: torch.Tensor) -> torch.Tensor:
        """Compute the frames (B, J, bands, H) of clips (B, L) of any length.

        A clip that is longer than the encoder hears at once is cut where frames begin, so that all
        frames lie on one grid.
        """
        anatomy = self._kind.anatomy
        grid, window = anatomy.grid, anatomy.window or waves.shape[1]
        found = []
        for first in range(0, grid.count(waves.shape[1]), grid.count(window)):
            piece = waves[:, first * grid.stride :][:, :window]
            found.append(self._piece(piece)[:, : grid.count(piece.shape[1])])
        return torch.cat(found, dim=1)

    def _piece(self, waves: torch.Tensor) -> torch.Tensor:
        inputs = self._kind.inputs(waves)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            states = self._states(inputs)
        return self._kind.frames(torch.stack([state.float() for state in states]).mean(dim=0))

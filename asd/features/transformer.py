"""Transformers: waves to the frames of hidden layers, and the frozen networks of the features."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from asd.features.frozen import freeze
from asd.features.products import is_native
from asd.features.projection import Projection
from asd.features.threads import on_one_thread_each
from asd.progress import note

if TYPE_CHECKING:
    from asd.features.encoder_kinds import Kind


def model_input(waves: torch.Tensor, normalize: bool) -> torch.Tensor:
    """Scale int16 ``waves`` (B, L) to float32 as the model's preprocessor does.

    Args:
        waves: clips, full scale 32768.
        normalize: bring each clip to mean 0 and variance 1; else to [-1, 1).
    """
    samples = waves.to(torch.float32) / 32768.0
    if not normalize:
        return samples
    mean = samples.mean(dim=1, keepdim=True)
    variance = samples.var(dim=1, unbiased=False, keepdim=True)
    return (samples - mean) / torch.sqrt(variance + 1e-7)


class LayerFrames(nn.Module):
    """Waves (B, L) to the frames (B, J, H) of a layer, or of a softmax-weighted mix of all layers.

    Layer 0 is the input of the transformer, layer n its output. Layers above the chosen one are
    taken out of the model, so they are neither computed nor trained, until :meth:`whole` puts them
    back.

    Args:
        model: the body of a model, from :func:`asd.features.wav2vec2.load_model`.
        layer: which layer; nothing for a mix of layers 0 to n.

    Attributes:
        mix: logits (n + 1,) of the weights of the layers; None where one layer is taken.
    """

    def __init__(self, model: Any, layer: int | None) -> None:
        super().__init__()
        self.model = model
        layers = model.encoder.layers
        # In a tuple, since a module that is an attribute would count as a part of this one.
        self._whole = (layers, model.encoder.layer_norm)
        self.mix = nn.Parameter(torch.zeros(len(layers) + 1)) if layer is None else None
        if layer is not None and layer < len(layers):
            model.encoder.layers = layers[:layer]
            # Encoders of this kind normalise after the last layer, the others before the first.
            if type(model.encoder).__name__.endswith("StableLayerNorm"):
                model.encoder.layer_norm = nn.Identity()

    def forward(self, waves: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Compute frames of ``waves`` (B, L), hiding those where ``mask`` (B, J) is true."""
        if self.mix is None:
            frames: torch.Tensor = self.model(waves, mask_time_indices=mask).last_hidden_state
            return frames
        weights = torch.softmax(self.mix, dim=0)
        states = all_layers(self.model, waves, mask)
        return sum((w * s for w, s in zip(weights, states, strict=True)), torch.zeros(()))

    def whole(self) -> Any:
        """Give the model back with all its layers."""
        self.model.encoder.layers, self.model.encoder.layer_norm = self._whole
        return self.model


def all_layers(
    model: Any, waves: torch.Tensor, mask: torch.Tensor | None = None
) -> list[torch.Tensor]:
    """Return the frames (B, J, H) of layers 0 to n of a whole model for ``waves`` (B, L)."""
    output = model(waves, mask_time_indices=mask, output_hidden_states=True)
    # The hooks of transformers see the last layer before its final normalisation.
    return [*output.hidden_states[:-1], output.last_hidden_state]


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

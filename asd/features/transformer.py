"""The input and the hidden layers of an encoder, for training and for what is frozen."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


def model_input(waves: Any, normalize: bool) -> Any:
    """Scale int16 ``waves`` (B, L) as wav2vec 2.0's preprocessor does.

    Args:
        waves: clips, full scale 32768; a tensor or an array, as what comes out.
        normalize: bring each clip to mean 0 and variance 1; else to [-1, 1).
    """
    samples = waves / 32768.0
    if not normalize:
        return samples
    centred = samples - samples.mean(axis=1, keepdims=True)
    return centred / ((centred**2).mean(axis=1, keepdims=True) + 1e-7) ** 0.5


class LayerFrames(nn.Module):
    """Inputs to the frames (B, S, H) of a layer, the mean of some, or a softmax mix of all.

    Layer 0 is the input of the transformer, layer n its output, with the normalisation that the
    encoder ends in. Layers above those chosen are taken out of the model, so they are neither
    computed nor trained, until :meth:`whole` puts them back.

    Args:
        model: the body of a model.
        layers: which layer or layers; nothing for a mix of layers 0 to n.
        ends_in_layer: whether layer n is what the last layer itself gives.

    Attributes:
        mix: logits (n + 1,) of the weights of the layers; None where layers are chosen.
    """

    def __init__(
        self, model: Any, layers: int | Sequence[int] | None, ends_in_layer: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        owner: Any = getattr(model, "encoder", model)
        # In a tuple, since a module that is an attribute would count as a part of this one.
        self._whole = owner, owner.layers
        total = len(owner.layers)
        self.mix = nn.Parameter(torch.zeros(total + 1)) if layers is None else None
        chosen = range(total + 1) if layers is None else layers
        self._chosen = (chosen,) if isinstance(chosen, int) else tuple(chosen)
        self._last = None if ends_in_layer else total
        self._seen = threading.local()  # clips may be computed side by side
        self._hooks = [
            owner.layers[0].register_forward_pre_hook(self._see_input, with_kwargs=True)
            if layer == 0
            else owner.layers[layer - 1].register_forward_hook(self._see_output(layer))
            for layer in set(self._chosen) - {self._last}
        ]
        owner.layers = owner.layers[: max(1, *self._chosen, 1)]

    def forward(self, inputs: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Compute frames of ``inputs``, hiding those where ``mask`` (B, S) is true."""
        states = self.states(inputs, mask)
        if self.mix is None:
            return states[0] if len(states) == 1 else torch.stack(states).mean(dim=0)
        weights = torch.softmax(self.mix, dim=0)
        return sum((w * s for w, s in zip(weights, states, strict=True)), torch.zeros(()))

    def states(self, inputs: torch.Tensor, mask: torch.Tensor | None = None) -> list[torch.Tensor]:
        """Return the frames (B, S, H) of each of the layers."""
        hidden = {} if mask is None else {"mask_time_indices": mask}
        self._seen.states = {}
        output = self.model(inputs, **hidden)
        states, self._seen.states = self._seen.states, {}
        states[self._last] = output.last_hidden_state
        return [states[layer] for layer in self._chosen]

    def whole(self) -> Any:
        """Give the model back with all its layers."""
        owner, layers = self._whole
        owner.layers = layers
        for hook in self._hooks:
            hook.remove()
        return self.model

    def _see_input(self, _: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._seen.states[0] = arguments[0] if arguments else named["hidden_states"]

    def _see_output(self, layer: int) -> Any:
        def see(_: Any, __: Any, output: Any) -> None:
            self._seen.states[layer] = output[0] if isinstance(output, tuple) else output

        return see


def all_layers(model: Any, waves: torch.Tensor) -> list[torch.Tensor]:
    """Return the frames (B, J, H) of layers 0 to n of a whole model for ``waves`` (B, L)."""
    frames = LayerFrames(model, None)
    try:
        return frames.states(waves)
    finally:
        frames.whole()

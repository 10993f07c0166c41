"""Frames of one hidden layer, or a mix of all, of a model of the wav2vec 2.0 family."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


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

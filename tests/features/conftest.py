"""Small checkpoints of the wav2vec 2.0 family for the tests of the pre-trained feature."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asd.features.projection import Head, Projection
from asd.native import import_torchaudio

LAYERS, HIDDEN, ROWS = 3, 24, 10
SMALL: dict[str, Any] = {
    "conv_dim": [12] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "num_codevectors_per_group": 8,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other are slow where tests run side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def small_model() -> Callable[..., Any]:
    """Return a function from a model type to a small model of the library with random weights."""
    import_torchaudio()
    from transformers import CONFIG_MAPPING, AutoModel, AutoModelForPreTraining

    def make(model_type: str = "wav2vec2", head: bool = False, **changes: Any) -> Any:
        if model_type == "data2vec-audio":  # it has several positional convolutions, all as wide
            changes = {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 3} | changes
        torch.manual_seed(0)
        kind = AutoModelForPreTraining if head else AutoModel
        model = kind.from_config(CONFIG_MAPPING[model_type](**SMALL | changes)).eval()
        with torch.no_grad():  # a fresh norm is the identity, which would hide that it is left out
            for name, weight in model.named_parameters():
                if "norm" in name:
                    weight.add_(0.3 * torch.randn_like(weight))
        return model

    return make


@pytest.fixture(scope="session")
def write_head() -> Callable[..., Head]:
    """Return a function that puts a random projection file into a checkpoint folder."""

    def write(folder: Path, layer: int | None = 2, seed: int = 0) -> Head:
        random = np.random.default_rng(seed)

        def draw(*shape: int) -> np.ndarray:
            return random.normal(size=shape).astype(np.float32)

        mix = draw(LAYERS + 1) if layer is None else None
        tuned = Projection(draw(ROWS, HIDDEN), draw(ROWS), layer, mix)
        head = Head(tuned, draw(LAYERS + 1, ROWS, HIDDEN), draw(LAYERS + 1, ROWS))
        head.write(folder / "asd_head.safetensors")
        return head

    return write

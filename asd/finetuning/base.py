"""The checkpoint that fine-tuning begins with: built in, in a local folder, or on the hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.errors import UsageError
from asd.features.checkpoint import CONFIG, WEIGHTS, files_digest, find_folder, weight_files
from asd.features.wav2vec2 import (
    Checkpoint,
    build_model,
    describe,
    load_model,
    read_weights,
    split_weights,
)

if TYPE_CHECKING:
    import torch

# wav2vec 2.0 with its own seven convolutions (stride 320, receptive field 400), made narrow.
_TINY: dict[str, Any] = {
    "model_type": "wav2vec2",
    "conv_dim": [64] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "num_conv_pos_embeddings": 32,
    "num_conv_pos_embedding_groups": 8,
    "attention_dropout": 0.0,
    "num_codevectors_per_group": 64,
    "codevector_dim": 64,
    "proj_codevector_dim": 64,
}
BUILTIN = {"builtin:tiny": _TINY}

_WAYS_OUT = (
    f"set finetune.base to builtin:tiny, or to a local folder that holds {CONFIG} and {WEIGHTS}"
)


def find_base(name: str, revision: str = "main", allow_pickle: bool = False) -> Checkpoint:
    """Find a checkpoint and read what it says of itself; weights from the hub are fetched.

    Args:
        name: ``"builtin:tiny"``, a local folder, or a name on the hub.
        revision: branch, tag or commit on the hub.
        allow_pickle: whether to fetch weights that exist as a pickle alone.

    Raises:
        UsageError: there is no such checkpoint, it is of another family, or it is on the hub and
            neither there nor in the local cache can it be reached.
    """
    if name in BUILTIN:
        return Checkpoint.of(Path(name), BUILTIN[name], front={})
    if name.startswith("builtin:"):
        raise UsageError(f"unknown base '{name}'; built in: {', '.join(BUILTIN)}")
    return describe(find_folder(name, revision, allow_pickle, _WAYS_OUT))


def base_digest(name: str, checkpoint: Checkpoint, seed: int) -> str:
    """Return the digest of what fine-tuning begins with."""
    if name in BUILTIN:
        text = json.dumps([checkpoint.config, seed], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
    return files_digest(checkpoint.folder, weight_files(checkpoint.folder))


def load_base(
    name: str, checkpoint: Checkpoint, seed: int, allow_pickle: bool = False
) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return the body of the model and the weights beside it.

    Raises:
        UsageError: the weights are missing, are an unwanted pickle, or do not fit.
    """
    if name in BUILTIN:
        return build_model(checkpoint.config, name, seed), {}
    weights = read_weights(checkpoint, allow_pickle)
    model = load_model(checkpoint, weights)
    return model, split_weights(model.base_model_prefix, weights)[1]

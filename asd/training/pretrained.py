"""The pre-trained body that fine-tuning begins with, and the principal components of its layers.

What it is can be said without torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asd.device import Compute
from asd.digest import sha256_bytes
from asd.errors import UsageError
from asd.features.checkpoint import (
    CONFIG,
    WEIGHTS,
    Checkpoint,
    build_model,
    check_weights,
    describe,
    files_digest,
    find_folder,
    load_model,
    read_tensors,
    weight_files,
)
from asd.features.kinds import FAMILY, TUNED, Kind
from asd.progress import progress
from asd.training.data import Recordings

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
BANK = "builtin:bank"
"""The tiny one with a filter bank for its convolutions; its contrastive loss does not fall."""
BUILTIN = {"builtin:tiny": _TINY, BANK: _TINY}

_WAYS_OUT = (
    f"set finetune.base to builtin:tiny, or to a local folder that holds {CONFIG} and {WEIGHTS}"
)


def find_base(name: str, revision: str = "main", allow_pickle: bool = False) -> Checkpoint:
    """Find a checkpoint and read what it says of itself; weights from the hub are fetched.

    Args:
        name: ``"builtin:tiny"``, ``"builtin:bank"``, a local folder, or a name on the hub.
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
    return describe(find_folder(name, revision, allow_pickle, _WAYS_OUT), _WAYS_OUT, TUNED)


def base_digest(name: str, checkpoint: Checkpoint, seed: int) -> str:
    """Return the digest of what fine-tuning begins with."""
    if name in BUILTIN:
        begin = [checkpoint.config, seed, *([name] if name == BANK else [])]
        return sha256_bytes(json.dumps(begin, sort_keys=True).encode())
    return files_digest(checkpoint.folder, weight_files(checkpoint.folder))


def load_base(
    name: str, checkpoint: Checkpoint, seed: int, allow_pickle: bool = False
) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return the body of the model and the weights beside it.

    Raises:
        UsageError: the weights are missing, are an unwanted pickle, or do not fit.
    """
    if name in BUILTIN:
        from asd.training.filterbank import set_filterbank

        model = build_model(checkpoint.config, name, seed)
        if name == BANK:
            set_filterbank([layer.conv for layer in model.feature_extractor.conv_layers])
        return model, {}
    folder = checkpoint.folder
    check_weights(folder, allow_pickle, "finetune.allow_pickle")
    if checkpoint.config["model_type"] not in FAMILY:
        return checkpoint.kind.model(folder), {}
    model, beside = load_model(folder)
    return model, read_tensors(folder, beside)


def fit_components(
    model: Any, recordings: Recordings, rows: int, clips: int, kind: Kind, compute: Compute
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the principal components of layers 0 to n over the frames of training clips.

    All components of a layer share one scale, chosen so that their variances add up to their
    number; among themselves they keep their proportions. Each points where its largest coefficient
    is positive. Where a layer is narrower than ``rows``, the rows beyond it are zero.

    Args:
        model: the whole body of a model.
        recordings: the training clips.
        rows: components, F.
        clips: how many clips are used at most, taken evenly from all.
        kind: of the model.
        compute: where it is computed.

    Returns:
        Weights (n + 1, F, H) and biases (n + 1, F) float32: ``weight[k] @ frame + bias[k]``.
    """
    import torch

    from asd.features.transformer import all_layers

    count = len(recordings.clips)
    chosen = np.unique(np.linspace(0, count - 1, min(clips, count)).round().astype(int))
    frames, sums, squares = 0, 0.0, 0.0
    model.eval()
    with progress(len(chosen), "principal components") as advance, torch.inference_mode():
        for number in chosen:
            waves = recordings.read(int(number))[None, : kind.window]
            batch = torch.from_numpy(kind.learned_from(waves)).to(compute.device)
            with compute.autocast():
                states = all_layers(model, kind.on_device(batch))
            states = [kind.over_bands(state, waves.shape[1]) for state in states]
            layers = torch.stack([s[0] for s in states]).cpu().double().numpy()  # (n + 1, J, H)
            frames += layers.shape[1]
            sums = sums + layers.sum(axis=1)
            squares = squares + layers.transpose(0, 2, 1) @ layers
            advance(1)
    means = np.asarray(sums) / frames
    covariances = np.asarray(squares) / frames - means[:, :, None] * means[:, None, :]
    weights = np.stack([_components(covariance, rows) for covariance in covariances])
    biases = -np.einsum("kfh,kh->kf", weights, means)
    return weights.astype(np.float32), biases.astype(np.float32)


def _components(covariance: np.ndarray, rows: int) -> np.ndarray:
    """Return scaled principal components (rows, H) of a covariance (H, H)."""
    variances, vectors = np.linalg.eigh(covariance)
    kept = min(rows, len(variances))
    vectors, variances = vectors[:, ::-1][:, :kept], variances[::-1][:kept]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)[0]
    scale = np.sqrt(kept / max(float(variances.clip(min=0).sum()), 1e-12))
    weight = np.zeros((rows, covariance.shape[0]))
    weight[:kept] = (vectors * np.sign(largest)).T * scale
    return weight

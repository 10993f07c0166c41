"""Principal components of every hidden layer, fitted on training clips."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from asd.device import Compute
from asd.features.transformer import all_layers, model_input
from asd.finetuning.batches import Recordings
from asd.progress import progress


def fit_components(
    model: Any, recordings: Recordings, rows: int, clips: int, normalize: bool, compute: Compute
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
        normalize: whether each clip is brought to mean 0 and variance 1.
        compute: where it is computed.

    Returns:
        Weights (n + 1, F, H) and biases (n + 1, F) float32: ``weight[k] @ frame + bias[k]``.
    """
    count = len(recordings.clips)
    chosen = np.unique(np.linspace(0, count - 1, min(clips, count)).round().astype(int))
    frames, sums, squares = 0, 0.0, 0.0
    model.eval()
    with progress(len(chosen), "principal components") as advance, torch.inference_mode():
        for number in chosen:
            waves = torch.from_numpy(recordings.read(int(number))[None]).to(compute.device)
            with compute.autocast():
                states = all_layers(model, model_input(waves, normalize))
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

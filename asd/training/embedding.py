"""What a trained model gives for the clips of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from asd.clip_table import ClipTable
from asd.config import EmbedConfig
from asd.device import Compute, choose_compute
from asd.errors import JobError
from asd.progress import progress
from asd.store import FeatureStore
from asd.training.artifact import ModelRequest, Trained
from asd.training.data import StoredClips, ahead, unlearned
from asd.training.labels import names_of, numbered
from asd.training.pseudo import attributes_of


@dataclass(frozen=True)
class Outputs:
    """The outputs for the N clips of one split, by section and then by name.

    Attributes:
        clips: which they are.
        classes: (N,) int32 the primary class of each training clip, -1 for test clips and where
            the model has no classes.
        arrays: what the network names, float32: ``embedding`` (N, D) and ``logits`` (N, C) or
            (N, W, C), or ``error`` (N,); of training clips also ``held_out`` (N,), 1 for those
            that the model has not learned from, if there are any.
        inputs: identities of the shards that were read, by feature and section.
    """

    clips: ClipTable
    classes: np.ndarray
    arrays: Mapping[str, np.ndarray]
    inputs: Mapping[str, Mapping[str, str]]


def embed(
    store: FeatureStore, machine: str, model: Trained, split: str, config: EmbedConfig
) -> Outputs:
    """Run a trained model over a machine's clips.

    The batch size is fixed and the last batch is padded, so that a clip's outputs do not depend on
    which other clips there are.

    Raises:
        UsageError: a feature is not in the store.
        JobError: the training clips are not the ones that the model was trained on.
    """
    compute = choose_compute(config.device, config.precision, "embed")
    request = model.request
    clips = StoredClips(store, machine, request.features, split)
    if split == "train" and clips.identities != request.inputs_of(machine):
        raise JobError(f"{machine}: the store changed since training; run 'asd train' again")
    if split == "train" and request.classes:
        classes = _classes(clips, request, store)
    else:
        classes = np.full(len(clips), -1, np.int32)
    arrays = _forward(model, clips, compute, config.batch_size)
    share = request.train.get("held_out", 0.0)
    if split == "train" and share:
        arrays["held_out"] = unlearned(clips, classes, share).astype(np.float32)
    return Outputs(clips.table, classes, arrays, clips.identities)


def outputs_of(
    network: torch.nn.Module, inputs: Mapping[str, torch.Tensor], compute: Compute
) -> dict[str, np.ndarray]:
    """Return the named outputs (B, ...) float32 of one batch; what is None is left out."""
    with torch.inference_mode(), compute.autocast():
        output = network({name: values.to(compute.device) for name, values in inputs.items()})
    return {
        name: values.float().cpu().numpy()
        for name, values in output._asdict().items()
        if values is not None
    }


def _classes(clips: StoredClips, request: ModelRequest, store: FeatureStore) -> np.ndarray:
    """Return the primary class (N,) of each training clip of a machine."""
    attributes = attributes_of(clips, store, request.pseudo)
    columns = clips.table.section, clips.table.domain, attributes
    parts = request.model["classes"]
    return numbered(names_of(request.task, *columns, clips.machines, parts), request.classes)


def _forward(
    model: Trained, clips: StoredClips, compute: Compute, size: int
) -> dict[str, np.ndarray]:
    network = model.network.to(compute.device).eval()
    # Rows that fill up the last batch repeat its first clip.
    blocks = [np.arange(start, start + size) for start in range(0, len(clips), size)]
    found: dict[str, list[np.ndarray]] = {}
    with progress(len(clips), f"{clips.machine} {clips.split}") as advance:
        for rows, inputs in ahead(
            (rows, clips.batch(np.where(rows < len(clips), rows, rows[0]))) for rows in blocks
        ):
            kept = int((rows < len(clips)).sum())
            for name, values in outputs_of(network, inputs, compute).items():
                found.setdefault(name, []).append(values[:kept])
            advance(kept)
    return {name: np.concatenate(parts) for name, parts in found.items()}

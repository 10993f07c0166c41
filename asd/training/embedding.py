"""What a trained model gives for the clips of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from asd.config import CLASS_PARTS, EmbedConfig
from asd.device import Compute, choose_compute
from asd.errors import JobError
from asd.progress import progress
from asd.store import FeatureStore
from asd.training.artifact import Trained
from asd.training.data import StoredClips, ahead, unlearned
from asd.training.labels import joint_names, label, numbered


@dataclass(frozen=True)
class Outputs:
    """The outputs for the N clips of one split, by section and then by name.

    Attributes:
        columns: ``name section domain label attributes content``, (N,) each.
        classes: (N,) int32 the primary class of each training clip, -1 for test clips and where
            the model has no classes.
        arrays: what the network names, float32: ``embedding`` (N, D) and ``logits`` (N, C) or
            (N, W, C), or ``error`` (N,); of training clips also ``held_out`` (N,), 1 for those
            that the model has not learned from, if there are any.
        inputs: identities of the shards that were read, by feature and section.
    """

    columns: Mapping[str, list[str]]
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
    request = model.record["request"]
    clips = StoredClips(store, machine, request["model"]["features"], split)
    if split == "train" and clips.identities != _inputs(request, machine):
        raise JobError(f"{machine}: the store changed since training; run 'asd train' again")
    if split == "train" and request["classes"]:
        classes = _classes(clips, request)
    else:
        classes = np.full(len(clips), -1, np.int32)
    columns = {
        name: clips.column(name) for name in ("name", "domain", "label", "attributes", "content")
    }
    arrays = _forward(model, clips, compute, config.batch_size)
    share = request["train"].get("held_out", 0.0)
    if split == "train" and share:
        arrays["held_out"] = unlearned(clips, classes, share).astype(np.float32)
    return Outputs({**columns, "section": clips.sections}, classes, arrays, clips.identities)


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


def _inputs(request: Mapping[str, Any], machine: str) -> dict[str, dict[str, str]]:
    """Return the identities of the shards of a machine that a model was trained on."""
    if "machines" not in request:
        return dict(request["inputs"])
    prefix = f"{machine}/"
    return {
        feature: {
            section.removeprefix(prefix): identity
            for section, identity in of.items()
            if section.startswith(prefix)
        }
        for feature, of in request["inputs"].items()
    }


def _classes(clips: StoredClips, request: Mapping[str, Any]) -> np.ndarray:
    """Return the primary class (N,) of each training clip of a machine."""
    columns = clips.sections, clips.column("domain"), clips.column("attributes")
    if request["task"] == "joint":
        parts = request["model"].get("classes", CLASS_PARTS)
        return numbered(joint_names(clips.machines, *columns, parts), request["classes"])
    return label(*columns).primary


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

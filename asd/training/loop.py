"""Training one model of one machine from the store (paper sections II and III)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.config import ModelConfig, TrainConfig
from asd.device import Compute, choose_compute
from asd.errors import JobError, UsageError
from asd.progress import progress
from asd.store import FeatureStore
from asd.store.digest import sha256_json
from asd.training.artifact import build_network, is_current, write_model
from asd.training.data import StoredClips, ahead, statistics
from asd.training.labels import Labels, label
from asd.training.losses import total_loss
from asd.training.sampler import balanced_batches
from asd.training.state import load_state, save_state
from asd.training.transforms import TRANSFORMS, transformed

# Raised whenever the same request would give other weights.
VERSION = 1
_SECONDS_BETWEEN_STATES = 20.0


@dataclass(frozen=True)
class Training:
    """What a training did.

    Attributes:
        machine, model: what was trained.
        task: what its primary classes are.
        classes, attribute_classes, clips: how many there are.
        epochs: epochs computed now; 0 where the model was there already.
        resumed: epochs taken over from an interrupted run.
        seconds: wall time.
    """

    machine: str
    model: str
    task: str
    classes: int
    attribute_classes: int
    clips: int
    epochs: int
    resumed: int
    seconds: float


@dataclass(frozen=True)
class _Batch:
    inputs: dict[str, torch.Tensor]
    classes: torch.Tensor
    attributes: torch.Tensor


def train(
    store: FeatureStore,
    machine: str,
    name: str,
    model: ModelConfig,
    config: TrainConfig,
    folder: Path,
    state: Path,
) -> Training:
    """Train a model from cached features of training clips; test clips are never opened.

    A model that is there already for the same request is kept. An interrupted training goes on
    from its last state and ends in the same bytes.

    Args:
        store: the feature store.
        machine: the machine type.
        name: the model's name.
        model: its features, network and losses.
        config: how it is trained.
        folder: where the model goes.
        state: where the state of an unfinished training is kept.

    Raises:
        UsageError: a feature is not in the store, or there is nothing to train on.
        JobError: training diverged, or the store is damaged.
    """
    started = time.monotonic()
    compute = choose_compute(config.device, config.precision, "train")
    clips = StoredClips(store, machine, model.features, "train")
    labels = label(clips.sections, clips.column("domain"), clips.column("attributes"))
    request = _request(clips, labels, model, config, compute)
    epochs = resumed = 0
    if not is_current(folder, request):
        if len(clips) < 2:
            raise UsageError(f"{machine}: {len(clips)} training clip, too few to train on")
        resumed, history, network = _run(clips, labels, request, model, config, compute, state)
        epochs = config.epochs - resumed
        write_model(folder, network, request, history)
        state.unlink(missing_ok=True)
    return Training(
        machine=machine,
        model=name,
        task=labels.task,
        classes=len(labels.classes),
        attribute_classes=len(request["attribute_classes"]) if request["attribute_head"] else 0,
        clips=len(clips),
        epochs=epochs,
        resumed=resumed,
        seconds=time.monotonic() - started,
    )


def _request(
    clips: StoredClips,
    labels: Labels,
    model: ModelConfig,
    config: TrainConfig,
    compute: Compute,
) -> dict[str, Any]:
    """Return everything that decides the weights."""
    settings = config.model_dump(mode="json", exclude={"device", "precision"})
    return {
        "version": VERSION,
        "machine": clips.machine,
        "model": model.model_dump(mode="json"),
        "train": settings | compute.describe(),
        "inputs": clips.identities,
        "shapes": {name: list(shape) for name, shape in clips.shapes.items()},
        "task": labels.task,
        "classes": list(labels.classes),
        "attribute_classes": list(labels.attribute_classes),
        "attribute_head": model.losses.auxiliary > 0 and len(labels.attribute_classes) > 1,
    }


def _run(
    clips: StoredClips,
    labels: Labels,
    request: dict[str, Any],
    model: ModelConfig,
    config: TrainConfig,
    compute: Compute,
    state: Path,
) -> tuple[int, list[dict[str, Any]], nn.Module]:
    """Train, and return the epochs that were there already, the history and the network."""
    torch.manual_seed(config.seed)
    network = build_network(request)
    for name, (mean, deviation) in statistics(clips).items():
        network.standardise(name, mean, deviation)  # type: ignore[operator]
    network.to(compute.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    identity = sha256_json(request)
    history = load_state(state, identity, network, optimizer)
    resumed = len(history)
    saved = time.monotonic()
    with progress(config.epochs, f"{clips.machine} {'+'.join(model.features)}", "epoch") as advance:
        advance(resumed)
        for epoch in range(resumed, config.epochs):
            batches = _batches(clips, labels, config, epoch)
            row = _epoch(network, optimizer, batches, model, compute)
            if not np.isfinite(row["loss"]):
                raise JobError(
                    f"{clips.machine}: the loss is not finite in epoch {epoch + 1};"
                    f" lower train.learning_rate ({config.learning_rate})"
                )
            history.append({"epoch": epoch + 1, **row})
            advance(1, loss=f"{row['loss']:.3f}")
            if time.monotonic() - saved > _SECONDS_BETWEEN_STATES:
                save_state(state, identity, network, optimizer, history)
                saved = time.monotonic()
    return resumed, history, network


def _batches(
    clips: StoredClips, labels: Labels, config: TrainConfig, epoch: int
) -> Iterator[_Batch]:
    """Yield the batches of one epoch, read ahead of the training."""
    if labels.task == "transformations":
        classes = np.repeat(np.arange(len(TRANSFORMS)), len(clips))
    else:
        classes = labels.primary

    def read() -> Iterator[_Batch]:
        per_batch, per_class = config.classes_per_batch, config.clips_per_class
        for drawn in balanced_batches(classes, per_batch, per_class, config.seed, epoch):
            rows = drawn % len(clips)
            inputs = clips.batch(rows)
            if labels.task == "transformations":
                inputs = transformed(inputs, classes[drawn])
            yield _Batch(
                inputs,
                torch.from_numpy(classes[drawn].astype(np.int64)),
                torch.from_numpy(labels.attribute[rows].astype(np.int64)),
            )

    return ahead(read())


def _epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[_Batch],
    model: ModelConfig,
    compute: Compute,
) -> dict[str, float]:
    """Go through one epoch and return its means."""
    network.train()
    sums: dict[str, float] = {}
    count = 0
    for batch in batches:
        inputs = {name: values.to(compute.device) for name, values in batch.inputs.items()}
        classes = batch.classes.to(compute.device)
        with compute.autocast():
            output = network(inputs)
        embedding, logits = output.embedding.float(), output.logits.float()
        attribute = output.attribute_logits
        losses = total_loss(
            model.losses,
            embedding,
            logits,
            classes,
            None if attribute is None else attribute.float(),
            batch.attributes.to(compute.device),
        )
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seen = {
            "loss": losses.total,
            "cross_entropy": losses.cross_entropy,
            "triplet": losses.triplet,
            "auxiliary": losses.auxiliary,
            "accuracy": (logits.argmax(dim=1) == classes).float().mean(),
            "active_triplets": losses.active_triplets,
            "embedding_norm": embedding.norm(dim=1).mean(),
        }
        for key, value in seen.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        count += 1
    return {key: round(value / count, 6) for key, value in sums.items()}

"""Training a model of one machine, or of all, from the store (paper sections II and III)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.artifact import is_current
from asd.config import ModelConfig, TrainConfig, settings
from asd.device import Compute, choose_compute
from asd.errors import UsageError
from asd.models import NETWORKS
from asd.models.heads import HEADS, is_linear
from asd.store import FeatureStore
from asd.training.artifact import ModelRequest, build_network, write_model
from asd.training.data import StoredClips, statistics, unlearned
from asd.training.labels import label
from asd.training.loop import Course, State, go_through
from asd.training.objectives import OBJECTIVES, ModelObjective

# Raised whenever the same request would give other weights.
VERSION = 2
# Keeps what a network draws itself apart from the order of the examples, which has the same seed.
_DRAWS = 3


@dataclass(frozen=True)
class Training:
    """What a training did.

    Attributes:
        machine, model: what was trained; the machine is ``"all"`` for a joint model.
        task: what its primary classes are; ``"reconstruction"`` where it has none.
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
class Plan:
    """A training that can be done.

    Attributes:
        objective: what is minimised, over the clips that are learned from.
        request: everything that decides the weights.
        compute: where it is computed.
        clips: how many training clips there are, those that are held out among them.
    """

    objective: ModelObjective
    request: ModelRequest
    compute: Compute
    clips: int


def make_plan(
    store: FeatureStore,
    machine: str | Sequence[str],
    name: str,
    model: ModelConfig,
    config: TrainConfig,
) -> Plan:
    """Say what a training would do; nothing but the tables of the store is read.

    Args:
        store: the feature store.
        machine: the machine type, or several for one network over all of them.
        name: the model's name.
        model: its features, network and losses, and the settings of its training that differ.
        config: the settings of training that all models share.

    Raises:
        UsageError: a feature is not in the store, or not what the network reads.
        JobError: the store is damaged.
    """
    config = settings(TrainConfig, config.model_dump() | model.train, f"models.{name}.train")
    compute = choose_compute(config.device, config.precision, "train")
    clips = StoredClips(store, machine, model.features, "train")
    machines = clips.machines if clips.joint else None
    columns = clips.table.section, clips.table.domain, clips.table.attributes
    labels = label(*columns, machines, model.classes)
    kind = NETWORKS[model.network].kind
    learned = np.flatnonzero(~unlearned(clips, labels.primary, config.held_out))
    objective = OBJECTIVES[kind](clips.only(learned), labels.of(learned), model, config)
    return Plan(objective, _request(objective, compute), compute, len(clips))


def train(plan: Plan, name: str, path: Path, state: Path) -> Training:
    """Train a model from cached features of training clips; test clips are never opened.

    A model that is there already for the same request is kept. An interrupted training goes on
    from its last state and ends in the same bytes.

    Args:
        plan: what is to be done.
        name: the model's name.
        path: the record of the model, beside which its files go.
        state: where the state of an unfinished training is kept.

    Raises:
        UsageError: there is nothing to train on.
        JobError: training diverged, or the model cannot be written.
    """
    started = time.monotonic()
    objective, request = plan.objective, plan.request
    epochs = resumed = 0
    if not is_current(path, request):
        if len(objective.clips) < 2:
            count = f"{plan.clips} training clip" + ("" if plan.clips == 1 else "s")
            raise UsageError(f"{request.machine}: {count}, too few to train on")
        if objective.learns:
            resumed, history, network = _run(objective, request, plan.compute, state)
            epochs = objective.config.epochs - resumed
        else:
            history, network = [], build_network(request)
        write_model(path, network, request, history)
        state.unlink(missing_ok=True)
    return Training(
        machine=request.machine,
        model=name,
        task=request.task,
        classes=len(request.classes),
        attribute_classes=len(request.attribute_classes) if request.attribute_head else 0,
        clips=len(objective.clips),
        epochs=epochs,
        resumed=resumed,
        seconds=time.monotonic() - started,
    )


def _request(objective: ModelObjective, compute: Compute) -> ModelRequest:
    """Return everything that decides the weights."""
    clips, model, config = objective.clips, objective.model, objective.config
    read = {"epochs", "learning_rate", "seed", "held_out", *objective.reads}
    decisive = config.model_dump(mode="json", include=read) | compute.describe()
    definition = model.model_dump(mode="json", exclude={"train"})
    if is_linear(model.head):
        definition["head"] = {}  # in words or not, it is the same head
    return ModelRequest(
        version=VERSION,
        machine=clips.machine,
        machines=tuple(dict.fromkeys(clips.machines)) if clips.joint else (),
        model=definition,
        train=decisive if objective.learns else {},
        inputs=clips.identities,
        shapes=clips.shapes,
        recipes=clips.recipes,
        plugins=_plugins(model),
        **objective.facts,
    )


def _plugins(model: ModelConfig) -> dict[str, str]:
    """Return whose the parts of a model are that are not of this package, by name."""
    parts = {model.network: NETWORKS.origin(model.network)}
    if "kind" in model.head:
        parts[model.head["kind"]] = HEADS.origin(model.head["kind"])
    return {name: origin for name, origin in parts.items() if origin}


def _run(
    objective: ModelObjective, request: ModelRequest, compute: Compute, path: Path
) -> tuple[int, list[dict[str, Any]], nn.Module]:
    """Train, and return the epochs that were there already, the history and the network."""
    clips, config = objective.clips, objective.config
    torch.manual_seed(config.seed)
    network = build_network(request)
    for name, (mean, deviation) in statistics(clips).items():
        network.standardise(name, mean, deviation)  # type: ignore[operator]
    network.to(compute.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    course = Course(
        what=f"{clips.machine} {'+'.join(objective.model.features)}",
        section="train",
        unit="epoch",
        rounds=config.epochs,
        seed=(config.seed, _DRAWS),
    )
    state = State(path, request.digest)
    resumed = len(state.history)
    tensors = network.state_dict(keep_vars=True)
    go_through(objective, network, tensors, optimizer, course, state, compute)
    return resumed, state.history, network

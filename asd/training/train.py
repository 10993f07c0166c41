"""Training a model of one machine, or of all, from the store (paper sections II and III)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asd.artifact import claimed
from asd.clips.names import NOISE, SUPPLEMENTAL
from asd.config import ModelConfig, TrainConfig, settings
from asd.device import Compute, choose_compute
from asd.errors import UsageError
from asd.models import HEADS, NETWORKS, is_linear
from asd.store import FeatureStore
from asd.training.aims import Aim, aim_of
from asd.training.artifact import ModelRequest, build_network, write_model
from asd.training.data import StoredClips, statistics, unlearned
from asd.training.labels import Labels, label
from asd.training.pseudo import attributes_of
from asd.training.pseudo import inputs as clustered

if TYPE_CHECKING:
    from torch import nn

    from asd.training.objectives import ModelObjective

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
    """A training that can be done; nothing of it needs torch but the objective.

    Attributes:
        aim: what the network is trained for.
        learned: the clips that are learned from.
        labels: their classes.
        model: the model's features, network and losses.
        config: how it is trained.
        noise: clips of noise alone that a classifier mixes in, if there are any.
        supplement: how many supplemental clips are learned from or mixed in.
        request: everything that decides the weights.
        compute: where it is computed.
        clips: how many training clips there are, those that are held out among them.
    """

    aim: Aim
    learned: StoredClips
    labels: Labels
    model: ModelConfig
    config: TrainConfig
    noise: StoredClips | None
    supplement: int
    request: ModelRequest
    compute: Compute
    clips: int

    @cached_property
    def objective(self) -> ModelObjective:
        """What is minimised, over the clips that are learned from."""
        from asd.training import objectives

        kind = getattr(objectives, self.aim.objective)
        return kind(self.learned, self.labels, self.model, self.config, self.noise)


def make_plan(
    store: FeatureStore,
    machine: str | Sequence[str],
    name: str,
    model: ModelConfig,
    config: TrainConfig,
) -> Plan:
    """Say what a training would do; but for pseudo-labels, only tables of the store are read.

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
    aim = aim_of(model.network)
    given = _supplement(store, machine, model) if aim.objective else None
    whole, columns = _columns(clips, attributes_of(clips, store, model.pseudo), given, model)
    labels = label(*columns, whole.machines if clips.joint else None, model.classes)
    own = ~unlearned(clips, labels.primary[: len(clips)], config.held_out)
    rows = np.flatnonzero(np.append(own, np.ones(len(whole) - len(clips), bool)))
    learned, labels = whole.only(rows), labels.of(rows)
    noise = None if given is None or "mix" not in model.supplemental else _of_label(given, NOISE)
    supplement = len(whole) - len(clips) + (len(noise) if noise is not None else 0)
    # The precision as asked for: "auto" is no other model where another processor makes it.
    read = {"epochs", "learning_rate", "seed", "held_out", "precision", *aim.reads}
    read |= {"noise_share", "noise_snr_db"} if noise is not None else set()
    decisive = config.model_dump(mode="json", include=read)
    further = {"pseudo": clustered(store, machine, model.pseudo)} if model.pseudo else {}
    further |= {"supplemental": given.identities} if given is not None else {}
    request = ModelRequest(
        version=VERSION,
        machine=clips.machine,
        machines=tuple(dict.fromkeys(learned.machines)) if clips.joint else (),
        model=_definition(model),
        train=decisive if aim.objective else {},
        inputs=clips.identities,
        further=further,
        shapes=clips.shapes,
        recipes=clips.recipes,
        lengths=clips.lengths if clips.joint else {},
        plugins=_plugins(model),
        **aim.facts(labels, model),
    )
    return Plan(
        aim, learned, labels, model, config, noise, supplement, request, compute, len(clips)
    )


def _supplement(
    store: FeatureStore, machine: str | Sequence[str], model: ModelConfig
) -> StoredClips | None:
    """Return the supplemental clips that a model asks for, if there are any."""
    asked = [machine] if isinstance(machine, str) else machine
    having = [one for one in asked if store.paths(one, model.features[0], SUPPLEMENTAL)]
    if not model.supplemental or not having:
        return None
    return StoredClips(
        store, machine if isinstance(machine, str) else having, model.features, SUPPLEMENTAL
    )


def _of_label(clips: StoredClips, label: str) -> StoredClips | None:
    rows = np.flatnonzero(np.array(clips.table.label) == label)
    return clips.only(rows) if len(rows) else None


def _columns(
    clips: StoredClips, attributes: Sequence[str], given: StoredClips | None, model: ModelConfig
) -> tuple[StoredClips, tuple[list[str], list[str], list[str]]]:
    """Return all clips that are learned from, with their sections, domains and attributes (N,)."""
    sections, domains = list(clips.table.section), list(clips.table.domain)
    attributes, whole = list(attributes), clips
    # Where sections are told apart, or what no attribute is of, the class of its own is a section.
    by_section = len(set(sections)) > 1 if not clips.joint else "attributes" not in model.classes
    if given is None:
        return whole, (sections, domains, attributes)
    taken = (np.array(given.table.label) != NOISE) & ("clips" in model.supplemental)
    for use, rows in (("clips", taken), ("class", ~taken)):
        if use not in model.supplemental:
            continue
        more, is_own = given.only(np.flatnonzero(rows)), use == "class"
        whole = whole.joined(more)
        sections += [SUPPLEMENTAL if is_own and by_section else s for s in more.table.section]
        domains += ["" if is_own else domain for domain in more.table.domain]
        attributes += [SUPPLEMENTAL if is_own else one for one in more.table.attributes]
    return whole, (sections, domains, attributes)


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
    request = plan.request
    epochs = resumed = 0
    with claimed(path, request) as wanted:
        if wanted:
            if len(plan.learned) < 2:
                count = f"{plan.clips} training clip" + ("" if plan.clips == 1 else "s")
                raise UsageError(f"{request.machine}: {count}, too few to train on")
            if plan.aim.objective:
                resumed, history, network = _run(plan, state)
                epochs = plan.config.epochs - resumed
            else:
                history, network = [], build_network(request)
            computed = plan.compute.describe() if plan.aim.objective else {}
            write_model(path, network, request, history, computed)
            state.unlink(missing_ok=True)
    return Training(
        machine=request.machine,
        model=name,
        task=request.task,
        classes=len(request.classes),
        attribute_classes=len(request.attribute_classes) if request.attribute_head else 0,
        clips=len(plan.learned),
        epochs=epochs,
        resumed=resumed,
        seconds=time.monotonic() - started,
    )


def _definition(model: ModelConfig) -> dict[str, Any]:
    """Return what a model is, as its request says it."""
    definition = model.model_dump(mode="json", exclude={"train"})
    for unused in [key for key in ("pseudo", "supplemental") if not definition[key]]:
        del definition[unused]
    if is_linear(model.head):
        definition["head"] = {}  # in words or not, it is the same head
    return definition


def _plugins(model: ModelConfig) -> dict[str, str]:
    """Return whose the parts of a model are that are not of this package, by name."""
    parts = {model.network: NETWORKS.origin(model.network)}
    if "kind" in model.head:
        parts[model.head["kind"]] = HEADS.origin(model.head["kind"])
    return {name: origin for name, origin in parts.items() if origin}


def _run(plan: Plan, path: Path) -> tuple[int, list[dict[str, Any]], nn.Module]:
    """Train, and return the epochs that were there already, the history and the network."""
    import torch

    from asd.training.loop import Course, State, go_through, identity

    clips, config, request = plan.learned, plan.config, plan.request
    torch.manual_seed(config.seed)
    network = build_network(request)
    for name, (mean, deviation) in statistics(clips).items():
        network.standardise(name, mean, deviation)  # type: ignore[operator]
    network.to(plan.compute.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    course = Course(
        what=f"{clips.machine} {'+'.join(plan.model.features)}",
        section="train",
        unit="epoch",
        rounds=config.epochs,
        seed=(config.seed, _DRAWS),
    )
    state = State(path, identity(request, plan.compute))
    resumed = len(state.history)
    tensors = network.state_dict(keep_vars=True)
    go_through(plan.objective, network, tensors, optimizer, course, state, plan.compute)
    return resumed, state.history, network

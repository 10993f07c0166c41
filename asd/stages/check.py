"""Whether every name in the params is that of something, before a stage computes anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.errors import AsdError, UsageError, unknown_name
from asd.params import Params, load_params, unresolved
from asd.registry import Registry
from asd.workspace import PARAMS, Workspace


@dataclass(frozen=True)
class Checked:
    """How many of each were looked at, and nothing is wrong with."""

    machines: int
    features: int
    models: int
    systems: int


def check(workspace: Workspace) -> None:
    """Look up the names of components; nothing heavy is imported for it.

    Raises:
        UsageError: names that are of nothing, a line for each with the nearest one that is.
    """
    _raise(_strange_components(workspace.params))


def run(workspace: Workspace) -> Checked:
    """Look up every name, and check every setting, as far as it can be done without data.

    Raises:
        UsageError: names that are of nothing, or impossible settings; a line for each.
    """
    params = load_params(workspace.root / PARAMS, resolve=False)
    _raise(
        [
            *unresolved(params),
            *_strange_components(params),
            *_strange_machines(params, workspace.root / params.dataset.raw),
            *_settings(params),
        ]
    )
    return Checked(
        len(params.dataset.machines),
        len(params.features),
        len(params.every_model),
        len(params.every_system),
    )


def _raise(faults: Iterable[str]) -> None:
    lines = [f"{PARAMS}: {fault}" for fault in dict.fromkeys(faults)]
    if lines:
        raise UsageError("\n".join(lines))


def _strange_components(params: Params) -> Iterator[str]:
    for place, registry, name in _components(params):
        if name not in registry:
            yield f"{place}: {unknown_name(registry.kind, name, registry)}"


def _components(params: Params) -> Iterator[tuple[str, Registry[Any], str]]:
    """Yield each place that names a component, with the registry it is of and the name."""
    from asd.features import EXTRACTORS
    from asd.models import NETWORKS
    from asd.scoring import SCORERS
    from asd.scoring.selection import CRITERIA
    from asd.scoring.thresholds import THRESHOLDS
    from asd.synth import MACHINES

    for machine in params.synth.machines:
        yield "synth.machines", MACHINES, machine
    for name, values in params.features.items():
        yield f"features.{name}.extractor", EXTRACTORS, str(values.get("extractor", name))
    for name, values in params.networks.items():
        yield f"networks.{name}.network", NETWORKS, str(values.get("network", name))
    for name, model in params.every_model.items():
        section = "joint" if name in params.joint else "models"
        if model.network not in params.networks:
            yield f"{section}.{name}.network", NETWORKS, model.network
        if "kind" in model.head:  # only then: heads bring torch
            from asd.models.heads import HEADS

            yield f"{section}.{name}.head.kind", HEADS, str(model.head["kind"])
    for name, system in params.systems.items():
        yield f"systems.{name}.scorer", SCORERS, system.scorer
    for name, scorer in params.select.scorers.items():
        yield f"select.scorers.{name}.scorer", SCORERS, scorer.scorer
    for name, fusion in params.fusions.items():
        for machine, members in fusion.machines.items():
            for one in members:
                yield f"fusions.{name}.machines.{machine}", SCORERS, one.scorer
    if params.select.scorers:
        yield "select.criterion", CRITERIA, params.select.criterion
    yield "score.threshold", THRESHOLDS, params.score.threshold


def _strange_machines(params: Params, raw: Path) -> Iterator[str]:
    """Yield machines that are named and neither synthesised nor a folder of recordings."""
    for name, fusion in params.fusions.items():
        for machine in fusion.machines:
            if machine not in params.dataset.machines:
                error = unknown_name("machine", machine, params.dataset.machines)
                yield f"fusions.{name}.machines: {error}"
    folders = {one.name for one in raw.iterdir() if one.is_dir()} if raw.is_dir() else set()
    known = folders | set(params.synth.machines)
    if not known:
        yield f"dataset.raw: {raw}: no recordings there; give the folder that holds the machines"
    for machine in params.dataset.machines:
        if known and machine not in known:
            yield f"dataset.machines: {unknown_name('machine', machine, known)}"


def _settings(params: Params) -> Iterator[str]:
    """Yield what is wrong with the settings of features, networks, heads, scorers and training."""
    from asd.config import TrainConfig, settings
    from asd.features import EXTRACTORS
    from asd.models import NETWORKS
    from asd.models.heads import HEADS, LINEAR
    from asd.scoring import SCORERS

    def wrong(kind: Any, values: Mapping[str, Any], where: str) -> Iterator[str]:
        try:
            settings(kind, values, where)
        except AsdError as error:
            yield from str(error).splitlines()

    for name, values in params.features.items():
        own = {key: value for key, value in values.items() if key != "extractor"}
        extractor = str(values.get("extractor", name))
        if extractor in EXTRACTORS:
            yield from wrong(EXTRACTORS[extractor].Config, own, f"features.{name}")
    told = set()
    for name, values in params.networks.items():
        own = {key: value for key, value in values.items() if key not in ("network", "train")}
        network = str(values.get("network", name))
        if network in NETWORKS:
            faults = list(wrong(NETWORKS[network].Settings, own, f"networks.{name}"))
            told |= {name} if faults else set()
            yield from faults
    for name, given in params.every_model.items():
        model = params.model(name)
        place = f"{'joint' if name in params.joint else 'models'}.{name}"
        if model.network in NETWORKS and given.network not in told:
            yield from wrong(NETWORKS[model.network].Settings, model.settings, f"{place}.settings")
        yield from wrong(TrainConfig, params.train.model_dump() | model.train, f"{place}.train")
        head = dict(model.head)
        kind = str(head.pop("kind", LINEAR))
        if kind in HEADS:
            yield from wrong(HEADS[kind].Settings, head, f"{place}.head")
    scorers: dict[str, Any] = {f"systems.{name}": one for name, one in params.systems.items()}
    chosen = {f"select.scorers.{name}": one for name, one in params.select.scorers.items()}
    for place, scorer in (scorers | chosen).items():
        if scorer.scorer in SCORERS:
            yield from wrong(SCORERS[scorer.scorer].Config, scorer.settings, f"{place}.settings")

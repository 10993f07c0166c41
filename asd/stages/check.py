"""Whether every name in the params is that of something, before a stage computes anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.config import partly
from asd.errors import AsdError, UsageError, unknown_name
from asd.params import Params, read_params_file, unresolved, values_of
from asd.registry import Registry
from asd.stages import STAGES
from asd.workspace import PARAMS, Workspace
from asd.yaml_text import read_yaml


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
        UsageError: names that are of nothing, a line for each with the nearest one that is; or
            DVC runs the stage, and would fail at its end for want of a section.
    """
    _raise(_strange_components(workspace.params))
    if stage := os.environ.get("DVC_STAGE"):
        values = values_of(read_params_file(workspace.root / PARAMS), str(PARAMS))
        _raise(_unwritten(workspace.root, values, [stage]))


def run(workspace: Workspace) -> Checked:
    """Look up every name, and check every setting, as far as it can be done without data.

    Raises:
        UsageError: names that are of nothing, or impossible settings; a line for each.
    """
    path = workspace.root / PARAMS
    values = values_of(read_params_file(path), str(path))
    params, faults, gone = partly(Params, values, str(PARAMS))
    faults = [fault.removeprefix(f"{PARAMS}: ") for fault in faults]
    if params is not None:
        others = [
            *unresolved(params),
            *_strange_components(params),
            *_strange_machines(params, workspace.root / params.dataset.raw),
            *_settings(params),
        ]
        # What refers to something that is wrong itself is not wrong.
        faults += [one for one in others if not any(f" '{name}'" in one for name in gone)]
    _raise([*faults, *_unwritten(workspace.root, values, STAGES)])
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
        if lack := registry.lack(name):
            yield f"{place}: {lack}"


def _components(params: Params) -> Iterator[tuple[str, Registry[Any], str]]:
    """Yield each place that names a component, with the registry it is of and the name."""
    from asd.features import EXTRACTORS
    from asd.models import HEADS, NETWORKS
    from asd.scoring import SCORERS
    from asd.scoring.selection import CRITERIA
    from asd.scoring.thresholds import THRESHOLDS
    from asd.synth import MACHINES

    for machine in params.synth.machines:
        yield "synth.machines", MACHINES, machine
    for name in params.features:
        yield f"features.{name}.extractor", EXTRACTORS, params.extractor(name)
    for name, values in params.networks.items():
        yield f"networks.{name}.network", NETWORKS, str(values.get("network", name))
    for name, model in params.every_model.items():
        if model.network not in params.networks:
            yield f"{params.place(name)}.network", NETWORKS, model.network
        if "kind" in model.head:
            yield f"{params.place(name)}.head.kind", HEADS, str(model.head["kind"])
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


def _unwritten(root: Path, values: Mapping[str, Any], stages: Iterable[str]) -> Iterator[str]:
    """Yield the keys that stages of dvc.yaml depend on and that are not written: DVC wants all."""
    path = root / "dvc.yaml"
    try:
        defined = read_yaml(path.read_bytes())["stages"] if path.is_file() else {}
    except (ValueError, LookupError, TypeError):
        return  # DVC says more of it
    for stage in stages:
        for depended in defined.get(stage, {}).get("params", ()):
            for key in depended.get(PARAMS.as_posix(), ()) or ():
                section, _, below = key.partition(".")
                if section not in values:
                    yield f"{section}: not written, and DVC wants it: add '{section}: {{}}'"
                elif below and below not in (values[section] or {}):
                    kind: Any = Params.model_fields[section].annotation
                    default = kind.model_fields[below].default
                    yield f"{key}: not written, and DVC wants it: add '{below}: {default}'"


def _strange_machines(params: Params, raw: Path) -> Iterator[str]:
    """Yield machines that are named and neither synthesised nor a folder of recordings."""
    for name, fusion in params.fusions.items():
        for machine in fusion.machines:
            if machine not in params.dataset.machines:
                error = unknown_name("machine", machine, params.dataset.machines)
                yield f"fusions.{name}.machines: {error}"
    from asd.clips.scan import folder_of, machine_folder

    folders = {one.name for one in raw.iterdir() if one.is_dir()} if raw.is_dir() else set()
    # A machine may be the raw folder itself.
    folders |= {name for name in params.dataset.machines if folder_of(raw, name) == raw}
    known = folders | set(params.synth.machines)
    if not known:
        yield f"dataset.raw: {raw}: no recordings there; give the folder that holds the machines"
    for machine in params.dataset.machines:
        if known and machine not in known:
            yield f"dataset.machines: {unknown_name('machine', machine, known)}"
        elif machine in folders and machine not in params.synth.machines:
            try:
                machine_folder(raw, machine)
            except UsageError as error:
                yield f"dataset.machines: {error}"


def _settings(params: Params) -> Iterator[str]:
    """Yield what is wrong with the settings of features, networks, heads, scorers and training."""
    from asd.config import TrainConfig
    from asd.features import EXTRACTORS
    from asd.models import HEADS, LINEAR, NETWORKS
    from asd.scoring import SCORERS

    def wrong(
        registry: Registry[Any], name: str, values: Mapping[str, Any], where: str
    ) -> Iterator[str]:
        if registry.lack(name):
            return  # told already
        try:
            own = registry.settings(name)
        except AsdError as error:  # of a plugin that is none, or that cannot be imported
            yield f"{where}: {error}"
            return
        yield from partly(own, values, where)[1]

    for name, values in params.features.items():
        own = {k: value for k, value in values.items() if k not in ("extractor", "channel")}
        yield from wrong(EXTRACTORS, params.extractor(name), own, f"features.{name}")
    told = set()
    for name, values in params.networks.items():
        own = {key: value for key, value in values.items() if key not in ("network", "train")}
        faults = list(wrong(NETWORKS, str(values.get("network", name)), own, f"networks.{name}"))
        told |= {name} if faults else set()
        yield from faults
    for name, given in params.every_model.items():
        model = params.model(name)
        place = params.place(name)
        if given.network not in told:
            yield from wrong(NETWORKS, model.network, model.settings, f"{place}.settings")
        head = dict(model.head)
        yield from wrong(HEADS, str(head.pop("kind", LINEAR)), head, f"{place}.head")
        training = params.train.model_dump() | model.train
        yield from partly(TrainConfig, training, f"{place}.train")[1]
    yield from _strange_embeddings(params)
    scorers: dict[str, Any] = {f"systems.{name}": one for name, one in params.systems.items()}
    chosen = {f"select.scorers.{name}": one for name, one in params.select.scorers.items()}
    for place, scorer in (scorers | chosen).items():
        yield from wrong(SCORERS, scorer.scorer, scorer.settings, f"{place}.settings")


def _strange_embeddings(params: Params) -> Iterator[str]:
    """Yield embeddings that are named, and that the pooled model there does not give."""
    named = [(f"systems.{name}", one.model, one.embedding) for name, one in params.systems.items()]
    for name, embeddings in params.select.models.items():
        named += [("select.models", name, embedding) for embedding in embeddings]
    for of, model in params.every_model.items():
        if (rule := model.pseudo) is not None:
            named.append((f"{params.place(of)}.pseudo", rule.model, rule.embedding))
    for place, name, embedding in named:
        if name not in params.every_model:
            continue  # told already
        known = params.model(name).settings.get("poolings")
        if isinstance(known, dict) and embedding not in known:
            yield f"{place}: {unknown_name(f'embedding of {name}', embedding, known)}"

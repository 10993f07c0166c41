"""What `asd status` says of a stage: a state, and the reasons for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from asd.cli.project import Project

Word = Literal["current", "stale", "missing", "unused"]


@dataclass(frozen=True)
class State:
    """The state of one stage, of one machine where the stage is per machine.

    Attributes:
        stage: the verb.
        machine: the machine, or ``""``.
        state: ``current``; ``stale``, where something was made from other inputs or settings than
            there are now; ``missing``, where nothing is there; ``unused``, where nothing needs it.
        there: what is there, such as ``"5 features, 30 shards"``.
        reasons: what is not current, and why.
    """

    stage: str
    machine: str
    state: Word
    there: str
    reasons: tuple[str, ...] = ()


def judged(stage: str, machine: str, lacks: Mapping[str, str], noun: str) -> State:
    """Return the state of a stage with several results.

    Args:
        stage, machine: of what.
        lacks: by result, such as the name of a model, what is wrong with it; ``""`` for nothing.
        noun: what a result is, in the singular.
    """
    from asd.cli.output import counted

    wrong = {name: lack for name, lack in lacks.items() if lack}
    state: Word = "current" if not wrong else "stale"
    if wrong and all(lack == "missing" for lack in lacks.values()):
        state = "missing"
    return State(
        stage,
        machine,
        state,
        counted(len(lacks), noun),
        () if state == "missing" else tuple(f"{name}: {lack}" for name, lack in wrong.items()),
    )


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None where there is none or it cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def model_record(project: Project, model: str, machine: str) -> dict[str, Any] | None:
    """Read what a model says of itself, without its weights."""
    folder = project.model_dir(model, machine)
    if not (folder / "weights.safetensors").is_file():
        return None
    record = read_json(folder / "model.json")
    return record if record and isinstance(record.get("request"), dict) else None


def identities(project: Project, machine: str, feature: str, split: str) -> set[str]:
    """Return the identities of a feature's shards; those that cannot be read have none."""
    from asd.errors import AsdError
    from asd.store import FeatureStore, Shard

    found = set()
    for path in FeatureStore(project.features).paths(machine, feature, split):
        try:
            found.add(Shard.open(path).identity)
        except AsdError:
            continue
    return found


def recorded_identities(inputs: Any, feature: str) -> set[str]:
    """Return the identities that an artifact names as its inputs."""
    of_feature = inputs.get(feature, {}) if isinstance(inputs, Mapping) else {}
    return set(of_feature.values()) if isinstance(of_feature, Mapping) else set()

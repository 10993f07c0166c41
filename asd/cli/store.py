"""asd store: what the feature store holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import counted, emit, feature_option, json_option, machine_option, say, show
from asd.errors import AsdError, UsageError
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.store import Shard


@click.group()
def command() -> None:
    """List the feature store, or say what is in one feature of it."""


@command.command("ls")
@machine_option
@feature_option
@json_option
def ls(machines: tuple[str, ...], features: tuple[str, ...]) -> None:
    """List the shards: rows, their shape and type, size, and whether they are up to date.

    \b
    Example:
      asd store ls --machine valve
    """
    workspace = Workspace.find()
    rows = list(_rows(workspace, workspace.machines(machines), features))
    for line in _table(rows):
        show(line)
    size = _size(sum(row["bytes"] for row in rows))
    say(f"{counted(len(rows), 'shard')}, {size} in {workspace.features}")
    emit(rows)


@command.command("info")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@machine_option
@feature_option
@json_option
def info(path: Path | None, machines: tuple[str, ...], features: tuple[str, ...]) -> None:
    """Say what shards hold and what made them: PATH, or those of a machine and feature.

    \b
    Examples:
      asd store info data/features/valve/logmel/section_00_train.h5
      asd store info --machine valve --feature logmel
    """
    from asd.store import Shard

    if path is None:
        workspace = Workspace.find()
        if not machines or not features:
            raise UsageError("store info: give a shard's path, or --machine and --feature")
        paths = [
            found
            for machine in workspace.machines(machines)
            for found in _paths(workspace, machine, features)
        ]
        if not paths:
            raise UsageError(
                f"{workspace.features}: no shard of {', '.join(features)} of {', '.join(machines)};"
                " run 'asd extract'"
            )
    elif machines or features:
        raise UsageError("store info: a path, or --machine and --feature: give one of them")
    else:
        paths = [path]
    facts = [_facts(Shard.open(path)) for path in paths]
    for one in facts:
        for line in _described(one):
            show(line)
    emit(facts)


def _paths(workspace: Workspace, machine: str, features: Sequence[str]) -> list[Path]:
    """Return the shards of a machine: of some features, or of all that the store has."""
    from asd.store import FeatureStore

    store = FeatureStore(workspace.features)
    there = sorted(path.name for path in (store.root / machine).glob("*") if path.is_dir())
    chosen = workspace.feature_names(features) if features else there
    return [path for feature in chosen for path in store.paths(machine, feature)]


def _rows(
    workspace: Workspace, machines: Sequence[str], features: Sequence[str]
) -> Iterator[dict[str, Any]]:
    from asd.store import Shard

    for machine in machines:
        lacks = _lacks(workspace, machine)
        for path in _paths(workspace, machine, features):
            section, split = path.stem.removeprefix("section_").rpartition("_")[::2]
            row: dict[str, Any] = {
                "machine": machine,
                "feature": path.parent.name,
                "section": section,
                "split": split,
                "rows": 0,
                "shape": "",
                "dtype": "",
                "bytes": path.stat().st_size,
            }
            try:
                shard = Shard.open(path)
            except AsdError:
                yield {**row, "state": "damaged"}
                continue
            yield {
                **row,
                "rows": len(shard),
                "shape": " x ".join(map(str, shard.row_shape)),
                "dtype": shard.dtype.name,
                "state": _state(workspace, path, lacks),
            }


def _lacks(workspace: Workspace, machine: str) -> dict[Path, str] | None:
    """Return what is wrong with each shard that there should be; None without an index."""
    from asd.stages.extract import wanted
    from asd.stages.index import clips_of
    from asd.store import FeatureStore

    try:
        clips = clips_of(workspace, machine)
    except AsdError:
        return None
    store, lacks = FeatureStore(workspace.features), dict[Path, str]()
    for feature in workspace.feature_names():
        try:
            lacks |= {shard.path: shard.lack() for shard in wanted(workspace, feature, clips)}
        except AsdError as error:
            lacks |= dict.fromkeys(store.paths(machine, feature), str(error))
    return lacks


def _state(workspace: Workspace, path: Path, lacks: dict[Path, str] | None) -> str:
    if path.parent.name not in workspace.params.features:
        return "stale: no such feature in the params"
    if lacks is None:
        return "no index to compare it with"
    if path not in lacks:
        return "stale: no such section in the index"
    return f"stale: {lacks[path]}" if lacks[path] else "current"


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return aligned lines under a heading; numbers to the right."""
    if not rows:
        return []
    heading = ["machine", "feature", "section", "split", "rows", "row", "dtype", "size", "state"]
    cells = [
        [
            *(row[key] for key in ("machine", "feature", "section", "split")),
            f"{row['rows']:,}",
            *(row[key] for key in ("shape", "dtype")),
            _size(row["bytes"]),
            row["state"],
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heading, *cells, strict=True)]
    numbers = {"rows", "size"}
    return [
        "  ".join(
            f"{cell:>{width}}" if name in numbers else f"{cell:<{width}}"
            for name, cell, width in zip(heading, line, widths, strict=True)
        ).rstrip()
        for line in [heading, *cells]
    ]


def _facts(shard: Shard) -> dict[str, Any]:
    clips, spec = shard.clips, shard.spec
    return {
        "path": shard.path,
        "machine": spec.machine,
        "feature": spec.feature,
        "section": spec.section,
        "split": spec.split,
        "rows": len(shard),
        "shape": list(shard.row_shape),
        "dtype": shard.dtype.name,
        "bytes": shard.path.stat().st_size,
        "digest": spec.digest,
        "identity": shard.identity,
        "recipe": spec.recipe,
        "domains": dict(sorted(Counter(clips.domain).items())),
        "labels": dict(sorted(Counter(clips.label).items())),
        "states": dict(sorted(Counter(clips.attributes).items())),
    }


def _described(facts: dict[str, Any]) -> Iterator[str]:
    yield str(facts["path"])
    shape = " x ".join(map(str, facts["shape"]))
    yield f"  {counted(facts['rows'], 'row')} of {shape} {facts['dtype']}, {_size(facts['bytes'])}"
    for name, what in (("domains", "domains"), ("labels", "labels"), ("states", "states")):
        counts = [f"{key or 'unknown'} {count:,}" for key, count in facts[name].items()]
        yield f"  {what:<9} {', '.join(counts)}"
    yield f"  digest    {facts['digest']}"
    yield f"  identity  {facts['identity']}"
    yield f"  recipe    {json.dumps(facts['recipe'])}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"

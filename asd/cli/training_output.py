"""What trained says that it did: `train`, and the runs over seeds of `ablate` and `ladder`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asd.cli.output import counted, say
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.training.train import Training


def trained_line(result: Training) -> str:
    """Say what a training did."""
    what = f"{result.machine} {result.model}"
    if result.task == "nothing":
        return f"{what}: nothing to train"
    if not result.epochs and not result.resumed:
        return f"{what}: reused"
    task = f"classes: {result.classes} {result.task}" if result.classes else result.task
    line = (
        f"{what}: trained {counted(result.epochs, 'epoch')} on {counted(result.clips, 'clip')},"
        f" {task}"
    )
    if result.attribute_classes:
        line += f" and {result.attribute_classes} attributes"
    if result.resumed:
        line += f", after {result.resumed} of an interrupted run"
    return line + f" ({result.seconds:.1f} s)"


def run_seeds(
    workspace: Workspace, systems: Sequence[str], machines: Sequence[str], seeds: int
) -> tuple[list[Training], list[Path]]:
    """Run systems over seeds, and say what was trained and what was read from the store."""
    from asd.stages.seeds import over_seeds
    from asd.store import FeatureStore

    trained, metrics = over_seeds(
        workspace,
        systems,
        machines,
        seeds,
        lambda seed, result: say(f"seed {seed}: {trained_line(result)}"),
    )
    params, store = workspace.params, FeatureStore(workspace.features)
    models = [model for name in systems for model in params.models_of(name)]
    features = sorted({f for model in models for f in params.every_model[model].features})
    rows = sum(
        len(shard) for machine in machines for f in features for shard in store.shards(machine, f)
    )
    new = sum(1 for result in trained if result.epochs or result.resumed)
    say(
        f"trained {counted(new, 'model')}, reused {len(trained) - new}; features computed 0,"
        f" read from the store {rows:,} rows of {', '.join(features)}"
    )
    return trained, metrics

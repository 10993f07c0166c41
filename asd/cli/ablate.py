"""asd ablate: every system over several seeds, from one store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asd.cli.output import (
    counted,
    emit,
    json_option,
    machine_option,
    say,
    seeds_option,
    system_option,
    trained_line,
)
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.training.train import Training


@click.command()
@seeds_option
@machine_option
@system_option
@json_option
def command(seeds: int, machines: tuple[str, ...], systems: tuple[str, ...], as_json: bool) -> None:
    """Train, score and evaluate systems with several seeds; only what is missing is trained.

    The first seed is that of the params; its models are those of `asd train`. All seeds read the
    same stored features. The table of means and deviations goes to data/reports/ablation.md.
    """
    workspace = Workspace.find()
    trained, metrics = run_seeds(
        workspace, workspace.systems(systems), workspace.machines(machines), seeds, as_json
    )
    say("\n" + _write_tables(workspace, metrics), as_json)
    emit(trained, as_json)


def run_seeds(
    workspace: Workspace, systems: Sequence[str], machines: Sequence[str], seeds: int, as_json: bool
) -> tuple[list[Training], list[Path]]:
    """Run systems over seeds, and say what was trained and what was read from the store."""
    from asd.stages.seeds import over_seeds
    from asd.store import FeatureStore

    trained, metrics = over_seeds(
        workspace,
        systems,
        machines,
        seeds,
        lambda seed, result: say(f"seed {seed}: {trained_line(result)}", as_json),
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
        f" read from the store {rows:,} rows of {', '.join(features)}",
        as_json,
    )
    return trained, metrics


def _write_tables(workspace: Workspace, metrics: list[Path]) -> str:
    from asd.atomic import replacing
    from asd.report.results import read_results
    from asd.report.tables import DATASET, results_csv, results_markdown

    results = read_results(metrics)
    name = workspace.params.dataset.name
    text = results_markdown(results, name, name == DATASET)
    for path, content in (
        (workspace.reports / "ablation.md", text),
        (workspace.reports / "ablation.csv", results_csv(results, name == DATASET)),
    ):
        with replacing(path) as beside:
            beside.write_text(content, encoding="utf-8", newline="")
    return text + f"\nwrote {workspace.reports / 'ablation.md'} and ablation.csv"

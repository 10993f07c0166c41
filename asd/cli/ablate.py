"""asd ablate: every system over several seeds, from one store."""

from __future__ import annotations

from pathlib import Path

import click

from asd.cli.output import emit, json_option, machine_option, say, seeds_option, system_option
from asd.cli.training_output import run_seeds
from asd.workspace import Workspace


@click.command()
@seeds_option
@machine_option
@system_option
@json_option
def command(seeds: int, machines: tuple[str, ...], systems: tuple[str, ...]) -> None:
    """Train, score and evaluate systems with several seeds; only what is missing is trained.

    The first seed is that of the params; its models are those of `asd train`. All seeds read the
    same stored features. The table of means and deviations goes to data/reports/ablation.md.
    """
    workspace = Workspace.find()
    trained, metrics = run_seeds(
        workspace, workspace.systems(systems), workspace.machines(machines), seeds
    )
    say("\n" + _write_tables(workspace, metrics))
    emit(trained)


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

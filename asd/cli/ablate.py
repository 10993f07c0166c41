"""asd ablate: every system over several seeds, from one store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asd.cli.embed import embed_model
from asd.cli.evaluate import evaluate_project
from asd.cli.output import counted, emit, json_option, machine_option, say, system_option
from asd.cli.project import Project
from asd.cli.score import score_system
from asd.cli.train import line_of, train_model

if TYPE_CHECKING:
    from asd.training.loop import Training


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many.")
@machine_option
@system_option
@json_option
def command(seeds: int, machines: tuple[str, ...], systems: tuple[str, ...], as_json: bool) -> None:
    """Train, score and evaluate systems with several seeds; only what is missing is trained.

    The first seed is that of the params; its models are those of `asd train`. All seeds read the
    same stored features. The table of means and deviations goes to data/reports/ablation.md.
    """
    project = Project.find()
    chosen, of_machines = project.systems(systems), project.machines(machines)
    trained, metrics = over_seeds(project, chosen, of_machines, seeds, as_json)
    text = _write_tables(project, metrics)
    say("\n" + text, as_json)
    emit(trained, as_json)


def over_seeds(
    project: Project, chosen: Sequence[str], machines: Sequence[str], seeds: int, as_json: bool
) -> tuple[list[Training], list[Path]]:
    """Train, score and evaluate systems with several seeds; only what is missing is trained.

    Returns:
        What was trained, and each seed's metrics.json.
    """
    models = tuple(dict.fromkeys(m for name in chosen for m in project.params.models_of(name)))
    trained: list[Training] = []
    metrics: list[Path] = []
    for seed in range(project.params.train.seed, project.params.train.seed + seeds):
        seeded = project.with_seed(seed)
        for result in _train(seeded, machines, models):
            trained.append(result)
            say(f"seed {seed}: {line_of(result)}", as_json)
        for system in chosen:
            for machine in machines:
                score_system(seeded, system, machine)
        output = project.reports / "seeds" / str(seed) / "reports"
        metrics.append(evaluate_project(seeded, chosen, output))
    say(_account(project, machines, models, trained), as_json)
    return trained, metrics


def _train(project: Project, machines: Sequence[str], models: Sequence[str]) -> Iterator[Training]:
    for model in models:
        # A joint model is trained once, and embeds the clips of every machine.
        for owner in dict.fromkeys(project.params.owner(model, machine) for machine in machines):
            result = train_model(project, owner, model)
            for machine in machines:
                bank = project.bank_dir(model, machine) / "train.h5"
                stale = result.epochs or result.resumed or not bank.exists()
                if project.params.owner(model, machine) == owner and stale:
                    embed_model(project, machine, model)
            yield result


def _account(
    project: Project, machines: Sequence[str], models: Sequence[str], trained: list[Any]
) -> str:
    """Say how many models were trained, and where their features came from."""
    from asd.store import FeatureStore

    store = FeatureStore(project.features)
    features = sorted({f for model in models for f in project.params.every_model[model].features})
    rows = sum(
        len(shard) for machine in machines for f in features for shard in store.shards(machine, f)
    )
    new = sum(1 for result in trained if result.epochs or result.resumed)
    return (
        f"trained {counted(new, 'model')}, reused {len(trained) - new}; features computed 0,"
        f" read from the store {rows:,} rows of {', '.join(features)}"
    )


def _write_tables(project: Project, metrics: list[Path]) -> str:
    from asd.atomic import replacing
    from asd.report.results import read_results
    from asd.report.tables import results_csv, results_markdown

    results = read_results(metrics)
    name = project.params.dataset.name
    with_paper = name == "dcase2022"
    text = results_markdown(results, name, with_paper)
    for path, content in (
        (project.reports / "ablation.md", text),
        (project.reports / "ablation.csv", results_csv(results, with_paper)),
    ):
        with replacing(path) as beside:
            beside.write_text(content, encoding="utf-8", newline="")
    return text + f"\nwrote {project.reports / 'ablation.md'} and ablation.csv"

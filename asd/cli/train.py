"""asd train: models from stored features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, emit, json_option, machine_option, model_option, say
from asd.cli.project import Project

if TYPE_CHECKING:
    from asd.training.loop import Training


@click.command()
@machine_option
@model_option
@json_option
def command(machines: tuple[str, ...], models: tuple[str, ...], as_json: bool) -> None:
    """Train models from stored features of training clips.

    A model that is there already for the same features and params is kept; an interrupted training
    goes on from where it was.
    """
    project = Project.find()
    results = []
    for machine in project.machines(machines):
        for model in project.models(models):
            result = train_model(project, machine, model)
            results.append(result)
            say(line_of(result), as_json)
    emit(results, as_json)


def train_model(project: Project, machine: str, model: str) -> Training:
    """Train one model of one machine, unless it is there already."""
    from asd.store import FeatureStore
    from asd.training.loop import train

    params = project.params
    seed = "" if project.seed is None else f"_seed_{project.seed}"
    return train(
        FeatureStore(project.features),
        machine,
        model,
        params.model(model),
        params.train,
        project.model_dir(model, machine),
        project.checkpoints / "train" / model / f"{machine}{seed}.safetensors",
    )


def line_of(result: Training) -> str:
    what = f"{result.machine} {result.model}"
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

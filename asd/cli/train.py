"""asd train: models from stored features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, emit, json_option, machine_option, model_option, say
from asd.cli.project import Project
from asd.config import ALL
from asd.errors import UsageError
from asd.progress import VERBOSE, detail, verbosity

if TYPE_CHECKING:
    from asd.training.loop import Training


@click.command()
@machine_option
@model_option
@json_option
def command(machines: tuple[str, ...], models: tuple[str, ...], as_json: bool) -> None:
    """Train models from stored features of training clips.

    A model that is there already for the same features and params is kept; an interrupted training
    goes on from where it was. A model of the section `joint` is trained once, over all machines.
    """
    project = Project.find()
    results = []
    for machine, model in _asked(project, machines, models):
        if verbosity() >= VERBOSE:
            _say_why(project, machine, model)
        result = train_model(project, machine, model)
        results.append(result)
        say(line_of(result), as_json)
    emit(results, as_json)


def _asked(
    project: Project, machines: tuple[str, ...], models: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Yield each machine with each of its models, and then the joint models, once each."""
    joint = project.params.joint
    chosen = project.models(models)
    if machines and (named := [model for model in models if model in joint]):
        raise UsageError(
            f"--machine: model '{named[0]}' is joint over all machines; leave --machine out"
        )
    for machine in project.machines(machines):
        yield from ((machine, model) for model in chosen if model not in joint)
    if not machines:
        yield from ((ALL, model) for model in chosen if model in joint)


def _say_why(project: Project, machine: str, model: str) -> None:
    from asd.cli.status_results import model_lack

    lack = model_lack(project, model, machine)
    detail(f"{machine} {model}: {f'trained, as it is: {lack}' if lack else 'current'}")


def train_model(project: Project, machine: str, model: str) -> Training:
    """Train one model of one machine, or if it is joint of all, unless it is there already."""
    from asd.store import FeatureStore
    from asd.training.loop import train

    params = project.params
    seed = "" if project.seed is None else f"_seed_{project.seed}"
    owner = params.owner(model, machine)
    return train(
        FeatureStore(project.features),
        params.dataset.machines if owner == ALL else machine,
        model,
        params.model(model),
        params.train,
        project.model_dir(model, machine),
        project.checkpoints / "train" / model / f"{owner}{seed}.safetensors",
    )


def line_of(result: Training) -> str:
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

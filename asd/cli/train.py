"""asd train: models from stored features."""

from __future__ import annotations

import click

from asd.cli.output import json_option, machine_option, model_option, tell
from asd.cli.training_output import trained_line
from asd.workspace import Workspace


@click.command()
@machine_option
@model_option
@json_option
def command(machines: tuple[str, ...], models: tuple[str, ...]) -> None:
    """Train models from stored features of training clips.

    A model that is there already for the same features and params is kept; an interrupted training
    goes on from where it was. A model of the section `joint` is trained once, over all machines.
    """
    from asd.stages.train import run

    tell(run(Workspace.find(), machines, models), trained_line)

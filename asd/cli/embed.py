"""asd embed: the bank of training embeddings, and the outputs for test clips."""

from __future__ import annotations

import click

from asd.cli.output import counted, json_option, machine_option, model_option, tell
from asd.workspace import Workspace


@click.command()
@machine_option
@model_option
@json_option
def command(machines: tuple[str, ...], models: tuple[str, ...]) -> None:
    """Compute the embeddings of the training clips (the bank) and of the test clips.

    Banks that are there already of the same model, features and settings are kept.
    """
    from asd.stages.embed import run

    tell(
        run(Workspace.find(), machines, models),
        lambda one: (
            f"{one.machine} {one.model}: bank of {counted(one.train, 'training clip')},"
            f" outputs of {counted(one.test, 'test clip')}"
        ),
    )

"""asd finetune: the pre-trained model, fitted to the machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, emit, json_option, say
from asd.cli.project import Project

if TYPE_CHECKING:
    from asd.finetuning.run import Account

NAME = "ptm"


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Fine-tune the pre-trained model on the training clips of all machines.

    A checkpoint that is there already for the same clips and params is kept; an interrupted run
    goes on from where it was.
    """
    from asd.finetuning.run import finetune

    project = Project.find()
    params = project.params
    config = params.finetune
    if not any(project.reads_checkpoint(feature) for feature in params.features):
        # The stage has an output whether or not a feature reads it.
        project.ptm.mkdir(parents=True, exist_ok=True)
        say(f"{NAME}: no feature reads a checkpoint, nothing to do", as_json)
        emit([], as_json)
        return
    if (project.root / config.base).is_dir():
        config = config.model_copy(update={"base": str(project.root / config.base)})
    account = finetune(
        project.raw,
        [clip for machine in project.machines() for clip in project.clips(machine)],
        params.index.sample_rate,
        params.index.channel,
        config,
        project.ptm,
        project.checkpoints / "train" / NAME,
    )
    say(_line(account), as_json)
    emit([account], as_json)


def _line(account: Account) -> str:
    if account.reused:
        return f"{NAME}: reused"
    what = " and ".join(account.objectives) or "no objective, principal components alone"
    line = (
        f"{NAME}: {what}, {counted(account.updates, 'update')} on"
        f" {counted(account.clips, 'clip')} of {counted(account.machines, 'machine')}"
    )
    if account.resumed:
        line += f", after {account.resumed:,} of an interrupted run"
    return line + f" ({account.seconds:.1f} s)"

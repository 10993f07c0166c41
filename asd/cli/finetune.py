"""asd finetune: the pre-trained model, fitted to the machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, emit, json_option, say
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.training.finetune import Account


@click.command()
@json_option
def command() -> None:
    """Fine-tune the pre-trained model on the training clips of all machines.

    A checkpoint that is there already for the same clips and params is kept; an interrupted run
    goes on from where it was.
    """
    from asd.stages.finetune import run

    found = list(run(Workspace.find()))
    for account in found:
        say(f"ptm: {_said(account)}")
    if not found:
        say("ptm: no feature reads a checkpoint, nothing to do")
    emit(found)


def _said(account: Account) -> str:
    if account.reused:
        return "reused"
    what = " and ".join(account.objectives) or "no objective, principal components alone"
    line = (
        f"{what}, {counted(account.updates, 'update')} on"
        f" {counted(account.clips, 'clip')} of {counted(account.machines, 'machine')}"
    )
    if account.resumed:
        line += f", after {account.resumed:,} of an interrupted run"
    return line + f" ({account.seconds:.1f} s)"

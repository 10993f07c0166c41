"""asd check: whether the params say something that can be done."""

from __future__ import annotations

import click

from asd.cli.output import counted, emit, json_option, say
from asd.workspace import Workspace


@click.command()
@json_option
def command() -> None:
    """Look up every name in the params, and check every setting, before anything is computed.

    All faults are told at once, each with the nearest name there is. Each stage looks up the names
    before it begins.
    """
    from asd.stages.check import run

    found = run(Workspace.find())
    counts = ", ".join(counted(count, name[:-1]) for name, count in vars(found).items())
    say(f"nothing is wrong with the params: {counts}")
    emit([found])

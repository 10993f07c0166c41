"""asd synth: the demo's machine sound."""

from __future__ import annotations

import click

from asd.cli.output import counted, emit, json_option, many, say
from asd.workspace import Workspace


@click.command()
@many("machine", "Machine type (repeatable; default: all of synth.machines).")
@json_option
def command(machines: tuple[str, ...]) -> None:
    """Synthesise the demo's machine sound into the raw folder.

    The same parameters give the same files. A folder that holds other recordings is left alone.
    Nothing is done where the params name no machines to synthesise, as recordings are given.
    """
    from asd.stages.synth import run

    workspace = Workspace.find()
    found = list(run(workspace, machines))
    if found:
        names = ", ".join(one.machine for one in found)
        say(
            f"synthesised {counted(sum(one.clips for one in found), 'clip')} of"
            f" {found[0].seconds:g} s ({names}) -> {workspace.raw}"
        )
    else:
        say("synth.machines is empty, as recordings are given: nothing to do")
    emit(found)

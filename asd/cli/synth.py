"""asd synth: the demo's machine sound."""

from __future__ import annotations

import click

from asd.cli.output import counted, emit, json_option, many, say
from asd.cli.project import Project
from asd.errors import UsageError, unknown_name


@click.command()
@many("machine", "Machine type (repeatable; default: all of synth.machines).")
@json_option
def command(machines: tuple[str, ...], as_json: bool) -> None:
    """Synthesise the demo's machine sound into the raw folder.

    The same parameters give the same files. A folder that holds other recordings is left alone.
    """
    from asd.synth.dataset import synthesise_machine

    project = Project.find()
    config = project.params.synth
    if not config.machines:
        raise UsageError(
            "pipeline/params.yaml: synth.machines: none, as recordings are given;"
            " run 'asd init demo' for synthesised ones"
        )
    for name in machines:
        if name not in config.machines:
            raise unknown_name("machine of synth.machines", name, config.machines)
    chosen = tuple(dict.fromkeys(machines)) or config.machines
    written = {name: synthesise_machine(project.raw, name, config) for name in chosen}
    say(
        f"synthesised {counted(sum(written.values()), 'clip')} of {config.seconds:g} s"
        f" ({', '.join(chosen)}) -> {project.raw}",
        as_json,
    )
    rows = [
        {"machine": name, "clips": clips, "seconds": config.seconds, "path": project.raw / name}
        for name, clips in written.items()
    ]
    emit(rows, as_json)

"""asd init: a whole workspace from a profile, or the params of one anew."""

from __future__ import annotations

from pathlib import Path

import click

from asd.cli.completion import profiles
from asd.cli.output import counted, emit, json_option, say
from asd.workspace import PARAMS


@click.command()
@click.argument("profile", shell_complete=profiles)
@click.option(
    "--raw",
    type=click.Path(path_type=Path),
    help="Folder of your recordings: one folder a machine below it, or recordings of one machine.",
)
@click.option(
    "--normal",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="DIR",
    help="A folder of it whose sound is normal, whatever it is called (repeatable).",
)
@json_option
def command(profile: str, raw: Path | None, normal: tuple[Path, ...]) -> None:
    """Make a workspace for PROFILE here: params, dvc.yaml, and DVC, with git or without.

    In a workspace only pipeline/params.yaml is written anew; the one that was there is kept as
    params.yaml.1, .2 and so on.

    \b
    Profiles: demo, ladder, dcase2020 to dcase2026, folder (your own recordings).
    Examples:
      asd init demo
      asd init folder --raw recordings
      asd init folder --raw recordings --normal recordings/pump/monday
    """
    from asd.stages.init import run

    made = run(
        profile,
        raw,
        tell=say,
        warn=lambda line: click.echo(f"asd: {line}", err=True),
        normal=normal,
    )
    path, machines = made.root / PARAMS, made.params.dataset.machines
    note = f"; the one before is {made.before}" if made.before else ""
    if made.created:
        note += f"; made {', '.join(made.created)}"
    say(f"{path}: profile {profile}, {counted(len(machines), 'machine')}{note}")
    place = made.root / made.params.dataset.raw
    missing = not made.params.synth.machines and not (place.is_dir() and any(place.iterdir()))
    say(f"next: asd download {profile}" if missing else "next: dvc repro")
    row = {"file": path, "profile": profile, "machines": machines, "raw": made.params.dataset.raw}
    emit([{**row, "before": made.before}])

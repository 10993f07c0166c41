"""asd export: a detector as one file that works anywhere."""

from __future__ import annotations

from pathlib import Path

import click

from asd.cli.output import counted, emit, json_option, machine_and_system, say
from asd.errors import UsageError
from asd.workspace import Workspace


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@machine_and_system
@click.option(
    "--sounds",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Normal clips of each section that go with it as sound, for asd explain.",
)
@json_option
def command(path: Path, machine: str | None, system: str | None, sounds: int) -> None:
    """Write all that a detector needs into one FILE, such as pump.asd.

    `asd predict --detector FILE`, `explain`, `watch` and `Detector.load(FILE)` then need nothing
    else: no workspace, no store, no network. It holds no pickle and no raw recordings but a few
    normal clips and the known faults, and is checked to predict what it did here.

    \b
    Example:
      asd export --machine pump pump.asd
    """
    from asd.detection.detector import Detector
    from asd.detection.export import export

    if path.suffix != ".asd":
        raise UsageError(f"{path}: an exported detector is called so: {path.stem}.asd")
    workspace = Workspace.find()
    found = export(Detector(workspace, workspace.machine(machine), system), path, sounds)
    say(
        f"{found.machine}, system {found.system} -> {path} ({found.bytes / 1e6:.1f} MB,"
        f" {counted(found.sounds, 'normal clip')} as sound); it predicts the same for"
        f" {counted(found.compared, 'clip')}"
    )
    if not found.sounds:
        say("without sound asd explain has nothing to compare with")
    emit([found])

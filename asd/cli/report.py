"""asd report: tables, pictures and the HTML report, from what the stages before have written."""

from __future__ import annotations

from pathlib import Path

import click

from asd.cli.output import counted, emit, json_option, say
from asd.workspace import Workspace


@click.command()
@click.option(
    "--metrics",
    "others",
    type=click.Path(path_type=Path),
    multiple=True,
    help="metrics.json of another seed (repeatable): scores become means over the seeds.",
)
@click.option(
    "--system",
    "systems",
    multiple=True,
    metavar="NAME",
    help="Show this system's curves too (repeatable), beside those of the best and the first.",
)
@json_option
def command(others: tuple[Path, ...], systems: tuple[str, ...]) -> None:
    """Write data/reports/report.html, results.md, results.csv and figures/.

    report.html is one file: it opens from disk, needs no network and can be sent by mail. Of your
    own recordings it lists each with its decision and the seconds that made it (report.page of the
    params says which page it is); the marks that are set there go to asd feedback --from.

    \b
    Examples:
      asd report --system 2 --system 5
      asd report --metrics seed1/metrics.json --metrics seed2/metrics.json
    """
    from asd.stages.report import run

    written = run(Workspace.find(), others, systems)
    page = written.paths[0]
    say(
        f"report: {counted(written.systems, 'system')} on"
        f" {counted(written.machines, 'machine')}, {counted(written.pictures, 'picture')}"
        f" -> {page} ({page.stat().st_size / 1e6:.1f} MB), results.md, results.csv, figures"
    )
    rows = [{"file": path.as_posix(), "bytes": path.stat().st_size} for path in written.paths]
    emit(rows)

"""asd index: what recordings there are, what each is, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, json_option, machine_option, tell
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.stages.index import Indexed


@click.command()
@machine_option
@json_option
def command(machines: tuple[str, ...]) -> None:
    """List the recordings of the raw folder in data/index/<machine>.csv.

    A recording that cannot be used is listed with the reason, and never stops the run. What is
    unlike all training recordings, and is not the machine, is said: another level, band or rate,
    clipped samples, a constant offset.
    """
    from asd.stages.index import run

    workspace = Workspace.find()
    tell(
        run(workspace, machines),
        lambda one: "\n".join(
            [f"{_line(one)} -> {workspace.index_path(one.machine)}", *_remarks(one)]
        ),
    )


def _line(one: Indexed) -> str:
    # Where some of the clips are windows, it is said of how many recordings.
    origin = f" of {counted(one.recordings, 'recording')}" if one.recordings < one.clips else ""
    line = (
        f"{one.machine}: {counted(one.clips, 'clip')}{origin} in"
        f" {counted(len(one.sections), 'section')} ({one.train} train, {one.test} test"
    )
    line += f", {one.supplemental} supplemental)" if one.supplemental else ")"
    if one.treated:
        line += f", {one.treated} treated (see the index)"
    if one.rejected:
        reasons = "; ".join(f"{count} x {why}" for why, count in sorted(one.rejected.items()))
        line += f", {sum(one.rejected.values())} rejected ({reasons})"
    return line


def _remarks(one: Indexed) -> Iterator[str]:
    for unlike in one.remarks.values():
        more = f" and {unlike.recordings - 1:,} more" if unlike.recordings > 1 else ""
        yield f"  {unlike.first}{more}: {unlike.text}"

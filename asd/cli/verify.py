"""asd verify: whether everything on the disk is what was written."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from asd.cli.output import counted, emit, json_option, machine_option, say, show
from asd.workspace import Workspace


@click.command()
@machine_option
@click.option("--deep", is_flag=True, help="Read every row and every recording too.")
@click.option("--repair", is_flag=True, help="Compute damaged rows again; delete damaged files.")
@json_option
def command(machines: tuple[str, ...], deep: bool, repair: bool) -> None:
    """Check that every artifact is what was written: index, shards, models, banks, scores, reports.

    Damage is listed, one line each, and makes the exit code 1; so does what cannot be read now,
    which --repair keeps. Without --deep the rows of the
    feature store are not read, only what says which rows there are.

    \b
    Examples:
      asd verify
      asd verify --deep --repair
    """
    from asd.stages import verify

    workspace = Workspace.find()
    if machines:
        workspace.machines(machines)
    started = time.monotonic()
    found = verify.run(workspace, machines, deep)
    seconds = time.monotonic() - started
    for damage in found.damaged:
        show(f"{damage.path}: {damage.reason}")
    for note in found.notes:
        say(f"note: {note.path}: {note.text}")
    counts = ", ".join(counted(number, noun) for noun, number in found.counts.items())
    how = "every row and recording read" if deep else "--deep reads rows and recordings too"
    unread = sum(damage.unreadable for damage in found.damaged)
    numbers = {"damaged": len(found.damaged) - unread, "cannot be read": unread}
    verdict = ", ".join(f"{number:,} {what}" for what, number in numbers.items() if number)
    say(f"verified {counts} ({how}) in {seconds:.1f} s: {verdict or 'all as written'}")
    left, repairs = len(found.damaged), []
    if repair and found.damaged:
        left = 0
        for done in verify.repair(workspace, found.damaged):
            repairs.append(done.line)
            left += not done.whole
            say(done.line)
    emit([{**asdict(found), "repairs": repairs, "left": left, "seconds": seconds}])
    if left:
        raise click.exceptions.Exit(1)

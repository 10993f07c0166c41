"""asd status: what is there, out of date or missing, and why."""

from __future__ import annotations

import click

from asd.cli.output import emit, json_option, machine_option, say, show
from asd.workspace import Workspace


@click.command()
@machine_option
@json_option
def command(machines: tuple[str, ...]) -> None:
    """Say of each stage what is there, and whether it is of the present inputs and params.

    Each stage is compared with what it reads as it lies there now. Nothing is computed; of the
    recordings names and times are looked at, and the content of those that are younger than the
    index. The exit code is 0 whatever is found.

    \b
    Examples:
      asd status
      asd status --machine valve --json
    """
    from asd.stages.status import next_verb, states

    workspace = Workspace.find()
    chosen = workspace.machines(machines)
    if workspace.made_earlier:
        say(f"note: {workspace.made_earlier}")
    found = list(states(workspace, chosen, bool(machines)))
    stage = max(len(one.stage) for one in found)
    machine = max(len(one.machine) for one in found)
    for one in found:
        why = "; ".join(filter(None, [one.there, *one.reasons]))
        line = f"{one.stage:<{stage}}  {one.machine:<{machine}}  {one.state:<7}  {why}"
        show(line.rstrip())
    verb = next_verb(workspace, chosen, found)
    say(f"next: asd {verb}" if verb else "nothing to do")
    emit(found)

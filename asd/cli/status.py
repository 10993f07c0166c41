"""asd status: what is there, out of date or missing, and why."""

from __future__ import annotations

from collections.abc import Iterable

import click

from asd.cli.output import emit, json_option, machine_option, say, show
from asd.workspace import Workspace

_COLUMNS = 100
_NAMES = (3, 1)  # of those of which the same is said; the latter where the line is too long


@click.command()
@machine_option
@json_option
def command(machines: tuple[str, ...]) -> None:
    """Say of each stage what is there, and whether it is of the present inputs and params.

    Each stage is compared with what it reads as it lies there now; it is waiting where that is to
    be made anew. Nothing is computed; of the recordings names and times are looked at, and the
    content of those that are younger than the index. The exit code is 0 whatever is found.

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
    cut = False
    for one in found:
        head = f"{one.stage:<{stage}}  {one.machine:<{machine}}  {one.state:<7}  "
        lines = [
            head + "; ".join(filter(None, [one.there, *_together(one.reasons, names)]))
            for names in _NAMES
        ]
        line = next((one for one in lines if len(one) <= _COLUMNS), lines[-1]).rstrip()
        cut |= len(line) > _COLUMNS
        show(line if len(line) <= _COLUMNS else f"{line[: _COLUMNS - 3]}...")
    if cut:
        say("in full: asd status --json")
    verb = next_verb(workspace, chosen, found)
    say(f"next: asd {verb}" if verb else "nothing to do")
    emit(found)


def _together(reasons: Iterable[str], at_most: int) -> list[str]:
    """Return reasons, those of one text once, after some of the names that they are of."""
    named: dict[str, list[str]] = {}
    for reason in reasons:
        name, mark, why = reason.partition(": ")
        named.setdefault(why if mark else name, []).extend([name] if mark else [])
    found = []
    for why, names in named.items():
        more = len(names) - at_most
        shown = names if more <= 1 else [f"{', '.join(names[:at_most])} and {more} more"]
        found.append(": ".join(filter(None, [", ".join(shown), why])))
    return found

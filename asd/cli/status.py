"""asd status: what is there, out of date or missing, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from asd.cli.output import emit, json_option, machine_option, say, show
from asd.cli.project import Project
from asd.cli.status_state import State
from asd.config import ALL


@click.command()
@machine_option
@json_option
def command(machines: tuple[str, ...], as_json: bool) -> None:
    """Say of each stage what is there, and whether it is of the present inputs and params.

    Each stage is compared with what it reads as it lies there now. Nothing is computed, and of the
    recordings only names, sizes and times are looked at. The exit code is 0 whatever is found.

    \b
    Examples:
      asd status
      asd status --machine valve --json
    """
    project = Project.find()
    chosen = project.machines(machines)
    states = list(find_states(project, chosen, bool(machines)))
    for line in table(states):
        show(line, as_json)
    verb = next_verb(project, chosen, states)
    say(f"next: asd {verb}" if verb else "nothing to do", as_json)
    emit(states, as_json)


def next_verb(project: Project, machines: Sequence[str], states: Sequence[State]) -> str:
    """Return what to run next, such as ``"index"`` or ``"download dcase2022"``; ``""``: nothing.

    Args:
        project: the project.
        machines: the machines that are looked at.
        states: the states of the stages, in the order of the work.
    """
    from asd.download.zenodo import RECORDS

    params = project.params
    silent = [machine for machine in machines if not (project.raw / machine).is_dir()]
    if any(machine in params.synth.machines for machine in silent):
        return "synth"
    name = params.dataset.name
    # Elsewhere the recordings come from somebody's own copy, which a download would not fill.
    if silent and name in RECORDS and project.raw == project.data / "raw" / name:
        return f"download {name}"
    return next((one.stage for one in states if one.state in ("stale", "missing")), "")


def find_states(project: Project, machines: Sequence[str], chosen: bool = False) -> Iterator[State]:
    """Yield the state of every stage, in the order of the work.

    Args:
        project: the project.
        machines: the machines to look at.
        chosen: whether they are only some, so that stages over all machines are left out.
    """
    from asd.cli import status_inputs as inputs
    from asd.cli import status_results as results

    yield from (inputs.index_state(project, machine) for machine in machines)
    if not chosen:
        yield inputs.checkpoint_state(project)
    yield from (inputs.features_state(project, machine) for machine in machines)
    yield from (results.models_state(project, machine) for machine in machines)
    if project.params.joint:
        yield results.models_state(project, ALL)
    yield from (results.banks_state(project, machine) for machine in machines)
    yield from (results.scores_state(project, machine) for machine in machines)
    if not chosen:
        yield results.figures_state(project)
        yield results.report_state(project)


def table(states: Sequence[State]) -> list[str]:
    """Return a line a stage and machine: what it is, its state, what is there and why."""
    stage = max(len(state.stage) for state in states)
    machine = max(len(state.machine) for state in states)
    return [
        f"{state.stage:<{stage}}  {state.machine:<{machine}}  {state.state:<7}"
        f"  {'; '.join(filter(None, [state.there, *state.reasons]))}".rstrip()
        for state in states
    ]

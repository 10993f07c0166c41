"""synth: the demo's machine sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.errors import UsageError, unknown_name
from asd.stages import each
from asd.stages.check import check
from asd.workspace import Workspace

FOLDER = Path("data") / "raw" / "demo"
"""Where the sound of the demo goes; the stage's output, whatever recordings the params name."""


@dataclass(frozen=True)
class Synthesised:
    """What was synthesised: the machine, how many clips of how many seconds, and where."""

    machine: str
    clips: int
    seconds: float
    path: Path


def run(workspace: Workspace, machines: Sequence[str] = ()) -> Iterator[Synthesised]:
    """Synthesise the sound of machines (default: all of ``synth.machines``) into the raw folder.

    The same parameters give the same files. A folder that holds other recordings is left alone.

    Raises:
        UsageError: a machine is not one of ``synth.machines``.
        JobError: the folder holds other recordings, or cannot be written.
    """
    check(workspace)
    config = workspace.params.synth
    for name in machines:
        if not config.machines:
            raise UsageError(
                "pipeline/params.yaml: synth.machines: none, as recordings are given;"
                " run 'asd init demo' for synthesised ones"
            )
        if name not in config.machines:
            raise unknown_name("machine of synth.machines", name, config.machines)
    # DVC wants the output of a stage to be there, where recordings are given too.
    (workspace.root / FOLDER).mkdir(parents=True, exist_ok=True)

    def work(machine: str) -> Iterator[Synthesised]:
        from asd.synth.dataset import synthesise_machine

        clips = synthesise_machine(workspace.raw, machine, config)
        yield Synthesised(machine, clips, config.seconds, workspace.raw / machine)

    yield from each(dict.fromkeys(machines) or config.machines, work)

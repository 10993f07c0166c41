"""asd extract: features of the usable clips into the store, and only what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, feature_option, json_option, machine_option, tell
from asd.errors import UsageError
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.extraction import Account


@click.command()
@machine_option
@feature_option
@click.option("--workers", type=click.IntRange(0), help="Processes (default: of params.yaml).")
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler to compute on.")
@json_option
def command(
    machines: tuple[str, ...], features: tuple[str, ...], workers: int | None, scheduler: str | None
) -> None:
    """Compute features into the store; rows that are there already are kept.

    Without --feature, those that a model of the params reads; where none reads a log-mel, also one
    for the pictures of the report. What is there of others stays.

    \b
    Examples:
      asd extract --machine valve --feature logmel
      asd extract --workers 8
      asd extract --scheduler tcp://10.0.0.1:8786
    """
    from asd.stages.extract import run

    workspace = Workspace.find()
    if workers and scheduler:
        raise UsageError("--workers and --scheduler: give one of them")
    tell(run(workspace, machines, features, workers, scheduler), _line)


def _line(account: Account) -> str:
    parts = [
        f"{account.machine} {account.feature}: computed {counted(account.computed, 'clip')}",
        f"reused {account.reused:,}",
        f"rejected {account.rejected:,}",
    ]
    if account.removed:
        parts.append(f"removed {counted(account.removed, 'shard')} no longer in the index")
    return ", ".join(parts) + f" ({account.seconds:.1f} s)"

"""asd download: a challenge data set from its owners into data/raw."""

from __future__ import annotations

from pathlib import Path

import click

from asd.cli.output import counted, emit, json_option, machine_option, many, say
from asd.download.dataset import DEFAULT_PARTS, Outcome, download
from asd.download.zenodo import PARTS, ZENODO
from asd.workspace import Workspace


@click.command()
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@many(
    "part",
    f"Part of the data set: {', '.join(PARTS)} "
    f"(repeatable; default: {' and '.join(DEFAULT_PARTS)}).",
)
@machine_option
@click.option(
    "--mirror",
    default=ZENODO,
    show_default=True,
    metavar="URL",
    help="Server that answers as Zenodo does.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to make DATASET/MACHINE/... in (default: data/raw of the project).",
)
@json_option
def command(
    datasets: tuple[str, ...],
    parts: tuple[str, ...],
    machines: tuple[str, ...],
    mirror: str,
    to: Path | None,
) -> None:
    """Fetch challenge data from Zenodo, checked against its checksums, and extract it.

    An interrupted download goes on where it ended, and what is there is not fetched again.

    \b
    Example:
      asd download dcase2022 --machine valve --machine fan
    """
    to = to or Workspace.find().data / "raw"
    outcomes = []
    for dataset in dict.fromkeys(datasets):
        outcome = download(
            dataset, to, parts=parts or DEFAULT_PARTS, machines=machines, mirror=mirror
        )
        outcomes.append(outcome)
        say(_line(outcome))
    emit(outcomes)


def _line(outcome: Outcome) -> str:
    where = f"{outcome.dataset}: {outcome.folder}"
    if not outcome.fetched:
        return f"{where}: nothing to do, {counted(len(outcome.kept), 'archive')} there already"
    line = (
        f"{where}: fetched {counted(len(outcome.fetched), 'archive')}"
        f" ({outcome.received / 1e9:.2f} GB), extracted {counted(outcome.files, 'file')}"
    )
    return line + f"; {len(outcome.kept):,} there already" if outcome.kept else line

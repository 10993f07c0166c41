"""What every verb shares: its options, and how it says what it did."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from asd.cli.completion import names
from asd.errors import AsdError
from asd.progress import QUIET, verbosity

if TYPE_CHECKING:
    from asd.training.train import Training

T = TypeVar("T")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DEFAULT_SYSTEM = (
    "System (default: the fusion `selected` where there is one, else the last with the scorer"
    " cosine, else the only one)."
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def many(option: str, help_text: str) -> Decorator:
    """Return a repeatable option that names things; none given means all."""
    plural = f"{option}s"
    return click.option(
        f"--{option}",
        plural,
        multiple=True,
        metavar="NAME",
        help=help_text,
        shell_complete=names(plural),
    )


def single(option: str, help_text: str) -> Decorator:
    """Return an option that names one thing."""
    return click.option(
        f"--{option}", metavar="NAME", help=help_text, shell_complete=names(f"{option}s")
    )


machine_option = many("machine", "Machine type (repeatable; default: all of the data set).")
model_option = many("model", "Model of params.yaml (repeatable; default: all).")
system_option = many("system", "System of params.yaml (repeatable; default: all).")
feature_option = many("feature", "Feature of params.yaml (repeatable; default: all).")


detector_option = click.option(
    "--detector",
    "exported",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A file that asd export wrote; no workspace is needed then.",
)
seeds_option = click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many."
)


def say(line: str, as_json: bool) -> None:
    """Print a summary line on standard output, unless JSON is wanted there or `-q` is given."""
    if verbosity() > QUIET:
        show(line, as_json)


def show(line: str, as_json: bool) -> None:
    """Print a line that the command was called for, unless JSON is wanted on standard output."""
    if not as_json:
        click.echo(line)


def emit(results: Sequence[Any], as_json: bool) -> None:
    """Print results (dataclasses or mappings) as one JSON array, if JSON is wanted."""
    if as_json:
        rows = [asdict(r) if is_dataclass(r) and not isinstance(r, type) else r for r in results]
        click.echo(json.dumps(rows, indent=2, default=str))


def tell(results: Iterable[T], line: Callable[[T], str], as_json: bool) -> None:
    """Say what a stage did, item by item as it comes; as JSON when all is done, failed or not.

    Raises:
        AsdError: what the stage raises.
    """
    found: list[T] = []
    try:
        for one in results:
            found.append(one)
            say(line(one), as_json)
    except AsdError:
        if found:
            emit(found, as_json)
        raise
    emit(found, as_json)


def counted(number: int, noun: str) -> str:
    """Return ``"1 clip"`` or ``"2 clips"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def trained_line(result: Training) -> str:
    """Say what a training did."""
    what = f"{result.machine} {result.model}"
    if result.task == "nothing":
        return f"{what}: nothing to train"
    if not result.epochs and not result.resumed:
        return f"{what}: reused"
    task = f"classes: {result.classes} {result.task}" if result.classes else result.task
    line = (
        f"{what}: trained {counted(result.epochs, 'epoch')} on {counted(result.clips, 'clip')},"
        f" {task}"
    )
    if result.attribute_classes:
        line += f" and {result.attribute_classes} attributes"
    if result.resumed:
        line += f", after {result.resumed} of an interrupted run"
    return line + f" ({result.seconds:.1f} s)"

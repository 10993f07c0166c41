"""What every verb shares: its options, and how it says what it did."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from asd.cli.completion import names
from asd.errors import AsdError
from asd.progress import QUIET, verbosity
from asd.progress import counted as counted

T = TypeVar("T")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_JSON = "asd.json"  # of the context of a command


def _ask_for_json(context: click.Context, option: click.Parameter, given: bool) -> None:
    context.meta[_JSON] = given


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_ask_for_json,
    help="Print the result as JSON.",
)


def wants_json() -> bool:
    """Return whether the command that runs was given :data:`json_option`."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_JSON, False)


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


one_machine_option = single("machine", "Machine type (default: the only one).")
_one_system_option = single(
    "system",
    "System (default: the fusion `selected` where there is one, else the last with the scorer"
    " cosine, else the only one).",
)
_exported_option = click.option(
    "--detector",
    "exported",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A file that asd export wrote; no workspace is needed then.",
)
_section_option = click.option(
    "--section", metavar="NN", help="The unit that is heard, if it is known."
)
seeds_option = click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many."
)


def machine_and_system(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options ``machine`` and ``system``."""
    return one_machine_option(_one_system_option(command))


def detector_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options ``machine``, ``system``, ``exported`` and ``section``."""
    return machine_and_system(_exported_option(_section_option(command)))


def say(line: str) -> None:
    """Print a summary line on standard output, unless JSON is wanted there or `-q` is given."""
    if verbosity() > QUIET:
        show(line)


def show(line: str) -> None:
    """Print a line that the command was called for, unless JSON is wanted on standard output."""
    if not wants_json():
        click.echo(line)


def emit(results: Sequence[Any]) -> None:
    """Print results (dataclasses or mappings) as one JSON array, if JSON is wanted."""
    if wants_json():
        rows = [asdict(r) if is_dataclass(r) and not isinstance(r, type) else r for r in results]
        click.echo(json.dumps(rows, indent=2, default=str))


def tell(results: Iterable[T], line: Callable[[T], str]) -> None:
    """Say what a stage did, item by item as it comes; as JSON when all is done, failed or not.

    Raises:
        AsdError: what the stage raises.
    """
    found: list[T] = []
    try:
        for one in results:
            found.append(one)
            say(line(one))
    except AsdError:
        if found:
            emit(found)
        raise
    emit(found)

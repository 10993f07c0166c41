"""What every verb shares: its options, and how it says what it did."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import click

from asd.cli.completion import names
from asd.progress import QUIET, verbosity

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

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


def counted(number: int, noun: str) -> str:
    """Return ``"1 clip"`` or ``"2 clips"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

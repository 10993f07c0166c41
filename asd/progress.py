"""What long work says while it runs: a bar on a terminal, lines where they are asked for.

How much is said is one setting for the whole command, :func:`verbosity`: quiet, normal or verbose.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Protocol

QUIET, NORMAL, VERBOSE = -1, 0, 1
# Of the context, not of the process: two commands that run beside each other do not disturb it.
_LEVEL: ContextVar[int] = ContextVar("verbosity", default=NORMAL)


class Advance(Protocol):
    """What work calls to report progress."""

    def __call__(self, done: int = 1, /, **notes: object) -> None: ...


def verbosity() -> int:
    """Return how much is to be said: :data:`QUIET`, :data:`NORMAL` or :data:`VERBOSE`."""
    return _LEVEL.get()


def set_verbosity(level: int) -> None:
    """Set how much is to be said from now on, in this thread or context."""
    _LEVEL.set(level)


def detail(line: str) -> None:
    """Print a line on standard error if much is to be said."""
    if verbosity() >= VERBOSE:
        print(line, file=sys.stderr, flush=True)


def note(line: str) -> None:
    """Print what a user should know on standard error, once a process; nothing if quiet."""
    if verbosity() > QUIET:
        _print_once(f"note: {line}")


@cache
def _print_once(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def counted(number: int, noun: str) -> str:
    """Return ``"1 clip"`` or ``"2 clips"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@contextmanager
def progress(total: int, what: str, unit: str = "clip") -> Iterator[Advance]:
    """Show a bar on standard error while the block runs; nothing when it is not a terminal.

    A verbose command gets lines instead, on a terminal or not: one for each step that has notes,
    and one at the end.

    Args:
        total: how many units the work has in all.
        what: the label at the left of the bar.
        unit: the unit counted, in the singular.

    Yields:
        A function to call with the number of units done, and notes to show at the right.
    """
    if verbosity() >= VERBOSE:
        yield from _lines(total, what, unit)
        return
    if verbosity() <= QUIET or not sys.stderr.isatty():
        yield lambda done=1, /, **notes: None
        return
    from tqdm import tqdm

    scaled = unit == "B"
    with tqdm(
        total=total, desc=what, unit=unit, unit_scale=scaled, leave=False, dynamic_ncols=True
    ) as bar:

        def advance(done: int = 1, /, **notes: object) -> None:
            if notes:
                bar.set_postfix({key: str(value) for key, value in notes.items()}, refresh=False)
            bar.update(done)

        yield advance


def _lines(total: int, what: str, unit: str) -> Iterator[Advance]:
    count, started = 0, time.monotonic()

    def advance(done: int = 1, /, **notes: object) -> None:
        nonlocal count
        count += done
        if notes:
            said = ", ".join(f"{key} {value}" for key, value in notes.items())
            detail(f"{what}: {unit} {count:,} of {total:,}, {said}")

    yield advance
    seconds = time.monotonic() - started
    detail(f"{what}: {counted(count, unit)} in {seconds:.1f} s")

"""The errors a user meets: one line each, with the file, the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AsdError(Exception):
    """Base of the package's own errors. ``exit_code`` is the status of the command line."""

    exit_code = 1


class JobError(AsdError):
    """A job that was asked for correctly and failed (exit code 1)."""


class UnreadableError(JobError):
    """The system does not give a file's bytes now, which says nothing of what is in it."""


class UsageError(AsdError):
    """Wrong use: an unknown name, a missing folder, an impossible value (exit code 2)."""

    exit_code = 2


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not among ``known``, with the nearest one if any.

    Example:
        >>> str(unknown_name("machine", "vavle", ["fan", "valve"]))
        "unknown machine 'vavle' (did you mean 'valve'?); known: fan, valve"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    listed = ", ".join(names) if names else "none"
    return UsageError(f"unknown {kind} '{name}'{hint}; known: {listed}")


def one_line(said: object) -> str:
    """Return what another library says, such as its error, without line ends."""
    return " ".join(str(said).split())


def refusal(error: object) -> str:
    """Return what the system says when it refuses, without the numbers and names around it."""
    return getattr(error, "strerror", None) or one_line(error)

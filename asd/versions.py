"""The versions that an artifact was made with, and how they differ from those that are here."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from asd import __version__
from asd.progress import note

# What the last bits of an artifact depend on.
_DECISIVE = ("asd", "torch", "transformers", "numpy")


def versions(*libraries: str) -> dict[str, str]:
    """Return the versions of this package, of Python and of libraries, for an artifact to name.

    Example:
        >>> sorted(versions("numpy"))
        ['asd', 'numpy', 'python']
    """
    return {
        "asd": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in libraries},
    }


def drift(recorded: Mapping[str, Any]) -> list[str]:
    """Return which of the recorded versions are not those of here, by major and minor number.

    Example:
        >>> drift({**versions("numpy"), "python": "2.7"})
        []
    """
    found = []
    for name in _DECISIVE:
        try:
            here = __version__ if name == "asd" else version(name)
        except PackageNotFoundError:
            continue
        made = " ".join(str(recorded.get(name, here)).split())
        if made.split(".")[:2] != here.split(".")[:2]:
            found.append(f"{name} {made} (here {here})")
    return found


def tell_drift(kind: str, recorded: Any) -> None:
    """Say once on standard error if an artifact was made with other versions; never fails.

    Args:
        kind: what it is, such as ``"model"``.
        recorded: the versions that it names.
    """
    changed = drift(recorded) if isinstance(recorded, Mapping) else []
    if changed:
        note(f"a {kind} was made with {', '.join(changed)}; last digits may differ")


def tell_drift_of(kind: str, path: Path) -> None:
    """Do so with the versions that a record names, a JSON file; it may be missing or damaged."""
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))["versions"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return
    tell_drift(kind, recorded)

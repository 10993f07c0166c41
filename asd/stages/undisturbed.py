"""What a stage that DVC runs was given, and whether it is that still when the stage ends.

DVC looks at params and dependencies when a stage has ended. Where they were changed while it ran,
by a person, by `asd select` or by another run, DVC would take the new ones for those that the
outputs were made of, and never make them anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asd.artifact import stamp_of
from asd.errors import JobError
from asd.workspace import PARAMS

_Seen = dict[str, Any]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let a stage of ``dvc.yaml`` in the current folder fail if what it depends on changes.

    Raises:
        JobError: it changed while the block ran.
    """
    stage = os.environ.get("DVC_STAGE", "")
    before = _seen(stage) if stage else {}
    yield
    after = _seen(stage) if stage else {}
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    if changed:
        raise JobError(
            f"{', '.join(changed)}: changed while '{stage}' ran, which DVC would not notice; what"
            " was made is kept: run 'dvc repro' again"
        )


def _seen(stage: str) -> _Seen:
    """Return what a stage depends on: values of the params, and what tells files apart."""
    from asd.yaml_text import read_yaml

    try:
        values = read_yaml(PARAMS.read_bytes())
        of = read_yaml(Path("dvc.yaml").read_bytes())["stages"][stage]
        keys = [key for one in of.get("params", ()) for key in one.get(PARAMS.as_posix()) or values]
        seen: _Seen = {f"{PARAMS}: {key}": _value(values, key) for key in keys}
        for text in of.get("deps", ()):
            name = str(_value(values, text[2:-1])) if text.startswith("${") else text
            seen[name] = stamp_of(sorted(_files(Path(name))))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # a stage of another's making, of which DVC itself says what is wrong
    return seen


def _value(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part)
    return values


def _files(path: Path) -> Iterator[Path]:
    """Yield the files that lie at a path or below and are not hidden."""
    below = (Path(folder) / one for folder, _, names in os.walk(path) for one in names)
    for one in (path,) if path.is_file() else below:
        if not one.name.startswith("."):
            yield one

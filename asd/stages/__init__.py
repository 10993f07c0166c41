"""The stages: one file each, in the order of the work, each a request and a run.

A stage is one arrow of the journey of a recording, one DVC stage, one `asd` verb and one function
``run(workspace, ...)`` here, which works without DVC. ``run`` yields what it did, item by item;
what is current by its record is kept. An item that fails is told at the end and stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from asd.artifact import Request, lack, surplus
from asd.errors import AsdError, JobError, UsageError, refusal

STAGES = ("synth", "index", "finetune", "extract", "train", "embed", "score", "evaluate", "report")

T = TypeVar("T")
Item = TypeVar("Item")
_SHOWN = 10


def each(items: Iterable[Item], work: Callable[[Item], Iterator[T]]) -> Iterator[T]:
    """Yield what is done for each item; what fails is told when all the others are done.

    Raises:
        AsdError: an item failed: its own error if there is one item; else one line for each
            failure, as wrong use where nothing else came of it, and otherwise as a failed job.
    """
    failed: list[AsdError] = []
    tried = 0
    for item in items:
        tried += 1
        try:
            yield from work(item)
        except AsdError as error:
            failed.append(error)
        except OSError as error:  # of one file, which is no reason to stop the others
            where = f"{error.filename}: " if error.filename else ""
            failed.append(JobError(f"{where}{refusal(error)}"))
    if not failed:
        return
    if tried == 1:
        raise failed[0]
    lines = list(dict.fromkeys(str(error) for error in failed))
    hidden = len(lines) - _SHOWN
    shown = lines[:_SHOWN] + ([f"... and {hidden} more failures"] if hidden > 0 else [])
    wrong_use = len(failed) == tried and all(isinstance(one, UsageError) for one in failed)
    raise (UsageError if wrong_use else JobError)("\n".join(shown))


def lack_of(path: Path, request: Callable[[], Request]) -> str:
    """Say why an artifact is not the one that is asked for now; ``""`` where it is.

    Args:
        path: its record.
        request: returns what is asked for, or raises AsdError, whose text is then the reason.
    """
    if not path.exists():
        return "missing"
    try:
        return lack(path, request())
    except AsdError as error:
        return str(error)


@dataclass(frozen=True)
class Named:
    """What the params name of the outputs of a stage.

    Attributes:
        folder: of the outputs.
        names: by the name of a folder in it, those of the folders and files there.
    """

    folder: Path
    names: Mapping[str, Collection[str]]

    def others(self) -> list[Path]:
        """Return what lies there and is not named: in the folder, and in those that are named."""
        found = surplus(self.folder, lambda path: path.name in self.names)
        for name, below in self.names.items():
            found += surplus(self.folder / name, lambda path, of=below: path.name in of)  # type: ignore[misc]
        return found

"""A progress bar on long work: clips per second and time left on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """What work calls to report progress."""

    def __call__(self, done: int = 1, /, **notes: object) -> None: ...


@contextmanager
def progress(total: int, what: str, unit: str = "clip") -> Iterator[Advance]:
    """Show a bar on standard error while the block runs; nothing when it is not a terminal.

    Args:
        total: how many units the work has in all.
        what: the label at the left of the bar.
        unit: the unit counted, in the singular.

    Yields:
        A function to call with the number of units done, and notes to show at the right.
    """
    if not sys.stderr.isatty():
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

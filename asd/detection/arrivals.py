"""Recordings as they arrive in a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from asd.clips.scan import find_recordings


def arrivals(
    folder: Path, seconds: float = 1.0, wait: Callable[[float], None] = time.sleep
) -> Iterator[Path]:
    """Yield recordings that come to be below a folder, each once it has stopped growing.

    What is there at the start is passed over. A file counts as finished when its size and time of
    change are the same at two looks, and again as new when they change later.

    Args:
        folder: the folder; hidden files in it are passed over, so that a recorder may write
            ``.name.part`` and rename it.
        seconds: between two looks.
        wait: what waits; for tests.
    """
    done = _look(folder)
    before = dict(done)
    while True:
        wait(seconds)
        now = _look(folder)
        for path, state in now.items():
            if state[0] and state == before.get(path) and state != done.get(path):
                done[path] = state
                yield path
        before = now


def _look(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the size and time of change of each recording, by path, in the order of names."""
    found = {}
    for recording in find_recordings(folder):
        try:
            status = recording.file.stat()
        except OSError:
            continue  # Gone in the meantime.
        if not recording.problem:
            found[recording.file] = (status.st_size, status.st_mtime_ns)
    return found

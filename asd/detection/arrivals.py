"""Sound as it arrives: recordings in a folder, and raw samples from a pipe."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from asd.clips.scan import find_recordings
from asd.errors import AsdError
from asd.progress import note

Form = Literal["s16le", "s32le", "f32le"]
FORMS: dict[str, tuple[str, float]] = {
    "s16le": ("<i2", 2**15),
    "s32le": ("<i4", 2**31),
    "f32le": ("<f4", 1),
}
"""Raw samples as FFmpeg calls them: how they are stored, and what is full scale."""

_State = tuple[int, int, int, int]
_QUEUE = 6


@dataclass(frozen=True, eq=False)
class Arrival:
    """Something that arrived.

    Attributes:
        name: the recording's path, or where a clip begins in a stream.
        samples: of a clip of a stream, (n,) or (n, channels) float of full scale 1; None of a file.
        waiting: how many more are there already.
        lost: how many clips of the stream were dropped before this one, as nobody took them.
    """

    name: str
    samples: np.ndarray | None = None
    waiting: int = 0
    lost: int = 0


def arrivals(
    folder: Path,
    seconds: float = 1.0,
    settle: float = 0.0,
    existing: bool = False,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Arrival | None]:
    """Yield recordings that come to be below a folder, each once it is written; None at each look.

    What is there at the start is passed over, which is said. A recording is written when it is the
    same at two looks, and for ``settle`` seconds, and no process has it open for writing, as far as
    the system tells. It comes again when it is another: also one of the same size and time, put in
    its place. A folder that is gone, or that cannot be listed now, is waited for.

    Args:
        folder: the folder; hidden files in it are passed over, so that a recorder may write
            ``.name.part`` and rename it.
        seconds: between two looks.
        settle: for which a file has to rest; for recorders that pause on a network's disk.
        existing: what is there at the start comes too.
        wait: what waits; for tests.
        clock: what tells the time in seconds; for tests.
    """
    before: dict[Path, tuple[_State, float]] = {}
    done: dict[Path, _State] | None = {} if existing else None
    while True:
        now, time_now = _look(folder), clock()
        if now is None:  # what is known of it stays known, or all of it would come anew
            yield None
            wait(seconds)
            continue
        if done is None:
            done = now
            if done:
                there = f"what is there already ({len(done)})"
                note(f"{folder}: {there} is passed over; --existing scores it")
        seen = {
            path: (state, before[path][1] if before.get(path, (None,))[0] == state else time_now)
            for path, state in now.items()
        }
        ready = [
            path
            for path, (state, since) in seen.items()
            if state != done.get(path)
            and before.get(path, (None,))[0] == state
            and time_now - since >= settle
            and not _is_being_written(path)
        ]
        for number, path in enumerate(ready, start=1):
            done[path] = now[path]
            yield Arrival(str(path), waiting=len(ready) - number)
        if now or folder.is_dir():  # what is gone is forgotten, but not with the whole folder
            done = {path: state for path, state in done.items() if path in now}
        before = seen
        yield None
        wait(seconds)


def _look(folder: Path) -> dict[Path, _State] | None:
    """Return what tells each recording from another in its place, by path, in order of names.

    None where the folder is there and something in it cannot be listed, which is said.
    """
    found = {}
    try:
        recordings = find_recordings(folder)
    except (AsdError, OSError) as error:
        if not folder.is_dir():
            return {}
        note(f"{error}; until it can be, nothing in {folder} is scored")
        return None
    for recording in recordings:
        with suppress(OSError):  # gone in the meantime, or a link to nothing
            if recording.problem:
                note(f"{folder / recording.place}: {recording.problem}; it is not scored")
                continue
            one = recording.file.stat()
            if one.st_size:
                state = one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns
                found[recording.file] = state
    return found


def _is_being_written(path: Path) -> bool:
    """Whether a process has a file open for writing; False where the system does not tell.

    Linux refuses a lease for reading then. It grants none for another user's file, or on some
    network disks.
    """
    import fcntl

    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        with path.open("rb") as file:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def stream(
    source: BinaryIO, rate: int, channels: int, form: Form, seconds: float, poll: float = 1.0
) -> Iterator[Arrival | None]:
    """Yield consecutive clips of raw samples as they come; None every ``poll`` seconds without one.

    A thread reads, so that the source is never held up. What nobody takes in time is dropped, the
    oldest first, and told with the next clip. It ends where the source ends, with a clip that ends
    there; a source of less than a clip is said to be one.

    Args:
        source: what is read.
        rate: samples a second and channel.
        channels: interleaved.
        form: a key of :data:`FORMS`.
        seconds: of a clip.
        poll: how long a clip is waited for.
    """
    kind, full = FORMS[form]
    width = np.dtype(kind).itemsize * channels
    frames = round(seconds * rate)
    clips: queue.Queue[tuple[int, int, bytes] | None] = queue.Queue(_QUEUE)

    def put(number: int, begin: int, data: bytes) -> None:
        with suppress(queue.Empty):
            if clips.full():
                clips.get_nowait()
        clips.put((number, begin, data))

    def read() -> None:
        number, before = 0, b""
        while len(data := source.read(frames * width)) == frames * width:
            put(number, number * frames, data)
            number, before = number + 1, data
        more = len(data) // width
        if before and more:
            last = (before + data[: more * width])[-frames * width :]
            put(number, (number - 1) * frames + more, last)
        elif not before:
            note(f"-: {more / rate:g} s of sound came, and a clip has {seconds:g} s: not scored")
        clips.put(None)

    threading.Thread(target=read, daemon=True).start()
    expected = 0
    while True:
        try:
            found = clips.get(timeout=poll)
        except queue.Empty:
            yield None
            continue
        if found is None:
            return
        number, begin, data = found
        samples = np.frombuffer(data, kind).reshape(-1, channels).astype(np.float32) / full
        name = f"-#t={begin / rate:g}"
        heard = samples[:, 0] if channels == 1 else samples
        yield Arrival(name, heard, clips.qsize(), number - expected)
        expected = number + 1

"""The recordings that a user names: files, folders, and paths from standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asd.cli.output import counted
from asd.clip_table import window_place
from asd.errors import AsdError, JobError, UsageError, refusal
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.clips.audio import Limits, Signal
    from asd.detection.recording import Recording

sounds_argument = click.argument("sounds", nargs=-1, metavar="FILE|DIR|-...")


class Complaints:
    """Recordings that cannot be used: a line each on standard error, and how many there were.

    Attributes:
        count: how many.
        absent: how many of them are not there at all.
    """

    def __init__(self) -> None:
        self.count = self.absent = 0

    def add(self, problem: object) -> None:
        """Say what is wrong with one."""
        self.count += 1
        click.echo(f"asd: {problem}", err=True)

    def add_absent(self, path: Path) -> None:
        """Say that there is no such recording."""
        self.absent += 1
        self.add(absent(path))

    @property
    def exit_code(self) -> int:
        """0 for no complaint; 2, wrong use, where only names were wrong; else 1."""
        if not self.count:
            return 0
        return 2 if self.absent == self.count else 1


def absent(path: Path) -> str:
    """Say that nothing is at a path that the user named."""
    return f"{path}: no such file or folder"


def is_there(path: Path) -> bool:
    """Whether a path is a file or folder, or a window of a file."""
    return path.exists() or Path(window_place(str(path))[0]).is_file()


def find_sounds(sounds: Sequence[str], complaints: Complaints) -> list[Path]:
    """Return the files that are named, those of folders by path; ``-`` reads paths from stdin.

    A named file is tried whatever it is called; of a folder, the recordings below it are taken.
    ``long.wav#t=70``, as names of windows are printed, is the clip from 70 s on.

    What is not there, or cannot be looked at, is complained of and passed over.

    Raises:
        UsageError: nothing is named.
    """
    if not sounds:
        raise UsageError("no recordings: name files, folders, or - for paths on standard input")
    found: list[Path] = []
    for name in _names(sounds):
        path = Path(name)
        try:
            if path.is_dir():
                found.extend(_below(path, complaints))
            elif not is_there(path):
                complaints.add_absent(path)
            else:
                found.append(path)
        except UsageError as error:
            complaints.add(error)
        except OSError as error:
            complaints.add(f"{path}: {refusal(error)}")
    return found


def read_sounds(
    paths: Iterable[Path], signal: Signal, limits: Limits, complaints: Complaints
) -> Iterator[Recording]:
    """Read recordings; what cannot be used is complained of and passed over."""
    from asd.detection.recording import read_recording

    for path in paths:
        try:
            yield read_recording(path, signal, limits)
        except AsdError as error:
            complaints.add(error)


def read_all(
    paths: Sequence[Path],
    workspace: Workspace,
    signal: Signal,
    complaints: Complaints,
    otherwise: str,
) -> list[Recording]:
    """Read recordings that are only of use together.

    Raises:
        UsageError, JobError: some cannot be used, each with its line; ``otherwise`` says what then
            does not happen.
    """
    from asd.clips.audio import Limits

    index = workspace.params.index
    limits = Limits(index.max_seconds, index.max_channels)
    found = list(read_sounds(paths, signal, limits, complaints))
    if complaints.count:
        kind = UsageError if complaints.exit_code == 2 else JobError
        raise kind(f"{counted(complaints.count, 'recording')} cannot be used: {otherwise}")
    return found


def _names(sounds: Sequence[str]) -> Iterator[str]:
    for name in sounds:
        if name == "-":
            yield from filter(None, (line.rstrip("\r\n") for line in sys.stdin))
        else:
            yield name


def _below(folder: Path, complaints: Complaints) -> Iterator[Path]:
    from asd.clips.decoding import READABLE
    from asd.clips.scan import find_recordings

    recordings = find_recordings(folder)
    if not recordings:
        complaints.add(f"{folder}: no {READABLE} recordings in it")
    for recording in recordings:
        if recording.problem:
            complaints.add(f"{folder / recording.place}: {recording.problem}")
        else:
            yield recording.file

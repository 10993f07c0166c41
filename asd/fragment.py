"""The names of windows: a recording's name and where the window begins in it, in seconds.

The form is that of a W3C media fragment, ``long.wav#t=20`` (Media Fragments URI 1.0, section 4.2).
Rooms that know nothing of one another (the index, the scores, the ground truth) agree on it here.
"""

from __future__ import annotations

import re

_WINDOW = re.compile(
    r"(?P<recording>.+\.(?:wav|flac|ogg))#t=(?P<start>[0-9]+(?:\.[0-9]+)?)", re.I | re.S
)


def window_name(recording: str, seconds: float) -> str:
    """Return the name of the window that begins ``seconds`` after a recording's start.

    Example:
        >>> window_name("long.wav", 20.0), window_name("long.wav", 587.2985)
        ('long.wav#t=20', 'long.wav#t=587.2985')
    """
    return f"{recording}#t={seconds:.6f}".rstrip("0").rstrip(".") if seconds else f"{recording}#t=0"


def recording_of(name: str) -> str:
    """Return the name of the recording that a window is of; any other name is a recording's own.

    Example:
        >>> recording_of("long.wav#t=20"), recording_of("short.wav")
        ('long.wav', 'short.wav')
    """
    window = _window(name)
    return window["recording"] if window else name


def start_of(name: str) -> float:
    """Return where a window begins in its recording, in seconds; 0 of a whole recording.

    Example:
        >>> start_of("long.wav#t=20.5"), start_of("short.wav")
        (20.5, 0.0)
    """
    window = _window(name)
    return float(window["start"]) if window else 0.0


def _window(name: str) -> re.Match[str] | None:
    return _WINDOW.fullmatch(name) if "#" in name else None  # most names are of no window

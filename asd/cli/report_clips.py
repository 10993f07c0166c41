"""The recordings that ``asd report`` shows: their pictures, their sounds and why they score so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np

from asd.cli.project import Project
from asd.cli.report_reasons import explained
from asd.clips.record import Clip
from asd.errors import AsdError
from asd.report.choice import Choice, in_turn
from asd.report.markup import wav_uri_size
from asd.report.material import ShownClip, Sound
from asd.store import FeatureStore, Shard

# The windows (or one clip) of every usable test recording, by machine, section and name.
Recordings = Mapping[tuple[str, str, str], Sequence[Clip]]

SOUND_BYTES = 5_000_000  # of all sounds in the page, which then stays below 10 MB


def shown_clips(
    project: Project,
    choices: Mapping[str, Sequence[Choice]],
    tested: Recordings,
    systems: Mapping[str, str],
) -> dict[str, list[ShownClip]]:
    """Fetch pictures and sounds of the chosen clips; sounds as far as there is room for them.

    Args:
        project: the project.
        choices: by machine, the clips to show.
        tested: the windows of every test recording.
        systems: by machine, the system whose scores are explained.
    """
    room = SOUND_BYTES
    fetched: dict[Choice, ShownClip] = {}
    # The machines in turn, so that a long list of one leaves room for the others.
    for turn in zip_longest(*(in_turn(of_machine) for of_machine in choices.values())):
        for choice in filter(None, turn):
            windows = tested[(*choice.key, choice.name)]
            size = wav_uri_size(length_of(windows))
            sound = _sound(project, windows) if size <= room else None
            room -= size if sound else 0
            fetched[choice] = ShownClip(
                choice,
                windows[0].attributes,
                length_of(windows) / project.params.index.sample_rate,
                _picture(project, windows),
                sound,
            )
    return {
        machine: explained(project, machine, systems[machine], [fetched[one] for one in of_machine])
        for machine, of_machine in choices.items()
    }


def _picture(project: Project, windows: Sequence[Clip]) -> np.ndarray | None:
    """Return the log-mel (F, T) of a recording; of a long one the maximum of neighbouring frames.

    The loudest frame is kept, for what is short must not vanish from a picture of ten minutes.
    """
    rows = [row for clip in windows if (row := _row(project, clip, "logmel")) is not None]
    if len(rows) < len(windows):
        return None
    whole = joined(rows, windows)
    columns = rows[0].shape[-1]
    if whole.shape[-1] <= 2 * columns:
        return whole
    begins = np.linspace(0, whole.shape[-1], columns, endpoint=False).astype(int)
    return np.maximum.reduceat(whole, begins, axis=-1)


def _sound(project: Project, windows: Sequence[Clip]) -> Sound | None:
    """Return a recording from the store or from its file; None where neither is there."""
    from asd.clips.audio import Signal, read_windows

    index = project.params.index
    rows = [row for clip in windows if (row := _row(project, clip, "wave")) is not None]
    if len(rows) < len(windows):
        first = windows[0]
        try:
            signal = Signal(index.sample_rate, first.length, index.channel)
            path = project.raw / first.path
            rows = list(read_windows(path, signal, [clip.start for clip in windows]))
        except AsdError:
            return None
    return Sound(joined(rows, windows), index.sample_rate)


def length_of(windows: Sequence[Clip]) -> int:
    """Return how many samples consecutive windows of a recording cover."""
    return windows[-1].start + windows[-1].length


def joined(rows: Sequence[np.ndarray], windows: Sequence[Clip]) -> np.ndarray:
    """Join rows (..., T) of consecutive windows in time; where two overlap, the first counts."""
    parts, end = [], 0
    for row, clip in zip(rows, windows, strict=True):
        parts.append(row[..., round((end - clip.start) / clip.length * row.shape[-1]) :])
        end = clip.start + clip.length
    return np.concatenate(parts, axis=-1)


def _row(project: Project, clip: Clip, extractor: str) -> np.ndarray | None:
    """Return a clip's row of the first stored feature of an extractor; None where there is none."""
    store = FeatureStore(project.features)
    for feature, values in project.params.features.items():
        path = store.path(clip.machine, feature, clip.section, clip.split)
        if values.get("extractor") == extractor and path.is_file():
            shard = Shard.open(path)
            names = shard.column("name")
            if clip.name in names:
                return np.array(shard.features[names.index(clip.name)])
    return None

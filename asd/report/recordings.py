"""The page of one's own recordings: what was heard, what to make of it, and marks to give back.

It is for who knows the machine and not the method: first a sentence and a picture a machine, then a
row a recording that can be listened to. The page is ``recordings.html.j2`` beside this file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from asd.metrics.bootstrap import binomial
from asd.report.charts import Chart, strip_chart, trend_chart
from asd.report.layout import rendered
from asd.report.media import sound_uri, spectrogram_uris
from asd.report.scores import ANOMALY, NORMAL
from asd.report.tables import short

_TIME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)"
    r"(?:[-_T .]*([0-2]\d)[-_.:h]?([0-5]\d)(?:[-_.:m]?([0-5]\d))?)?(?!\d)"
)
_SPREAD = 3600.0  # seconds that the times of files lie apart at least, if they tell of recording


@dataclass(frozen=True, eq=False)
class Heard:
    """One recording.

    Attributes:
        path: below the raw folder, by which it is given back.
        name: by which it is called.
        section: which unit of the machine.
        is_new: whether it was scored; else it is normal training sound, scored as if it were new.
        label: ``"normal"``, ``"anomaly"`` or ``""`` where it has none.
        score, threshold: the threshold is infinite where nothing can alarm.
        time: when it was made, if that is known.
        begin, end: the deciding seconds in it.
        reason: what is unlike normal sound there, in words; ``""`` where nothing alarms.
        view: which of several views it is most unusual to; ``""`` where that is not known.
        nearest: the nearest normal recording; ``""`` where recordings are not compared.
        picture: (F, T) log-mel of the deciding clip, if the store has it.
        box: left, top, width and height in percent of that picture: what the reason is about.
        sound: the deciding seconds, as an encoded file, if the recording is there.
    """

    path: str
    name: str
    section: str
    is_new: bool
    label: str
    score: float
    threshold: float
    time: datetime | None
    begin: float
    end: float
    reason: str
    view: str
    nearest: str
    picture: np.ndarray | None
    box: tuple[float, float, float, float] | None
    sound: bytes | None

    @property
    def alarms(self) -> bool:
        """Whether it is called anomalous."""
        return self.score > self.threshold

    @property
    def margin(self) -> float:
        """How far it is above its threshold."""
        return self.score - self.threshold


@dataclass(frozen=True, eq=False)
class Listened:
    """One machine.

    Attributes:
        machine: its name.
        system: what scored it, which is what ``asd predict`` takes.
        rate: the share of normal recordings that may alarm, as asked for.
        heard: its recordings: what is new first, and what is farthest above its threshold.
        normal: (N,) margins of all training recordings, scored as if they were new.
        notes: what is not here, and why.
    """

    machine: str
    system: str
    rate: float
    heard: Sequence[Heard]
    normal: np.ndarray
    notes: Sequence[str]

    @property
    def new(self) -> list[Heard]:
        """What was scored."""
        return [one for one in self.heard if one.is_new]

    @property
    def threshold(self) -> float | None:
        """The threshold, if it is one for all."""
        known = {one.threshold for one in self.heard}
        return known.pop() if len(known) == 1 else None

    @property
    def units(self) -> int:
        """Of how many units (sections) they are."""
        return len({one.section for one in self.heard})


class Row(NamedTuple):
    """A recording as the table shows it: its picture, and its bar from 0 to 100 percent."""

    one: Heard
    picture: str | None
    sound: str | None
    bar: float
    at: float


def recording_times(names: Sequence[str], written: Sequence[float]) -> list[datetime | None]:
    """Return when recordings were made, by their names or by when their files were written.

    Args:
        names: of the recordings.
        written: the time of each file, in seconds; NaN where it is gone.

    Returns:
        All None where neither tells: copied files are all of one hour.
    """
    named = [_time_in(name) for name in names]
    if sum(one is not None for one in named) >= 0.8 * len(names) and len(set(named)) > 2:
        return named
    known = [one for one in written if not math.isnan(one)]
    if len(known) < len(written) or not known or max(known) - min(known) < _SPREAD:
        return [None] * len(names)
    return [datetime.fromtimestamp(int(one)) for one in written]


def _time_in(name: str) -> datetime | None:
    found = _TIME.search(name)
    try:
        return datetime(*(int(part) for part in found.groups() if part)) if found else None  # type: ignore[arg-type]
    except ValueError:
        return None


def sentence(found: Listened) -> str:
    """Return the first sentence on a machine: normal sound, threshold, false alarms to expect."""
    normal, cut = found.normal, found.threshold
    count = f"{len(normal)} normal recording{'s' if len(normal) > 1 else ''}"
    if not np.isfinite(normal).all():
        return f"{count} are too few to say from which score on a sound is an alarm."
    over = int((normal > 0).sum())
    shift, of = (cut, "") if cut is not None else (0.0, " above their threshold")
    low, high = short(float(normal.min()) + shift), short(float(normal.max()) + shift)
    at = f"above {short(cut)}" if cut is not None else "above 0"
    return (
        f"{count} score {low} to {high}{of}, each scored as if it were new; {at} is an alarm, which"
        f" {100 * found.rate:g} of 100 normal recordings are expected to be ({over} of these"
        f" {'is' if over == 1 else 'are'})."
    )


def outcome(found: Listened) -> str:
    """Return what came of the new recordings, in words; empty without any."""
    new = found.new
    if not new:
        return "No new recordings were scored: what follows is the normal sound itself."
    alarms = sum(one.alarms for one in new)
    parts = [f"Of {len(new)} new recording{'s' if len(new) > 1 else ''} {alarms} alarm"]
    for label, words in ((ANOMALY, "faults found"), (NORMAL, "normal ones alarm")):
        of_label = [one for one in new if one.label == label]
        if of_label:
            called = sum(one.alarms for one in of_label)
            low, high = binomial(called, len(of_label))
            bounds = f"{100 * low:.0f} to {100 * high:.0f} % at 95 % confidence"
            parts.append(f"{called} of {len(of_label)} {words} ({bounds})")
    return "; ".join(parts) + "."


def charts(found: Listened) -> list[Chart]:
    """Return the pictures of a machine: how normal sound scores, and how scores went over time."""
    cut = found.threshold
    shift = cut if cut is not None and math.isfinite(cut) else 0.0
    margins = {
        "normal, training": found.normal,
        **{
            words: np.array([one.margin for one in found.new if one.label == label])
            for label, words in ((NORMAL, "new, normal"), (ANOMALY, "new, fault"), ("", "new"))
        },
    }
    groups = {name: of + shift for name, of in margins.items() if np.isfinite(of).any()}
    if not groups:
        return []
    what = "anomaly score" if shift or cut == 0 else "anomaly score above the threshold"
    drawn = [strip_chart(found.machine, groups, shift, what)]
    dated = sorted(
        ((one.time, one) for one in found.heard if one.time and math.isfinite(one.margin)),
        key=lambda pair: pair[0],
    )
    if len({time for time, _ in dated}) > 2:
        times = [time for time, _ in dated]
        marks = [one.label if one.is_new else "training" for _, one in dated]
        scores = np.array([one.margin for _, one in dated]) + shift
        drawn.append(trend_chart(found.machine, times, scores, marks, shift, what))
    return drawn


def rows(found: Listened) -> list[Row]:
    """Return the rows of a machine's table; bars share a scale, and so do pictures."""
    margins = np.array([one.margin for one in found.heard])
    finite = margins[np.isfinite(margins)]
    low = float(finite.min()) if len(finite) else -1.0
    # A clear anomaly is far away: beyond the reach of normal sound four times, bars are full.
    high = max(min(float(finite.max(initial=0.0)), -4 * low), 1e-9)
    low = min(low, -1e-9)
    pictures = [one.picture for one in found.heard if one.picture is not None]
    uris = iter(spectrogram_uris(pictures, frames=120, bands=48))
    return [
        Row(
            one,
            None if one.picture is None else next(uris),
            None if one.sound is None else sound_uri(one.sound),
            100.0 * float(np.clip((margin - low) / (high - low), 0.01, 1))
            if math.isfinite(margin)
            else 0.0,
            100.0 * -low / (high - low),
        )
        for one, margin in zip(found.heard, margins.tolist(), strict=True)
    ]


def document(dataset: str, machines: Sequence[Listened]) -> tuple[str, dict[str, str]]:
    """Return the page as one HTML file, and its charts as SVG files by name."""
    new = sum(len(of.new) for of in machines)
    alarms = sum(one.alarms for of in machines for one in of.new)
    counts = [
        ("machine" if len(machines) == 1 else "machines", len(machines)),
        ("normal recordings", sum(len(of.normal) for of in machines)),
        ("new recordings listed", new),
        ("alarms", alarms),
    ]
    return rendered(
        "recordings",
        title=f"Recordings of {dataset}",
        heading=", ".join(of.machine for of in machines),
        counts=counts,
        machines=machines,
        any_new=new > 0,
        functions=(charts, outcome, rows, sentence, short),
        script="recordings.js",
    )

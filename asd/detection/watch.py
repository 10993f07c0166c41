"""On duty: what arrives is scored, and what becomes of the machine is told, day and night.

:class:`Watch` turns arrivals into rows, one a recording and one a change of the machine's state;
:class:`Messenger` tells somebody of a change without holding up the scoring; :class:`RowLog` keeps
rows as JSON lines in a file that rotates.
"""

from __future__ import annotations

import json
import logging.handlers
import os
import queue
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from asd.detection.arrivals import Arrival
from asd.detection.detector import Detector
from asd.detection.recording import Recording, SilentError, read_recording, recordings_of
from asd.errors import AsdError, one_line, refusal
from asd.progress import note

State = Literal["normal", "alarm", "no sound", "unlike training"]
Row = dict[str, Any]

_KNOWN = 10_000  # recordings whose contents are remembered
_TRIES, _PATIENCE = 8, 60.0
_HARMLESS = ("channels", "offset")  # remarks of what is taken off before anything is heard


@dataclass(frozen=True)
class Rule:
    """When a state is told.

    Attributes:
        needed, of: so many of the last recordings make a state.
        clear: the score that as many have to fall to before an alarm ends; None: the threshold.
        interval: least seconds between two messages of one state.
        expected: seconds without a recording that are no sound; 0 waits for ever.
        behind: so many recordings that wait are told.
    """

    needed: int = 1
    of: int = 1
    clear: float | None = None
    interval: float = 0.0
    expected: float = 0.0
    behind: int = 10


class Duty:
    """The state of a machine, from what its last recordings were.

    Args:
        rule: when a state is told.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule, self.state = rule, "normal"
        self._last: deque[str] = deque(maxlen=rule.of)
        self._scored: deque[tuple[str, float]] = deque(maxlen=rule.of)
        self._told: dict[str, float] = {}
        self._owed = False

    def hear(self, decision: str, score: float = float("-inf")) -> str:
        """Take up what a recording is, and return the state that follows.

        An alarm is made and ended by recordings that were scored, and normal is what a normal one
        makes: neither silence nor a recording unlike the training says that the machine is well.

        Args:
            decision: ``anomalous``, ``normal``, ``no sound`` or ``unlike training``.
            score: of the recording, where it has one.
        """
        self._last.append(decision)
        if decision in ("anomalous", "normal"):
            self._scored.append((decision, score))
        needed, clear = self.rule.needed, self.rule.clear
        anomalous = sum(one == "anomalous" for one, _ in self._scored)
        above = sum(clear is not None and score > clear for _, score in self._scored)
        if anomalous >= needed or (self.state == "alarm" and above >= needed):
            return "alarm"
        for odd in ("no sound", "unlike training"):
            if self._last.count(odd) >= needed:
                return odd
        # What tells nothing of the machine ends nothing.
        return "normal" if decision == "normal" else self.state

    def turn(self, state: str, now: float) -> tuple[bool, bool]:
        """Take on a state: return whether it is another one, and whether that is to be told now.

        A state that came too soon after the last message of its kind is told when the interval is
        over, if it still holds; an end is told where the beginning was.
        """
        changed, self.state = state != self.state, state
        if state == "normal":
            told, self._owed = changed and not self._owed, False
            return changed, told
        self._owed = self._owed or changed
        rested = now - self._told.get(state, float("-inf")) >= self.rule.interval
        if not (self._owed and rested):
            return changed, False
        self._owed, self._told[state] = False, now
        return changed, True


class Watch:
    """Scores what arrives and says what it was.

    Args:
        detector: of the machine.
        rule: when a state is told.
        show: takes every row.
        tell: takes the rows of changes that are to be told.
        section: the unit that is heard, if it is known.
        clock: what tells the time in seconds; for tests.
    """

    def __init__(
        self,
        detector: Detector,
        rule: Rule,
        show: Callable[[Row], None],
        tell: Callable[[Row], None] = lambda row: None,
        section: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.detector, self.duty, self.anomalous = detector, Duty(rule), 0
        self._rule, self._show, self._tell = rule, show, tell
        self._section, self._clock = section, clock
        self._refused: object = None  # the stamp of what could not be loaded
        self._heard = clock()
        _ = detector.faults  # a library that is damaged is met here, and not with each recording
        self._digests: OrderedDict[str, str] = OrderedDict()
        self._behind = False

    def run(self, source: Iterable[Arrival | None], rate: int = 0) -> None:
        """Take up arrivals until the source ends; ``rate`` is that of clips of a stream."""
        for arrival in source:
            self._take_up()
            if arrival is None:
                self._wait()
                continue
            self._heard = self._clock()
            self._tell_queue(arrival)
            row = self._judged(arrival, rate)
            if row is not None:
                self._account(row)

    def _judged(self, arrival: Arrival, rate: int) -> Row | None:
        """Return the row of an arrival; None where it is what was scored already."""
        try:
            recording = self._recording(arrival, rate)
            if recording.digest:
                if self._digests.get(arrival.name) == recording.digest:
                    return None  # touched, or written again as it was
                self._digests[arrival.name] = recording.digest
                if len(self._digests) > _KNOWN:
                    self._digests.popitem(last=False)
            (found,) = self.detector.predictions([recording], self._section)
        except SilentError as error:
            return {"recording": arrival.name, "decision": "no sound", "reason": str(error)}
        except AsdError as error:
            return {"recording": arrival.name, "decision": "unusable", "reason": str(error)}
        row: Row = asdict(found)
        row["recording"] = row.pop("name")
        row["threshold"] = found.threshold if found.threshold < float("inf") else None
        row["decision"] = "anomalous" if found.anomalous else "normal"
        if any(one["code"] not in _HARMLESS for one in row["remarks"]):
            row["decision"] = "unlike training"
            row["reason"] = "; ".join(one["text"] for one in row["remarks"])
        return row

    def _recording(self, arrival: Arrival, rate: int) -> Recording:
        detector = self.detector
        if arrival.samples is None:
            return read_recording(Path(arrival.name), detector.signal, detector.limits)
        samples = arrival.samples
        if samples.ndim == 2 and isinstance(detector.signal.channel, int):
            samples = samples[:, min(detector.signal.channel, samples.shape[1] - 1)]
        (found,) = recordings_of([(samples, rate)], detector.signal, detector.limits)
        return replace(found, name=arrival.name)

    def _account(self, row: Row) -> None:
        self.anomalous += row["decision"] == "anomalous"
        if row["decision"] == "unusable":
            self._show(self._stamped("recording", row))
            return
        state = self.duty.hear(row["decision"], row.get("score", float("-inf")))
        self._show(self._stamped("recording", row, state))
        self._turn(state, row)

    def _turn(self, state: str, row: Row) -> None:
        was = self.duty.state
        changed, told = self.duty.turn(state, self._clock())
        stamped = self._stamped("state", {**row, "was": was, "told": told}, state)
        if changed:
            self._show(stamped)
        if told:
            self._tell(stamped)

    def _wait(self) -> None:
        """Notice that nothing arrives, and owe nothing for longer than the interval."""
        silent = self._clock() - self._heard
        if self._rule.expected and silent >= self._rule.expected and self.duty.state != "alarm":
            reason = f"nothing arrived for {silent:.0f} s"
            self._turn("no sound", {"recording": "", "decision": "no sound", "reason": reason})
        elif self.duty.state != "normal":
            self._turn(self.duty.state, {"recording": "", "decision": "", "reason": "it lasts"})

    def _tell_queue(self, arrival: Arrival) -> None:
        behind = arrival.waiting >= self._rule.behind or arrival.lost > 0
        if behind and (arrival.lost or not self._behind):
            reason = f"{arrival.waiting} recordings wait: they come faster than they are scored"
            if arrival.lost:
                reason = f"{arrival.lost} clips were dropped: they come faster than they are scored"
            row = {"waiting": arrival.waiting, "lost": arrival.lost, "reason": reason}
            self._show(self._stamped("behind", row))
        self._behind = behind

    def _take_up(self) -> None:
        """Load the detector again where something was enrolled, learned, set or scored since."""
        stamp = self.detector.stamp()
        if self.detector.is_current or stamp == self._refused:
            return
        try:
            self.detector.reload()
        except (AsdError, OSError) as error:
            self._refused = stamp
            note(f"the detector of before decides on: {error}")
            return
        self._show(self._stamped("reloaded", {"reason": "what decides was changed"}))

    def _stamped(self, event: str, row: Row, state: str | None = None) -> Row:
        return {
            "time": datetime.now().astimezone().isoformat(timespec="seconds"),
            "event": event,
            "machine": self.detector.machine,
            "system": self.detector.system,
            "state": state or self.duty.state,
            **row,
        }


class Messenger:
    """Sends rows from a thread of its own, in their order; nothing waits for it.

    Args:
        send: sends one; an error that it raises is said and ends nothing.
    """

    def __init__(self, send: Callable[[Row], None]) -> None:
        self._send = send
        self._rows: queue.Queue[Row | None] = queue.Queue(100)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __call__(self, row: Row) -> None:
        """Send a row some time soon; where a hundred wait, the oldest is dropped."""
        with suppress(queue.Empty):
            if self._rows.full():
                self._rows.get_nowait()
                note("a message was dropped: a hundred wait to be sent")
        self._rows.put(row)

    def close(self, seconds: float) -> None:
        """Send what waits, as far as that takes no longer."""
        self._rows.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (row := self._rows.get()) is not None:
            try:
                self._send(row)
            except Exception as error:  # whatever it is, the next message is tried
                note(f"a message could not be sent: {one_line(error)}")


def command_of(line: str) -> Callable[[Row], None]:
    """Return what runs a command of the shell with a row as JSON on its standard input."""

    def send(row: Row) -> None:
        subprocess.run(
            line, shell=True, input=json.dumps(row) + "\n", text=True, timeout=60, check=True
        )

    return send


def webhook(url: str, backoff: float = 1.0) -> Callable[[Row], None]:
    """Return what posts a row as JSON, again and again for some minutes where that fails."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=_TRIES,
        backoff_factor=backoff,
        backoff_max=_PATIENCE,
        status_forcelist=(408, 429, 500, 502, 503, 504),
        allowed_methods=None,
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))

    def send(row: Row) -> None:
        session.post(url, json=row, timeout=10).raise_for_status()

    return send


class RowLog(logging.handlers.RotatingFileHandler):
    """Rows as JSON lines in a file that rotates; a full disk loses lines, and ends nothing.

    Args:
        path: the file; ``.1``, ``.2``, … are older ones.
        size: bytes after which it rotates.
        kept: how many older ones are kept.
    """

    def __init__(self, path: Path, size: int, kept: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, maxBytes=size, backupCount=kept, encoding="utf-8", delay=True)
        self._failing = ""
        with self._telling():  # before the first row comes, which may be days
            try:
                self.stream = self._open()
            except OSError as error:
                self._failing = refusal(error)

    def write(self, row: Row) -> None:
        """Write a row, and say it where that begins to fail, and where it works again."""
        with self._telling():
            self.handle(logging.makeLogRecord({"msg": json.dumps(row)}))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        before, self._failing = self._failing, ""
        yield
        if self._failing and not before:
            note(f"{self.baseFilename}: {self._failing}; rows are lost until it can be written")
        if before and not self._failing:
            note(f"{self.baseFilename}: can be written again")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (their name)
        """Give the file up until the next row, and take back what there is of this one."""
        self._failing = refusal(sys.exc_info()[1])
        stream, self.stream = self.stream, None
        if stream:
            with suppress(OSError):
                stream.close()  # which may write more of it
            with suppress(OSError):
                self._cut(record.getMessage().encode())

    def _cut(self, row: bytes) -> None:
        with Path(self.baseFilename).open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(row) - 1))
            begun = file.read().rpartition(b"\n")[2]
            if row.startswith(begun):
                file.truncate(size - len(begun))

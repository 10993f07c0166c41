"""The working point: how many false alarms a system may give, chosen without training or scoring.

``asd score`` decides by the rate of the params. Where a person chose another for a system and
machine, a record in ``data/thresholds/<machine>/<system>.json`` says so, and every detector that is
loaded decides by it: the scores of normal clips are kept with it, so that any rate has its
threshold, for recordings of any length. The tables of ``asd score`` stay as the params have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from asd.artifact import Request, read_if_there, write_record
from asd.atomic import remove
from asd.errors import JobError
from asd.scoring.calibration import Calibration
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.detection.feedback import Fault
    from asd.scoring.scored import FittedDetector

_MOST = 0.5  # a threshold that half of the normal recordings are above decides nothing


class WorkingPointRequest(Request):
    """The working point of a system and machine.

    Attributes:
        machine, system: whose.
        rate: the share of normal recordings that may be called anomalous.
        faults: the digest of the library that all faults are found of at this rate; ``""`` where
            the rate was given.
    """

    kind: ClassVar[str] = "working point"
    verb: ClassVar[str] = "threshold"

    machine: str
    system: str
    rate: float = Field(gt=0, lt=1)
    faults: str = ""


def working_point(workspace: Workspace, machine: str, system: str) -> WorkingPointRequest | None:
    """Return what was chosen for a system and machine; None where the params decide.

    Raises:
        JobError: the record is damaged.
    """
    found = read_if_there(workspace.working_point(machine, system), WorkingPointRequest)
    return found.asked(WorkingPointRequest) if found is not None else None


def set_working_point(workspace: Workspace, point: WorkingPointRequest) -> None:
    """Decide by a working point from now on.

    Raises:
        JobError: it cannot be written.
    """
    # At one moment: meanwhile, and after a kill, a watch would decide by the params.
    write_record(workspace.working_point(point.machine, point.system), point, [], {})


def reset_working_point(workspace: Workspace, machine: str, system: str) -> None:
    """Decide by the params again."""
    remove(workspace.working_point(machine, system))


def at_working_point(workspace: Workspace, detector: FittedDetector) -> FittedDetector:
    """Return a detector that decides by the working point of its system, if there is one."""
    point = working_point(workspace, detector.machine, detector.system)
    if point is None:
        return detector
    return replace(detector, deciding=at_rate(detector.deciding, point.rate))


def at_rate(deciding: Mapping[str, Calibration], rate: float) -> dict[str, Calibration]:
    """Return what decides, by section, at another false-alarm rate."""
    return {section: replace(one, rate=rate, known={}) for section, one in deciding.items()}


def rate_finding(deciding: Mapping[str, Calibration], faults: Iterable[Fault]) -> float:
    """Return the lowest false-alarm rate, to three digits, at which every fault is an alarm.

    It is not below 1 / (m + 1), the least that m scores of normal clips can tell of.

    Raises:
        JobError: a fault sounds as half of the normal recordings do; a line for each.
    """
    faults = list(faults)

    def missed(rate: float) -> list[Fault]:
        return [one for one in faults if not one.score > one.threshold_of(at_rate(deciding, rate))]

    if hopeless := missed(_MOST):
        raise JobError(
            "\n".join(
                f"{one.name}: scores {one.score:.4f}, as half of the normal recordings do: no"
                " working point finds it; 'asd feedback forget' takes it out"
                for one in hopeless
            )
        )
    low = 1 / (1 + max(len(one.scores) for one in deciding.values()))
    high = max(_MOST, low)
    if not missed(low):
        return low
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if missed(middle) else (low, middle)
    rounded = float(f"{high * 1.001:.3g}")
    return high if missed(rounded) else rounded

"""asd threshold: the working point of a system, shown and set."""

from __future__ import annotations

from typing import Any

import click

from asd.cli.output import emit, json_option, machine_and_system, say, show
from asd.errors import UsageError
from asd.workspace import Workspace

_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)


@click.command()
@machine_and_system
@click.option(
    "--rate",
    type=click.FloatRange(0, 0.5, min_open=True),
    metavar="R",
    help="Accept this share of false alarms, such as 0.05.",
)
@click.option("--find-faults", is_flag=True, help="As few as find all known faults.")
@click.option("--reset", is_flag=True, help="Decide by score.false_alarm_rate of the params again.")
@json_option
def command(
    machine: str | None, system: str | None, rate: float | None, find_faults: bool, reset: bool
) -> None:
    """Show what each false-alarm rate costs and finds, or set the one that decides.

    Nothing is trained or scored: the scores of the normal clips are kept. What is set holds for
    `asd predict`, `watch`, `explain`, `enroll` and `export`; the tables of `asd score` and the
    report stay as the params have them.

    \b
    Examples:
      asd threshold --machine pump
      asd threshold --machine pump --rate 0.02
      asd threshold --machine pump --find-faults
    """
    if (rate is not None) + find_faults + reset > 1:
        raise UsageError("--rate, --find-faults and --reset: give one of them")
    from asd.artifact import RECORD, read_record
    from asd.detection.detector import Detector
    from asd.detection.working_point import (
        WorkingPointRequest,
        rate_finding,
        reset_working_point,
        set_working_point,
    )

    workspace = Workspace.find()
    detector = Detector(workspace, workspace.machine(machine), system)
    of, name = detector.machine, detector.system
    if reset:
        reset_working_point(workspace, of, name)
    elif find_faults:
        if not detector.faults:
            raise UsageError(f"{of}: no faults are known; 'asd feedback fault FILE' adds one")
        library = read_record(workspace.faults(of) / RECORD).digest
        rate = rate_finding(detector.calibrations, detector.faults)
        point = WorkingPointRequest(machine=of, system=name, rate=rate, faults=library)
        set_working_point(workspace, point)
    elif rate is not None:
        set_working_point(workspace, WorkingPointRequest(machine=of, system=name, rate=rate))
    detector.reload()
    emit(_show(workspace, detector))


def _show(workspace: Workspace, detector: Any) -> list[dict[str, Any]]:
    """Print a table a section: rates, thresholds of one clip, normals above, and faults found."""
    from asd.detection.working_point import at_rate, working_point

    point = working_point(workspace, detector.machine, detector.system)
    now = point.rate if point else workspace.params.score.false_alarm_rate
    origin = "score.false_alarm_rate of the params"
    if point:
        origin = "asd threshold --find-faults" if point.faults else "asd threshold --rate"
    say(f"{detector.machine}, system {detector.system}: {100 * now:.3g} % false alarms ({origin})")
    rows = []
    for section in detector.sections:
        faults = [one for one in detector.faults if one.section == section]
        show(f"section {section}")
        show("    rate  threshold  normal clips above  known faults found")
        for rate in sorted({*_RATES, now}):
            deciding = at_rate(detector.calibrations, rate)
            limit = deciding[section].threshold().value
            scores = deciding[section].scores
            above = int((scores > limit).sum())
            found = sum(one.score > one.threshold_of(deciding) for one in faults)
            show(
                f"{'*' if rate == now else ' '} {100 * rate:>4.3g} %  {limit:>9.4f}"
                f"  {f'{above} of {len(scores)}':>18}  {f'{found} of {len(faults)}':>18}"
            )
            rows.append(
                {
                    "machine": detector.machine,
                    "system": detector.system,
                    "section": section,
                    "rate": rate,
                    "decides": rate == now,
                    "threshold": limit if limit < float("inf") else None,
                    "normal_above": above,
                    "normal": len(scores),
                    "faults_found": found,
                    "faults": len(faults),
                }
            )
    return rows

"""asd score: the test clips against the banks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, emit, json_option, machine_option, say, system_option
from asd.cli.project import Project

if TYPE_CHECKING:
    from asd.scoring.system import Scored


@click.command()
@machine_option
@system_option
@json_option
def command(machines: tuple[str, ...], systems: tuple[str, ...], as_json: bool) -> None:
    """Score test clips: a higher score means a more anomalous sound.

    Writes scores, decisions and thresholds of each system to data/scores/<system>. A section
    without training clips is reported and left unscored.
    """
    project = Project.find()
    results: list[Scored] = []
    for system in project.systems(systems):
        of_system = [
            score_system(project, system, machine) for machine in project.machines(machines)
        ]
        results.extend(of_system)
        for result in of_system:
            for section, count in sorted(result.unscored.items()):
                say(
                    f"{system} {result.machine}: section {section} has no training clips;"
                    f" {counted(count, 'test clip')} left unscored",
                    as_json,
                )
        scored = sum(result.scored for result in of_system)
        anomalous = sum(result.anomalous for result in of_system)
        say(
            f"{system}: scored {counted(scored, 'clip')} of {counted(len(of_system), 'machine')},"
            f" {anomalous:,} decided to be anomalous -> {project.score_dir(system)}",
            as_json,
        )
    emit(results, as_json)


def score_system(project: Project, system: str, machine: str) -> Scored:
    """Score one machine's test clips with one system."""
    from asd import __version__
    from asd.scoring import build
    from asd.scoring.bank import read_bank
    from asd.scoring.system import (
        Scored,
        score_bank,
        thresholds_of,
        unscored,
        write_system,
    )

    params = project.params
    definition = params.systems[system]
    folder = project.bank_dir(definition.model, machine)
    train, test = read_bank(folder / "train.h5"), read_bank(folder / "test.h5")
    scorer = build(definition.scorer, definition.settings, f"systems.{system}.settings")
    scores = score_bank(system, scorer, train, test)
    thresholds = thresholds_of(scores, params.score.threshold, params.score.false_alarm_rate)
    provenance = {
        "system": {"name": system, **definition.model_dump(mode="json")},
        "version": __version__,
        "bank": dict(train.provenance),
        "outputs": dict(test.provenance),
    }
    anomalous = write_system(project.score_dir(system), machine, scores, thresholds, provenance)
    return Scored(system, machine, len(scores.clips), unscored(train, test), anomalous)

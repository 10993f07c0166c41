"""asd score: the test clips against the banks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import counted, emit, json_option, machine_option, say, system_option
from asd.cli.project import Project
from asd.errors import JobError

if TYPE_CHECKING:
    from asd.scoring.system import Scored


@click.command()
@machine_option
@system_option
@json_option
def command(machines: tuple[str, ...], systems: tuple[str, ...], as_json: bool) -> None:
    """Score test clips: a higher score means a more anomalous sound.

    Writes scores, decisions and thresholds of each system to data/scores/<system>. A section
    without training clips is reported and left unscored. The false-alarm rate is that of
    recordings: the more clips one is cut into, the higher the threshold of its highest score. A
    fusion without members is made of what the section `select` finds best on the training clips;
    see `asd select`.
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
    from asd.scoring.bank import read_bank
    from asd.scoring.calibration import calibrations
    from asd.scoring.fusion import build_members, fit_system
    from asd.scoring.recordings import by_recording
    from asd.scoring.system import Scored, score_clips, unscored, write_system

    params, rule = project.params, project.params.score
    definition: dict[str, Any] = {"name": system}
    members = params.members(system, machine)
    if not members:
        from asd.cli.select import select_members

        members, choice = select_members(project, machine)
        definition["selection"] = choice
    models = dict.fromkeys(member.model for member in members)
    trains = {model: read_bank(project.bank_dir(model, machine) / "train.h5") for model in models}
    tests = {model: read_bank(project.bank_dir(model, machine) / "test.h5") for model in models}
    for model, train in trains.items():
        if train.provenance.get("model") != tests[model].provenance.get("model"):
            raise JobError(
                f"{project.bank_dir(model, machine)}: its banks are of different models;"
                f" run 'asd embed --machine {machine} --model {model}'"
            )
    fitted = fit_system(build_members(system, members), trains, params.join(system))
    scores = by_recording(score_clips(system, fitted, tests), rule.windows)
    deciding = calibrations(fitted, rule.threshold, rule.false_alarm_rate, rule.windows)
    definition |= {
        "members": [member.model_dump(mode="json") for member in members],
        "join": params.join(system),
    }
    provenance = {
        "system": definition,
        "version": __version__,
        "bank": {model: dict(bank.provenance) for model, bank in trains.items()},
        "outputs": {model: dict(bank.provenance) for model, bank in tests.items()},
    }
    if (scores.windows > 1).any():
        provenance["windows"] = rule.windows
    anomalous = write_system(project.score_dir(system), machine, scores, deciding, provenance)
    left_out = unscored(fitted.bank, tests[members[0].model])
    return Scored(system, machine, len(scores.clips), left_out, anomalous)

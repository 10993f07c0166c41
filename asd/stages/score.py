"""score: the test clips against the banks, and the detector that scores those to come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asd.artifact import claimed, discard, making
from asd.config import EmbedConfig, settings
from asd.memory import kept
from asd.stages import Named, each, lack_of
from asd.stages.check import check
from asd.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from asd.config import SystemConfig
    from asd.scoring.scored import ScoresRequest
    from asd.scoring.system import Fits


@dataclass(frozen=True)
class Scored:
    """What scoring a machine's test recordings came to.

    Attributes:
        system, machine: what was scored.
        scored: test recordings scored.
        unscored: test clips by section whose section has no training clips.
        anomalous: scored recordings decided to be anomalous.
    """

    system: str
    machine: str
    scored: int
    unscored: Mapping[str, int]
    anomalous: int


def run(
    workspace: Workspace, machines: Sequence[str] = (), systems: Sequence[str] = ()
) -> Iterator[Scored]:
    """Score the test clips of machines with systems (default: all of both), machine by machine.

    A higher score means a more anomalous sound. Scores that are there already of the same banks and
    settings are kept. A section without training clips is reported and left unscored.

    Raises:
        UsageError: a bank is missing, or a scorer does not go with its model.
        JobError: a bank is damaged, or the banks of a system hold different clips.
    """
    check(workspace)
    pairs = [
        (system, machine)
        for machine in workspace.machines(machines)
        for system in workspace.systems(systems)
    ]
    known = _Known("", {})
    yield from each(pairs, lambda pair: _score(workspace, *pair, known))
    if not machines and not systems and workspace.seed is None:
        discard(named(workspace).others())


def named(workspace: Workspace) -> Named:
    """Return what the params name of the scores."""
    ends = (".csv", ".h5", ".json")
    files = {f"{machine}{end}" for machine in workspace.machines() for end in ends}
    return Named(workspace.work / "scores", dict.fromkeys(workspace.systems(), files))


def request(workspace: Workspace, system: str, machine: str) -> ScoresRequest:
    """Return what the scores of a system and machine would be made of now.

    Raises:
        UsageError: a bank is missing.
        JobError: one is damaged.
    """
    from asd.scoring.bank import read_bank, read_banks_record
    from asd.scoring.scored import ScoresRequest
    from asd.stages.select import strangers

    params = workspace.params
    members = params.members(system, machine)
    models = dict.fromkeys(
        [member.model for member in members] if members else [*params.select.models]
    )
    records = {model: workspace.bank_record(model, machine) for model in models}
    others: dict[str, dict[str, str]] = {}
    if not members:
        banks = {model: read_bank(path.with_name("train.h5")) for model, path in records.items()}
        others = {
            model: {
                other: read_banks_record(path.with_name(records[model].name)).digest
                for other, path in paths.items()
            }
            for model, paths in strangers(workspace, machine, banks).items()
        }
    return ScoresRequest(
        system=system,
        machine=machine,
        members=members,
        join=params.join(system),
        rule=params.score,
        banks={model: read_banks_record(path).digest for model, path in records.items()},
        select=None if members else params.select.model_dump(mode="json"),
        strangers=others,
        plugins=_plugins(workspace, members),
    )


def lacks(workspace: Workspace, system: str, machine: str) -> str:
    """Say why the scores of a system and machine are not those asked for; ``""`` if they are."""
    path = workspace.score_record(system, machine)
    return lack_of(path, lambda: request(workspace, system, machine))


def _plugins(workspace: Workspace, members: Sequence[SystemConfig]) -> dict[str, str]:
    """Return whose the scorers and the criterion are that are not of this package, by name."""
    from asd.scoring import SCORERS
    from asd.scoring.selection import CRITERIA

    select = workspace.params.select
    scorers = [one.scorer for one in members or select.scorers.values()]
    origins = {name: SCORERS.origin(name) for name in scorers}
    if not members:
        origins[select.criterion] = CRITERIA.origin(select.criterion)
    return {name: origin for name, origin in origins.items() if origin}


@dataclass
class _Known:
    """What systems of a machine have fitted: one is often a member of another."""

    machine: str
    fits: dict[tuple[str, str], dict[str, Any]]

    def over(self, machine: str, banks: Mapping[str, str]) -> Fits:
        """Return what was fitted to the banks of a machine, whose digests are given by model."""
        if self.machine != machine:
            self.machine, self.fits = machine, {}
        return {model: self.fits.setdefault((model, of), {}) for model, of in banks.items()}


def _score(workspace: Workspace, system: str, machine: str, known: _Known) -> Iterator[Scored]:
    from asd.scoring.scored import read_scores_record

    path = workspace.score_record(system, machine)
    asked = request(workspace, system, machine)
    with claimed(path, asked) as wanted:
        if wanted:
            with kept():
                _write(workspace, asked, path, known)
    yield Scored(system, machine, **read_scores_record(path).facts["account"])


def _write(workspace: Workspace, asked: ScoresRequest, path: Path, known: _Known) -> None:
    """Score the test clips, and write the scores with the detector."""
    from asd.scoring.bank import BanksRequest, read_bank, read_banks_record
    from asd.scoring.scored import MadeBy, ScoreTable, make_detector, write_scored
    from asd.scoring.system import score_recordings, unscored
    from asd.stages.select import choose_members

    system, machine = asked.system, asked.machine
    members, facts = asked.members, dict[str, Any]()
    if not members:
        members, facts["selection"] = choose_members(workspace, machine)
    models = dict.fromkeys(member.model for member in members)
    records = {model: workspace.bank_record(model, machine) for model in models}
    trains = {model: read_bank(one.with_name("train.h5")) for model, one in records.items()}
    tests = {model: read_bank(one.with_name("test.h5")) for model, one in records.items()}
    made_by = {}
    for model, one in records.items():
        banks = read_banks_record(one).asked(BanksRequest)
        embed = settings(EmbedConfig, banks.params, str(one))
        made_by[model] = MadeBy(banks.model, embed)
    fits = known.over(machine, asked.banks)
    detector = make_detector(
        system, machine, members, asked.join, asked.rule, trains, made_by, fits
    )
    scores = score_recordings(detector.fitted, tests, asked.rule.windows)
    table = ScoreTable.of(scores, detector.deciding)
    left_out = unscored(detector.fitted.bank, tests[members[0].model])
    anomalous = int(table.anomalous.sum())
    account: dict[str, Any] = {"scored": len(table), "unscored": left_out, "anomalous": anomalous}
    with making(path, asked, "numpy", "scikit-learn", "scipy") as made:
        write_scored(made, table, detector, machine)
        made.facts |= {"account": account, **facts}

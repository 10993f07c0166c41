"""evaluate: the official numbers of the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from asd.artifact import Record, Request, claimed, lack, making, prune
from asd.errors import JobError, UsageError
from asd.metrics import results
from asd.metrics.figures import Figures, Judging
from asd.metrics.truth import read_truth
from asd.progress import note
from asd.stages.check import check
from asd.stages.index import clips_of, record_digest
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.metrics.rules import System
    from asd.metrics.truth import Key, Truth

NAME = "evaluate.json"


class FiguresRequest(Request):
    """Everything that decides the official numbers.

    Attributes:
        version: raised whenever the same request would give other numbers.
        rules: the challenge year.
        resamples, seed: of the intervals.
        index: by machine, the digest of the index, which has the truth.
        scores: by system and machine, the digests of the scores.
    """

    kind: ClassVar[str] = "figures"
    verb: ClassVar[str] = "evaluate"

    version: int = 2
    rules: str
    resamples: int
    seed: int
    index: dict[str, str]
    scores: dict[str, dict[str, str]]


def judging_of(
    workspace: Workspace,
    rules: str | None = None,
    resamples: int | None = None,
    seed: int | None = None,
) -> Judging:
    """Return by what is judged; a workspace gives what is left open.

    Raises:
        UsageError: there are no such rules.
    """
    config = workspace.params.evaluate
    return Judging(
        rules or workspace.params.dataset.rules,
        config.bootstrap if resamples is None else resamples,
        config.seed if seed is None else seed,
    )


@dataclass(frozen=True)
class Extent:
    """What can be evaluated.

    Attributes:
        machines: those that have an index and scores; of the rest nothing is known.
        systems: those that have scores of all of these machines.
        lacking: what else was asked for, and why it is left out, a line each.
    """

    machines: tuple[str, ...]
    systems: tuple[str, ...]
    lacking: tuple[str, ...]


def run(
    workspace: Workspace,
    judging: Judging | None = None,
    systems: Sequence[str] = (),
    folder: Path | None = None,
    machines: Sequence[str] = (),
) -> Figures:
    """Compute the official score of every system that is scored, with 95 % bootstrap intervals.

    What cannot be evaluated (:func:`extent`) does not keep the rest from it.

    Args:
        workspace: the workspace, or one of its seeds.
        judging: by what; by default what the params say.
        systems: the systems; none for all of the params that have scores.
        folder: where the figures go; by default ``data/reports``.
        machines: the machines; none for all that are scored.

    Raises:
        UsageError: there is no index, or there are no scores.
        JobError: a file is not what was written, or scores are not of the clips of the index.
    """
    check(workspace)
    judging = judging or judging_of(workspace)
    folder = folder or workspace.reports
    there = extent(workspace, systems, machines)
    asked = request(workspace, there, judging)
    figures = figures_of(workspace, judging, systems=systems, machines=machines)
    texts = figures.texts()
    with claimed(folder / NAME, asked) as wanted:
        if wanted:
            with making(folder / NAME, asked, "numpy") as made:
                for name, text in texts.items():
                    made.text(name, text)
    for kind in ("roc", "official"):
        # DVC wants the outputs of a stage to be there, where nothing is labelled too.
        (folder / kind).mkdir(parents=True, exist_ok=True)
        prune(folder / kind, lambda path: path.relative_to(folder).as_posix() in texts)
    return figures


def figures_of(
    workspace: Workspace,
    judging: Judging,
    scores: Path | None = None,
    ground_truth: Path | None = None,
    systems: Sequence[str] = (),
    machines: Sequence[str] = (),
) -> Figures:
    """Compute figures without writing them.

    Args:
        workspace: where scores or truth are, as far as they are not given.
        judging: by what.
        scores: a folder of official score files, of one system or of one folder a system.
        ground_truth: a folder of ground truth (:func:`asd.metrics.truth.read_truth`).
        systems, machines: which; none for all that are there.

    Raises:
        UsageError, JobError: as of :func:`run`, and of the readers of official files.
    """
    if scores is None:
        there = extent(workspace, systems, machines)
        systems, machines = there.systems, there.machines
    truth = truth_of(workspace, machines) if ground_truth is None else read_truth(ground_truth)
    if not truth:
        return Figures.of((), judging)
    if judging.rules == "2020" and any(
        domain for one in truth.values() for domain in one.domains.values()
    ):
        note(
            "the rules of 2020 know no domains, and recordings tell theirs: both are judged"
            " together; 'dataset.rules' of the params, or --rules, names another year"
        )
    if scores is None:
        return Figures.of([read_system(workspace, name, truth) for name in systems], judging)
    return Figures.of(results.read_systems(scores, truth, systems), judging)


def request(workspace: Workspace, there: Extent, judging: Judging | None = None) -> FiguresRequest:
    """Return what the figures of what can be evaluated would be made of now."""
    from asd.scoring.scored import read_scores_record

    judging = judging or judging_of(workspace)
    return FiguresRequest(
        rules=judging.rules,
        resamples=judging.resamples,
        seed=judging.seed,
        index={machine: record_digest(workspace, machine) for machine in there.machines},
        scores={
            system: {
                machine: read_scores_record(workspace.score_record(system, machine)).digest
                for machine in there.machines
            }
            for system in there.systems
        },
    )


def evaluated(workspace: Workspace, figures: Record) -> tuple[str, ...]:
    """Return the machines of the params that figures are of."""
    return tuple(one for one in workspace.machines() if one in figures.request["index"])


def lacks(workspace: Workspace) -> dict[str, str]:
    """Say of each system why its figures are not those asked for.

    Raises:
        AsdError: there is no index, or no scores.
    """
    path = workspace.reports / NAME
    systems = workspace.systems()
    if not path.exists():
        return dict.fromkeys(systems, "missing")
    there = extent(workspace)
    why = lack(path, request(workspace, there))
    more = "; ".join(there.lacking)
    return {
        system: (why or more) if system in there.systems else "not evaluated: no scores yet"
        for system in systems
    }


def extent(
    workspace: Workspace, systems: Sequence[str] = (), machines: Sequence[str] = ()
) -> Extent:
    """Return what can be evaluated of systems and machines (default: all of both).

    A system without any scores is passed over where none is chosen.

    Raises:
        UsageError: nothing can be, or a chosen system has no scores.
    """
    asked, known = workspace.machines(machines), workspace.systems(systems)
    indexed = [machine for machine in asked if workspace.index_path(machine).is_file()]
    scored = {
        name: {one for one in indexed if workspace.score_record(name, one).is_file()}
        for name in known
    }
    there = tuple(machine for machine in indexed if any(machine in of for of in scored.values()))
    if not indexed:
        record_digest(workspace, asked[0])  # which says that there is none
    missing = [name for name, of_name in scored.items() if not of_name]
    if missing and (systems or not there):
        folder = workspace.score_record(missing[0], "").parent
        hint = workspace.made_earlier or "run 'asd score' first"
        raise UsageError(f"{folder}: no scores yet; {hint}")
    lacking = [
        f"{machine}: not evaluated, as it has no {what}; run 'asd {verb} --machine {machine}'"
        for machine in asked
        if machine not in there
        for what, verb in [("scores", "score") if machine in indexed else ("index", "index")]
    ]
    whole = []
    for name, of_name in scored.items():
        if lost := [machine for machine in there if machine not in of_name]:
            remedy = f"run 'asd score --system {name}'"
            if of_name:
                lacking.append(f"{name}: not evaluated, as {lost[0]} has no scores of it; {remedy}")
        else:
            whole.append(name)
    return Extent(there, tuple(whole), tuple(lacking))


def truth_of(
    workspace: Workspace, machines: Sequence[str] = (), trained_only: bool = True
) -> dict[Key, Truth]:
    """Return the ground truth of the sections that can be scored: those with training clips.

    Args:
        workspace: the workspace.
        machines: of which (default: all).
        trained_only: else that of all sections.

    Raises:
        UsageError: there is no index.
        JobError: it is not what was written, or the windows of a recording disagree.
    """
    from asd.metrics.truth import LABELS, Truth

    chosen = workspace.machines(machines)
    every = [clip for machine in chosen for clip in clips_of(workspace, machine)]
    trained = {(c.machine, c.section) for c in every if c.usable and c.split == "train"}
    known: dict[Key, dict[str, tuple[bool | None, str]]] = {}
    unusable: dict[Key, int] = {}
    for clip in every:
        key = (clip.machine, clip.section)
        if clip.split != "test" or (trained_only and key not in trained):
            continue
        of_section = known.setdefault(key, {})
        if not clip.usable:
            unusable[key] = unusable.get(key, 0) + 1
            continue
        said = (LABELS[clip.label], clip.domain)
        if of_section.setdefault(clip.recording, said) != said:
            raise JobError(
                f"{workspace.index_path(clip.machine)}: windows of '{clip.recording}' differ in"
                " label or domain; run 'asd index' again"
            )
    return {
        key: Truth(
            *key,
            {name: label for name, (label, _) in of_section.items()},
            {name: domain for name, (_, domain) in of_section.items()},
            unusable.get(key, 0),
        )
        for key, of_section in sorted(known.items())
    }


def read_system(workspace: Workspace, name: str, truth: Mapping[Key, Truth]) -> System:
    """Join the scores of a system to the truth, recording by recording.

    Raises:
        JobError: a recording has no score, or a score is of no recording of the index.
    """
    from asd.metrics.rules import System
    from asd.scoring.scored import read_scores_record, read_table

    paths = {machine: workspace.score_record(name, machine) for machine, _ in truth}
    tables = {machine: read_table(read_scores_record(path)) for machine, path in paths.items()}
    sections, unlabelled = [], []
    for key, true in truth.items():
        if true.lack:
            unlabelled.append(true.lack)
        if not true.labels:
            continue
        table = tables[key[0]]
        rows = {table.name[row]: row for row in table.rows() if table.section[row] == key[1]}
        _check_same(paths[key[0]], true, rows)
        if not true.unlabelled:
            scores = {name: table.score[row] for name, row in rows.items()}
            decisions = {name: table.anomalous[row] for name, row in rows.items()}
            sections.append(results.joined(true, scores, decisions))
    unusable = sum(true.unusable for true in truth.values())
    return System(name, tuple(sections), tuple(unlabelled), unusable)


def _check_same(path: Path, true: Truth, rows: Mapping[str, int]) -> None:
    missing, foreign = true.labels.keys() - rows.keys(), rows.keys() - true.labels.keys()
    if missing:
        named = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        raise JobError(
            f"{path}: {len(missing)} of {len(true.labels)} clips of {true} have no score ({named});"
            " run 'asd score' again"
        )
    if foreign:
        raise JobError(
            f"{path}: clip '{min(foreign)}' of {true} is not in the index; run 'asd score' again"
        )

"""evaluate: the official numbers of the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from asd.artifact import Request, is_current, lack, making, prune
from asd.errors import JobError, UsageError
from asd.metrics.figures import Figures, Judging, figures_of_files
from asd.metrics.truth import read_truth
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
        rules: the challenge year.
        resamples, seed: of the intervals.
        index: by machine, the digest of the index, which has the truth.
        scores: by system and machine, the digests of the scores.
    """

    kind: ClassVar[str] = "figures"
    verb: ClassVar[str] = "evaluate"

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


def run(
    workspace: Workspace,
    judging: Judging | None = None,
    systems: Sequence[str] = (),
    folder: Path | None = None,
) -> Figures:
    """Compute the official score of every system that is scored, with 95 % bootstrap intervals.

    Args:
        workspace: the workspace, or one of its seeds.
        judging: by what; by default what the params say.
        systems: the systems; none for all of the params that have scores.
        folder: where the figures go; by default ``data/reports``.

    Raises:
        UsageError: there is no index, or there are no scores.
        JobError: a file is not what was written, or scores are not of the clips of the index.
    """
    check(workspace)
    judging = judging or judging_of(workspace)
    folder = folder or workspace.reports
    chosen = scored_systems(workspace, systems)
    asked = request(workspace, chosen, judging)
    figures = figures_of(workspace, judging, systems=chosen)
    texts = figures.texts()
    if not is_current(folder / NAME, asked):
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
) -> Figures:
    """Compute figures without writing them.

    Args:
        workspace: where scores or truth are, as far as they are not given.
        judging: by what.
        scores: a folder of official score files, of one system or of one folder a system.
        ground_truth: a folder of ground truth (:func:`asd.metrics.truth.read_truth`).
        systems: the systems; none for all that are there.

    Raises:
        UsageError, JobError: as of :func:`run`, and of the readers of official files.
    """
    truth = truth_of(workspace) if ground_truth is None else read_truth(ground_truth)
    if scores is not None:
        return figures_of_files(judging, scores, truth, systems)
    read = read_systems(workspace, scored_systems(workspace, systems), truth) if truth else ()
    return Figures.of(read, judging)


def request(
    workspace: Workspace, systems: Sequence[str], judging: Judging | None = None
) -> FiguresRequest:
    """Return what the figures of systems would be made of now.

    Raises:
        UsageError: an index is missing, or a system has no scores.
    """
    from asd.scoring.scored import read_scores_record

    judging = judging or judging_of(workspace)
    return FiguresRequest(
        rules=judging.rules,
        resamples=judging.resamples,
        seed=judging.seed,
        index={machine: record_digest(workspace, machine) for machine in workspace.machines()},
        scores={
            system: {
                machine: read_scores_record(workspace.score_record(system, machine)).digest
                for machine in _scored_machines(workspace, system)
            }
            for system in systems
        },
    )


def lacks(workspace: Workspace) -> dict[str, str]:
    """Say of each system why its figures are not those asked for.

    Raises:
        AsdError: there is no index, or no scores.
    """
    path = workspace.reports / NAME
    systems = workspace.systems()
    if not path.exists():
        return dict.fromkeys(systems, "missing")
    known = scored_systems(workspace, ())
    why = lack(path, request(workspace, known))
    return {
        system: why if system in known else "not evaluated: no scores yet" for system in systems
    }


def scored_systems(workspace: Workspace, chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen systems, or all of the params that have scores.

    Raises:
        UsageError: none has, or a chosen one has none.
    """
    known = workspace.systems(chosen)
    scored = tuple(name for name in known if any(_scored_machines(workspace, name)))
    missing = [name for name in known if name not in scored]
    if missing and (chosen or not scored):
        folder = workspace.score_record(missing[0], "").parent
        hint = workspace.made_earlier or "run 'asd score' first"
        raise UsageError(f"{folder}: no scores yet; {hint}")
    return scored


def truth_of(workspace: Workspace, trained_only: bool = True) -> dict[Key, Truth]:
    """Return the ground truth of the sections that can be scored: those with training clips.

    Args:
        workspace: the workspace.
        trained_only: else that of all sections.

    Raises:
        UsageError: there is no index.
        JobError: it is not what was written, or the windows of a recording disagree.
    """
    from asd.metrics.truth import LABELS, Truth

    every = [clip for machine in workspace.machines() for clip in clips_of(workspace, machine)]
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


def read_systems(
    workspace: Workspace, systems: Sequence[str], truth: Mapping[Key, Truth]
) -> list[System]:
    """Join the scores of systems to the truth, recording by recording.

    Raises:
        JobError: a recording has no score, or a score is of no recording of the index.
    """
    return [_system(workspace, name, truth) for name in systems]


def _scored_machines(workspace: Workspace, system: str) -> tuple[str, ...]:
    return tuple(
        machine
        for machine in workspace.machines()
        if workspace.score_record(system, machine).is_file()
    )


def _system(workspace: Workspace, name: str, truth: Mapping[Key, Truth]) -> System:
    from asd.metrics.results import joined
    from asd.metrics.rules import System
    from asd.scoring.scored import read_scores_record, read_table

    machines = dict.fromkeys(machine for machine, _ in truth)
    tables = {}
    for machine in machines:
        path = workspace.score_record(name, machine)
        tables[machine] = (path, read_table(read_scores_record(path)))
    sections, unlabelled = [], []
    for key, true in truth.items():
        if true.lack:
            unlabelled.append(true.lack)
        if not true.labels:
            continue
        path, table = tables[key[0]]
        rows = {table.name[row]: row for row in table.rows() if table.section[row] == key[1]}
        _check_same(path, true, rows)
        if not true.unlabelled:
            scores = {name: table.score[row] for name, row in rows.items()}
            decisions = {name: table.anomalous[row] for name, row in rows.items()}
            sections.append(joined(true, scores, decisions))
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

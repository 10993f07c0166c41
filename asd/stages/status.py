"""What is there, out of date or missing, and why: each stage's request against its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from asd.artifact import RECORD, read_any, surplus
from asd.config import ALL
from asd.errors import AsdError
from asd.stages import embed, evaluate, extract, finetune, index, score, train
from asd.workspace import Workspace

Word = Literal["current", "stale", "missing", "unused"]


@dataclass(frozen=True)
class State:
    """The state of one stage, of one machine where the stage is per machine.

    Attributes:
        stage: the verb.
        machine: the machine, or ``""``.
        state: ``current``; ``stale``, where something was made from other inputs or settings than
            there are now; ``missing``, where nothing is there; ``unused``, where nothing needs it.
        there: what is there, such as ``"5 features"``.
        reasons: what is not current, and why.
    """

    stage: str
    machine: str
    state: Word
    there: str
    reasons: tuple[str, ...] = ()


def states(workspace: Workspace, machines: Sequence[str], chosen: bool = False) -> Iterator[State]:
    """Yield the state of every stage, in the order of the work.

    Args:
        workspace: the workspace.
        machines: the machines to look at.
        chosen: whether they are only some, so that stages over all machines are left out.
    """
    unnamed = {} if chosen else _unnamed(workspace)
    yield from (_index(workspace, machine) for machine in machines)
    yield from unnamed.get("index", ())
    if not chosen:
        yield _finetune(workspace)
    yield from (_extract(workspace, machine) for machine in machines)
    yield from unnamed.get("extract", ())
    joint, models = workspace.params.joint, workspace.models()
    for machine in machines:
        lacks = {m: train.lacks(workspace, m, machine) for m in models if m not in joint}
        yield _judged("train", machine, lacks, "model")
    if joint:
        yield _judged("train", ALL, {m: train.lacks(workspace, m, ALL) for m in joint}, "model")
    yield from unnamed.get("train", ())
    for machine in machines:
        lacks = {model: embed.lacks(workspace, model, machine) for model in models}
        yield _judged("embed", machine, lacks, "bank")
    yield from unnamed.get("embed", ())
    for machine in machines:
        lacks = {name: score.lacks(workspace, name, machine) for name in workspace.systems()}
        yield _judged("score", machine, lacks, "system")
    yield from unnamed.get("score", ())
    for machine in machines:
        yield from _enrolled(workspace, machine)
    if not chosen:
        yield _evaluate(workspace)
        yield _report(workspace)


def next_verb(workspace: Workspace, machines: Sequence[str], found: Sequence[State]) -> str:
    """Return what to run next, such as ``"index"`` or ``"download dcase2022"``; ``""``: nothing."""
    from asd.clips.scan import folder_of
    from asd.download.zenodo import RECORDS

    params = workspace.params
    silent = [machine for machine in machines if not folder_of(workspace.raw, machine).is_dir()]
    if any(machine in params.synth.machines for machine in silent):
        return "synth"
    name = params.dataset.name
    # Elsewhere the recordings come from somebody's own copy, which a download would not fill.
    if silent and name in RECORDS and workspace.raw == workspace.data / "raw" / name:
        return f"download {name}"
    late = (one.stage for one in found if one.state in ("stale", "missing"))
    # What was enrolled is no stage: it is for its owner to say whether it still counts.
    return next((stage for stage in late if stage != "enroll"), "")


def _index(workspace: Workspace, machine: str) -> State:
    reasons = index.lacks(workspace, machine)
    if reasons == ["missing"]:
        return State("index", machine, "missing", "")
    try:
        count = sum(clip.usable for clip in index.clips_of(workspace, machine))
        there = f"{count:,} clip{'' if count == 1 else 's'}"
    except AsdError:
        there = ""
    return State("index", machine, "stale" if reasons else "current", there, tuple(reasons))


def _finetune(workspace: Workspace) -> State:
    try:
        if not finetune.is_needed(workspace):
            return State("finetune", "", "unused", "no feature reads a checkpoint")
    except AsdError as error:
        return State("finetune", "", "stale", "", (str(error),))
    why = finetune.lacks(workspace)
    if why == "missing":
        return State("finetune", "", "missing", "")
    base = workspace.params.finetune.base
    return State("finetune", "", "stale" if why else "current", base, (why,) if why else ())


def _extract(workspace: Workspace, machine: str) -> State:
    try:
        return _judged("extract", machine, extract.lacks(workspace, machine), "feature")
    except AsdError:
        folder = workspace.features / machine
        there = any((folder / name).is_dir() for name in workspace.feature_names())
        reasons = ("no index to compare it with",) if there else ()
        return State("extract", machine, "stale" if there else "missing", "", reasons)


def _enrolled(workspace: Workspace, machine: str) -> Iterator[State]:
    """Yield whether what was enrolled, if anything, is of the scores that there are now."""
    folders = sorted(path for path in workspace.enrolled(machine).glob("[0-9]*") if path.is_dir())
    if not folders:
        return
    there = f"{len(folders):,} enrolment{'' if len(folders) == 1 else 's'}"
    try:
        scores = read_any(folders[-1] / RECORD).request["scores"]
        void = [
            name for name, digest in scores.items() if digest != _digest(workspace, name, machine)
        ]
    except AsdError as error:
        yield State("enroll", machine, "stale", there, (str(error),))
        return
    why = (
        f"{', '.join(void)}: scored anew since, so that it does not count; enroll again, or"
        " 'asd enroll --undo' forgets it"
    )
    yield State("enroll", machine, "stale" if void else "current", there, (why,) if void else ())


def _digest(workspace: Workspace, system: str, machine: str) -> str:
    path = workspace.score_record(system, machine)
    return read_any(path).digest if path.exists() else ""


def _evaluate(workspace: Workspace) -> State:
    try:
        if (
            not any(
                clip.split == "test"
                for machine in workspace.machines()
                for clip in index.clips_of(workspace, machine)
            )
            and (workspace.reports / evaluate.NAME).exists()
        ):
            return State("evaluate", "", "current", "no test clips")
        return _judged("evaluate", "", evaluate.lacks(workspace), "system")
    except AsdError as error:
        there = (workspace.reports / evaluate.NAME).exists()
        reasons = (str(error).splitlines()[0],) if there else ()
        return State("evaluate", "", "stale" if there else "missing", "", reasons)


def _report(workspace: Workspace) -> State:
    from asd.stages import report

    why = report.lacks(workspace)
    if why == "missing":
        return State("report", "", "missing", "")
    return State("report", "", "stale" if why else "current", report.PAGE, (why,) if why else ())


def _unnamed(workspace: Workspace) -> dict[str, list[State]]:
    """Return, by stage, what a run of it would remove, as the params no longer name it."""
    machines, models, data = workspace.machines(), workspace.models(), workspace.data
    wanted = {
        "index": {data / "index": {f"{m}{end}" for m in machines for end in (".csv", ".json")}},
        "extract": {workspace.features: {*machines}}
        | {workspace.features / machine: {*workspace.feature_names()} for machine in machines},
        "train": {data / "models": {*models}}
        | {
            data / "models" / model: {workspace.params.owner(model, one) for one in machines}
            for model in models
        },
        "embed": {data / "banks": {*models}}
        | {data / "banks" / model: {*machines} for model in models},
        "score": {data / "scores": {*workspace.systems()}}
        | {
            data / "scores" / system: {
                f"{machine}{end}" for machine in machines for end in (".csv", ".h5", ".json")
            }
            for system in workspace.systems()
        },
    }
    found = {}
    for stage, folders in wanted.items():
        gone = [
            path
            for folder, names in folders.items()
            for path in surplus(folder, lambda path, names=names: path.name in names)  # type: ignore[misc]
        ]
        if gone:
            reasons = tuple(f"{path}: not in the params any more" for path in gone)
            found[stage] = [State(stage, "", "stale", "", reasons)]
    return found


def _judged(stage: str, machine: str, lacks: Mapping[str, str], noun: str) -> State:
    """Return the state of a stage with several results, such as models, by what each lacks."""
    wrong = {name: lack for name, lack in lacks.items() if lack}
    state: Word = "current" if not wrong else "stale"
    if wrong and all(lack == "missing" for lack in lacks.values()):
        state = "missing"
    return State(
        stage,
        machine,
        state,
        f"{len(lacks):,} {noun}{'' if len(lacks) == 1 else 's'}",
        () if state == "missing" else tuple(f"{name}: {lack}" for name, lack in wrong.items()),
    )

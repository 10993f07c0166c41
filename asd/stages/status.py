"""What is there, out of date or missing, and why: each stage's request against its record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from asd.artifact import RECORD, read_if_there, read_record
from asd.config import ALL
from asd.errors import AsdError
from asd.progress import counted
from asd.stages import STAGES, embed, evaluate, extract, finetune, index, score, train
from asd.workspace import Workspace

Word = Literal["current", "stale", "missing", "waiting", "unused"]
# A stage, a machine ("" where it is over all of them) and what it makes, such as a model.
Item = tuple[str, str, str]


@dataclass(frozen=True)
class State:
    """The state of one stage, of one machine where the stage is per machine.

    Attributes:
        stage: the verb.
        machine: the machine, or ``""``.
        state: ``current``; ``stale``, where something was made from other inputs or settings than
            there are now; ``missing``, where nothing is there; ``waiting``, where all is of what
            there is now, and something of that will be made anew; ``unused``, where nothing needs
            it.
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
    params, late = workspace.params, _Late()
    unnamed = {} if chosen else _unnamed(workspace)
    for machine in machines:
        yield late.told(_index(workspace, machine))
    yield from unnamed.get("index", ())
    if not chosen:
        indexes = [("index", machine, "") for machine in machines]
        yield late.told(_finetune(workspace), indexes)
    for machine in machines:
        yield _extract(workspace, machine, late)
    yield from unnamed.get("extract", ())
    joint, models = params.joint, workspace.models()

    def features(model: str, machine: str) -> list[Item]:
        of = machines if machine == ALL else (machine,)
        return [("extract", one, name) for one in of for name in params.every_model[model].features]

    own = [model for model in models if model not in joint]
    for machine, named in [*((one, own) for one in machines), *([(ALL, joint)] if joint else [])]:
        lacks = {model: train.lacks(workspace, model, machine) for model in named}
        needs = {model: features(model, machine) for model in named}
        yield late.judged("train", machine, lacks, "model", needs)
    yield from unnamed.get("train", ())
    for machine in machines:
        lacks = {model: embed.lacks(workspace, model, machine) for model in models}
        needs = {
            model: [("train", params.owner(model, machine), model), *features(model, machine)]
            for model in models
        }
        yield late.judged("embed", machine, lacks, "bank", needs)
    yield from unnamed.get("embed", ())
    for machine in machines:
        lacks = {name: score.lacks(workspace, name, machine) for name in workspace.systems()}
        needs = {
            name: [("embed", machine, model) for model in params.models_of(name)] for name in lacks
        }
        yield late.judged("score", machine, lacks, "system", needs)
    yield from unnamed.get("score", ())
    for machine in machines:
        yield from _enrolled(workspace, machine)
    if not chosen:
        yield late.told(_evaluate(workspace), late.of("score"))
        yield late.told(_report(workspace), late.of(*STAGES))


@dataclass(frozen=True)
class _Late:
    """What is not of the present inputs and params, or is made of what is not.

    Attributes:
        causes: by item, the stage that is to be run first.
    """

    causes: dict[Item, str] = field(default_factory=dict)

    def of(self, *stages: str) -> list[Item]:
        """Return what is late of some stages."""
        return [item for item in self.causes if item[0] in stages]

    def told(self, state: State, needs: Iterable[Item] = ()) -> State:
        """Return the state of a stage that makes one thing, or that it waits for what it needs."""
        if state.state == "unused":
            return state
        lacks = {"": "" if state.state == "current" else state.state}
        waits = self._waits(state.stage, state.machine, lacks, {"": needs})
        if state.state != "current" or not waits:
            return state
        return replace(state, state="waiting", reasons=(f"waits for {waits['']}",))

    def judged(
        self,
        stage: str,
        machine: str,
        lacks: Mapping[str, str],
        noun: str,
        needs: Mapping[str, Iterable[Item]],
    ) -> State:
        """Return the state of a stage with several results, by what each lacks and needs."""
        state = _judged(stage, machine, lacks, noun)
        waits = self._waits(stage, machine, lacks, needs)
        if state.state != "current" or not waits:
            return state
        reasons = [f"{name}: waits for {cause}" for name, cause in waits.items()]
        if len(waits) == len(lacks) and len(set(waits.values())) == 1:
            reasons = [f"waits for {next(iter(waits.values()))}"]
        return replace(state, state="waiting", reasons=tuple(reasons))

    def _waits(
        self,
        stage: str,
        machine: str,
        lacks: Mapping[str, str],
        needs: Mapping[str, Iterable[Item]],
    ) -> dict[str, str]:
        """Note what is late of a stage; return, by name, what stage it waits for."""
        waits: dict[str, str] = {}
        for name, lack in lacks.items():
            before = [self.causes[item] for item in needs[name] if item in self.causes]
            if before:
                waits[name] = min(before, key=STAGES.index)
            if before or lack:
                self.causes[stage, machine, name] = waits.get(name, stage)
        return waits


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
        there = counted(count, "clip")
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


def _extract(workspace: Workspace, machine: str, late: _Late) -> State:
    names = workspace.feature_names()
    needs: dict[str, list[Item]] = {name: [("index", machine, "")] for name in names}
    try:
        lacks = extract.lacks(workspace, machine)
        for name in names:
            if extract.reads_checkpoint(workspace, name):
                needs[name].append(("finetune", "", ""))
        return late.judged("extract", machine, lacks, "feature", needs)
    except AsdError:
        late.judged("extract", machine, dict.fromkeys(names, "missing"), "feature", needs)
        folder = workspace.features / machine
        there = any((folder / name).is_dir() for name in workspace.feature_names())
        reasons = ("no index to compare it with",) if there else ()
        return State("extract", machine, "stale" if there else "missing", "", reasons)


def _enrolled(workspace: Workspace, machine: str) -> Iterator[State]:
    """Yield whether what was enrolled, if anything, is of the scores that there are now."""
    folders = sorted(path for path in workspace.enrolled(machine).glob("[0-9]*") if path.is_dir())
    if not folders:
        return
    there = counted(len(folders), "enrolment")
    try:
        scores = read_record(folders[-1] / RECORD).request["scores"]
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
    record = read_if_there(workspace.score_record(system, machine))
    return record.digest if record is not None else ""


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
    stages = {"index": index, "extract": extract, "train": train, "embed": embed, "score": score}
    found = {}
    for stage, one in stages.items():
        if gone := one.named(workspace).others():
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
        counted(len(lacks), noun),
        () if state == "missing" else tuple(f"{name}: {lack}" for name, lack in wrong.items()),
    )

"""The state of what training and all after it wrote: models, banks, scores, figures, report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asd.cli.project import Project
from asd.cli.status_state import (
    State,
    identities,
    judged,
    model_record,
    read_json,
    recorded_identities,
)
from asd.config import ALL, TrainConfig, settings
from asd.errors import AsdError

_CHOSEN = {"device", "precision"}  # what was chosen by the machine where the params say auto


def models_state(project: Project, machine: str) -> State:
    """Compare the models of a machine (or of all) with their settings and their features."""
    joint = project.params.joint
    names = [name for name in project.models() if (name in joint) == (machine == ALL)]
    lacks = {name: model_lack(project, name, machine) for name in names}
    return judged("train", machine, lacks, "model")


def model_lack(project: Project, name: str, machine: str) -> str:
    """Say why a model of a machine (or of all) is not the one asked for; ``""`` where it is."""
    from asd.extraction.differences import differences

    record = model_record(project, name, machine)
    if record is None:
        return "missing"
    request, model = record["request"], project.params.model(name)
    was = dict(request.get("model", {}))
    # A setting that came later is recorded only where it is used.
    unset = type(model)(features=model.features).model_dump(mode="json")
    now = {
        key: value
        for key, value in model.model_dump(mode="json", exclude={"train"}).items()
        if key in was or value != unset[key]
    }
    changed = differences(was, now) or differences(*_training(project, name, request))
    if changed:
        return f"other settings ({changed})"
    machines = project.machines() if machine == ALL else (machine,)
    for feature in model.features:
        there = {one for name in machines for one in identities(project, name, feature, "train")}
        if there != recorded_identities(request.get("inputs"), feature):
            return f"trained on other rows of {feature}"
    return ""


def _training(
    project: Project, name: str, request: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of training that are in a request, as they were and as they are."""
    model, train = project.params.model(name), project.params.train
    own = settings(TrainConfig, train.model_dump() | model.train, f"models.{name}.train")
    now = own.model_dump(mode="json")
    was = {
        key: value
        for key, value in request.get("train", {}).items()
        if key in now and not (key in _CHOSEN and now[key] == "auto")
    }
    return was, {key: now[key] for key in was}


def banks_state(project: Project, machine: str) -> State:
    """Compare the banks of a machine with the models and features that they are made of."""
    lacks = {name: _bank_lack(project, name, machine) for name in project.models()}
    return judged("embed", machine, lacks, "bank")


def _bank_lack(project: Project, name: str, machine: str) -> str:
    from asd.extraction.differences import differences

    folder = project.bank_dir(name, machine)
    made = bank_provenance(folder / "train.h5")
    if made is None:
        return "damaged" if (folder / "train.h5").exists() else "missing"
    record = model_record(project, name, machine)
    if record is None:
        return "its model is missing"
    if record.get("digest") != made.get("model"):
        return "made by another model"
    changed = differences(made.get("params", {}), project.params.embed.model_dump(mode="json"))
    if changed:
        return f"other settings ({changed})"
    features = project.params.model(name).features
    for split, of_split in (("train", made), ("test", bank_provenance(folder / "test.h5") or {})):
        for feature in features:
            rows = identities(project, machine, feature, split)
            if rows != recorded_identities(of_split.get("inputs"), feature):
                return f"made of other {split} rows of {feature}"
    return ""


def bank_provenance(path: Path) -> dict[str, Any] | None:
    """Read what made a bank, and nothing else of it; None where it cannot be read."""
    import h5py

    from asd.store.shard import UNREADABLE

    try:
        with h5py.File(path, "r", locking=False) as file:
            found = json.loads(file["provenance"][...].tobytes())
    except UNREADABLE:
        return None
    return found if isinstance(found, dict) else None


def scores_state(project: Project, machine: str) -> State:
    """Compare the scores of a machine with the systems' settings and the banks."""
    lacks = {name: _scores_lack(project, name, machine) for name in project.systems()}
    return judged("score", machine, lacks, "system")


def _scores_lack(project: Project, system: str, machine: str) -> str:
    from asd.extraction.differences import differences
    from asd.scoring.thresholds import read_provenance, read_thresholds

    params, folder = project.params, project.score_dir(system)
    path = folder / f"threshold_{machine}.json"
    if not path.exists():
        return "missing"
    try:
        made, thresholds = read_provenance(path), read_thresholds(path)
    except AsdError:
        return "damaged"
    lost = [name for name in made.get("files", {}) if not (folder / name).is_file()]
    if lost:
        return f"{lost[0]} is gone"
    rule = {"threshold": params.score.threshold, "false_alarm_rate": params.score.false_alarm_rate}
    for one in thresholds.values():
        changed = differences({"threshold": one.method, "false_alarm_rate": one.rate}, rule)
        if changed:
            return f"other settings ({changed})"
    if made.get("windows", params.score.windows) != params.score.windows:
        return f"other settings (windows {made['windows']}, now {params.score.windows})"
    members = [member.model_dump(mode="json") for member in params.members(system, machine)]
    said = made.get("system", {})
    if members and (said.get("members"), said.get("join")) != (members, params.join(system)):
        return "scored with other settings of the system"
    for split, of_split in (("train", made.get("bank", {})), ("test", made.get("outputs", {}))):
        for model, provenance in of_split.items():
            if model not in params.every_model:
                return f"model {model} is not in the params any more"
            if bank_provenance(project.bank_dir(model, machine) / f"{split}.h5") != provenance:
                return f"made of another {split} bank of {model}"
    return ""


def figures_state(project: Project) -> State:
    """Compare the official numbers with the scores, the index and the params."""
    from asd.cli.evaluate import index_truth
    from asd.metrics.results import read_systems

    params, path = project.params, project.reports / "metrics.json"
    document = read_json(path)
    if document is None:
        return State("evaluate", "", "stale" if path.exists() else "missing", "")
    evaluated = document.get("systems", {})
    lacks = {name: "" if name in evaluated else "not evaluated" for name in project.systems()}
    wanted = {"resamples": params.evaluate.bootstrap, "seed": params.evaluate.seed}
    if (document.get("rules"), document.get("bootstrap")) != (params.dataset.rules, wanted):
        lacks = dict.fromkeys(lacks, "other settings (dataset.rules or evaluate)")
    try:
        truth = index_truth(project)
        if not truth:
            return State("evaluate", "", "current", "no test clips")
        known = [name for name in lacks if name in evaluated and project.score_dir(name).is_dir()]
        for system in read_systems(project.score_dir(""), truth, known):
            if system.digest != evaluated[system.name].get("input_digest"):
                lacks[system.name] = lacks[system.name] or "of other scores or labels"
    except AsdError as error:
        return State("evaluate", "", "stale", "", (str(error).splitlines()[0],))
    return judged("evaluate", "", lacks, "system")


def report_state(project: Project) -> State:
    """Compare the report with the official numbers and the params."""
    from asd.report.paper import DATASET
    from asd.report.results import read_results
    from asd.report.tables import results_csv
    from asd.store.digest import sha256_json

    page, table = project.reports / "report.html", project.reports / "results.csv"
    if not page.is_file() or not table.is_file():
        return State("report", "", "missing", "")
    reasons = []
    params = sha256_json(project.params.model_dump(mode="json"))
    if params not in page.read_text(encoding="utf-8", errors="replace"):
        reasons.append("written with other params")
    try:
        results = read_results([project.reports / "metrics.json"])
        now = results_csv(results, project.params.dataset.name == DATASET)
        # Compared as bytes: the table is CSV with LF.
        if table.read_bytes() != now.encode():
            reasons.append("of other figures (or of several seeds)")
    except AsdError as error:
        reasons.append(str(error).splitlines()[0])
    return State("report", "", "stale" if reasons else "current", page.name, tuple(reasons))

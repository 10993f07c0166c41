"""A submission to the challenge: what a package holds, gathered from a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asd.artifact import RECORD, is_current, read_record
from asd.errors import AsdError
from asd.stages import evaluate
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.metrics.truth import Key
    from asd.report.submission import Label
    from asd.report.submission_check import Findings
    from asd.report.submission_meta import Facts, Figures
    from asd.training.artifact import ModelRequest


def write_submission(
    workspace: Workspace, system: str, label: Label, clips: Mapping[Key, frozenset[str]]
) -> tuple[Findings, list[str]]:
    """Write the package with a system in it, unless its check finds a fault.

    Args:
        workspace: the workspace.
        system: the system.
        label: under which it is submitted.
        clips: the names of the test clips that the submission is about.

    Returns:
        What the check found, and what a person should know.

    Raises:
        UsageError: a model or a pre-trained model is missing.
        JobError: scores are missing or damaged.
    """
    from asd.report.submission import read_package, write_package
    from asd.report.submission_check import check_package
    from asd.report.submission_meta import write_meta

    folder = workspace.data / "submissions" / label.team
    before = read_package(folder) if folder.is_dir() else {}
    files = {
        path: content
        for path, content in before.items()
        if not (path.startswith(f"{label.folder}/") and path.endswith(".csv"))
    }
    files |= _score_files(workspace, system, label, clips)
    facts = gather_facts(workspace, system, sorted({machine for machine, _ in clips}))
    figures, note = _figures(workspace, system)
    notes = [note] if note else []
    rules = workspace.params.dataset.rules
    if rules in ("2020", "2021"):
        notes.append(f"the challenge of {rules} named files otherwise than from 2022 on")
    title = f"DCASE {rules} Challenge Task 2"
    files[label.meta] = write_meta(label, facts, figures, title, before.get(label.meta))
    findings = check_package(folder, files, clips)
    if not findings.errors:
        write_package(folder, folder.with_name(f"{label.team}.zip"), files)
    return findings, notes


def gather_facts(workspace: Workspace, system: str, machines: Sequence[str]) -> Facts:
    """Return what is known of a system, from the params, its models and their pre-trained models.

    Raises:
        UsageError: a model or a pre-trained model is missing.
        JobError: one of them is damaged.
    """
    from asd.features.checkpoint import WEIGHTS as BODY
    from asd.features.projection import HEAD
    from asd.report.submission_meta import Facts, count_parameters
    from asd.training.artifact import WEIGHTS, CheckpointRequest, ModelRequest

    params = workspace.params
    models = {name: params.every_model[name] for name in params.models_of(system)}
    definition = params.systems.get(system)
    # A joint model is one, whatever the machine.
    paths = [{workspace.model_record(model, one): 0 for model in models} for one in machines]
    records = [[read_record(path, ModelRequest) for path in of] for of in paths]
    asked = [[record.asked(ModelRequest) for record in of] for of in records]
    requests = [request for of in asked for request in of]
    features = tuple(dict.fromkeys(name for one in models.values() for name in one.features))
    checkpoints = _checkpoints(workspace, features)
    bases = [
        read_record(folder / RECORD, CheckpointRequest).asked(CheckpointRequest).base["name"]
        for folder in checkpoints
    ]
    return Facts(
        system=system,
        sample_rate=params.index.sample_rate,
        extractors=tuple(map(params.extractor, features)),
        network=" + ".join(dict.fromkeys(model.network for model in models.values())),
        scorer=definition.scorer if definition else "fusion",
        settings=definition.settings if definition else {},
        parameters=max(
            sum(count_parameters(record.path.with_name(WEIGHTS)) for record in of) for of in records
        )
        + sum(count_parameters(folder / BODY) for folder in checkpoints)
        + sum(count_parameters(folder / HEAD, "projection.") for folder in checkpoints),
        macs=_macs(workspace, dict(zip(machines, asked, strict=True)), features),
        transformations=_transformations(requests),
        attributes=any(one.attribute_head or one.task == "attributes" for one in requests),
        # The small one that is built here has learned from the challenge's clips alone.
        pretrained=tuple(name for name in bases if not name.startswith("builtin:")),
        threshold=f"a score above the {params.score.threshold} threshold of the training clips'"
        f" scores, for {params.score.false_alarm_rate:.0%} false alarms",
    )


def _checkpoints(workspace: Workspace, features: Sequence[str]) -> list[Path]:
    """Return the fine-tuned checkpoints of features; several may read layers of the same one."""
    from asd.features.ptm import PtmConfig

    params, default = workspace.params, PtmConfig().checkpoint
    read = [params.features[name] for name in features if params.extractor(name) == "ptm"]
    return [*dict.fromkeys(workspace.root / str(of.get("checkpoint", default)) for of in read)]


def _transformations(requests: Sequence[ModelRequest]) -> tuple[str, ...]:
    """Return what was done to clips of machines that have one class, the first being nothing."""
    told = (one.classes[1:] for one in requests if one.task == "transformations")
    return tuple(dict.fromkeys(name for classes in told for name in classes))


def _macs(
    workspace: Workspace, requests: Mapping[str, Sequence[ModelRequest]], features: Sequence[str]
) -> int | None:
    """Return the multiply-accumulates of a clip, of the machine whose models take most.

    None where a network cannot be built here to be counted.
    """
    import torch

    from asd.device import multiply_accumulates
    from asd.features.base import NetworkExtractor
    from asd.stages.extract import extractor_of
    from asd.stages.index import clips_of
    from asd.training.artifact import build_network

    def of_model(request: ModelRequest) -> int:
        network = build_network(request).eval()
        clip = {name: torch.ones(1, *request.shapes[name]) for name in request.features}
        return multiply_accumulates(lambda: network(clip))

    def of_machine(machine: str) -> int:
        clips = clips_of(workspace, machine)
        extractors = [extractor_of(workspace, feature, clips) for feature in features]
        frozen = [one.macs() for one in extractors if isinstance(one, NetworkExtractor)]
        return sum(frozen) + sum(map(of_model, requests[machine]))

    try:
        return max(map(of_machine, requests))
    except AsdError:
        return None


def _score_files(
    workspace: Workspace, system: str, label: Label, clips: Mapping[Key, frozenset[str]]
) -> dict[str, bytes]:
    """Return a system's score and decision files of some sections, by path in the package."""
    from asd.metrics.files import Problems
    from asd.report.submission import KINDS
    from asd.scoring.files import file_name, official_files
    from asd.scoring.scored import read_scores_record, read_table

    problems = Problems()
    files: dict[str, bytes] = {}
    texts: dict[str, dict[str, str]] = {}
    for machine, section in sorted(clips):
        path = workspace.score_record(system, machine)
        if machine not in texts:
            there = path.exists()
            texts[machine] = (
                official_files(machine, read_table(read_scores_record(path))) if there else {}
            )
        for kind in KINDS:
            name = file_name(kind, machine, section)
            if name in texts[machine]:
                files[f"{label.folder}/{name}"] = texts[machine][name].encode()
            else:
                problems.add(
                    f"{path}: no scores of section {section} ({kind}); run 'asd score'"
                    " (which needs training clips of the section)"
                )
    problems.check()
    return files


def _figures(workspace: Workspace, system: str) -> tuple[Figures, str]:
    """Return the system's results on the development set, and why there are none if so."""
    from asd.report.results import read_results
    from asd.report.submission_meta import development_results

    path = workspace.reports / "metrics.json"
    if not path.is_file():
        return {}, f"{path}: no such file, so no results are given; run 'asd evaluate'"
    there = evaluate.extent(workspace)
    asked = evaluate.request(workspace, there)
    if system not in there.systems or not is_current(workspace.reports / evaluate.NAME, asked):
        return {}, f"{path}: not of these scores, so no results are given; run 'asd evaluate'"
    return development_results(read_results([path]), system), ""

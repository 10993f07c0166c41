"""asd submit: the package that the challenge asks for, and whether it is as the challenge asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import counted, emit, json_option, say
from asd.cli.project import Project
from asd.errors import JobError, UsageError

if TYPE_CHECKING:
    from asd.metrics.truth import Key, Truth
    from asd.report.submission import Label, Part
    from asd.report.submission_check import Findings
    from asd.report.submission_meta import Facts, Figures

_path = click.Path(path_type=Path)


@click.command()
@click.option("--system", metavar="NAME", help="System of params.yaml to submit.")
@click.option(
    "--author", default="Author", metavar="NAME", help="Last name of the corresponding author."
)
@click.option(
    "--institute", default="Institute", metavar="NAME", help="Abbreviation of the institute."
)
@click.option(
    "--number",
    type=click.IntRange(1, 4),
    default=1,
    show_default=True,
    help="Which of the team's systems it is.",
)
@click.option(
    "--part",
    type=click.Choice(["eval", "dev", "all"]),
    help="Sections without labels, with labels, or all (default: eval if there are any, else all).",
)
@click.option("--check", "package", type=_path, help="Check this folder or zip; write nothing.")
@json_option
def command(
    system: str | None,
    author: str,
    institute: str,
    number: int,
    part: Part | None,
    package: Path | None,
    as_json: bool,
) -> None:
    """Write a package for DCASE Task 2 to data/submissions, and check it as an organiser would.

    It has the score and decision files of a system and its meta information, of which a person
    fills in what the project cannot know. What was filled in stays when the command is run again,
    which also puts it, and the technical report if it is there, into the zip. A second system goes
    into the same package under another --number.

    \b
    Examples:
      asd submit --system 6 --author Tanaka --institute UT
      asd submit --check data/submissions/Tanaka_UT.zip
    """
    from asd.report.submission import Label, read_package
    from asd.report.submission_check import check_package

    if package is not None:
        if system is not None:
            raise UsageError("give --system to write a package, or --check to check one, not both")
        clips = _clips_if_known(part, as_json)
        findings = check_package(package, read_package(package), clips)
        _report(findings, str(package), as_json)
        return
    project = Project.find()
    if system is None:
        known = ", ".join(project.params.every_system)
        raise UsageError(f"which system? give --system NAME; known: {known}")
    project.systems([system])
    findings = _write(project, system, Label(author, institute, number), part, as_json)
    _report(findings, f"{system}: {findings.source} and .zip", as_json)


def _report(findings: Findings, what: str, as_json: bool) -> None:
    """Print what was found.

    Raises:
        JobError: there are errors, one line each.
    """
    from asd.metrics.files import Problems

    for line in findings.warnings:
        say(f"warning: {line}", as_json)
    problems = Problems()
    problems.lines.extend(findings.errors)
    problems.check()
    sections, clips = counted(findings.sections, "section"), counted(findings.clips, "clip")
    warnings = counted(len(findings.warnings), "warning")
    say(f"{what}: {', '.join(findings.labels)}, {sections}, {clips}, {warnings}", as_json)
    emit(
        [
            {
                "package": findings.source.as_posix(),
                "systems": findings.labels,
                "sections": findings.sections,
                "clips": findings.clips,
                "warnings": findings.warnings,
            }
        ],
        as_json,
    )


def _write(
    project: Project, system: str, label: Label, part: Part | None, as_json: bool
) -> Findings:
    """Write the package with the system in it, unless the check finds a fault."""
    from asd.report.submission import read_package, system_files, write_package
    from asd.report.submission_check import check_package
    from asd.report.submission_meta import write_meta

    truth = _truth(project)
    clips = _chosen(truth, part, as_json)
    folder = project.data / "submissions" / label.team
    before = read_package(folder) if folder.is_dir() else {}
    files = {
        path: content
        for path, content in before.items()
        if not (path.startswith(f"{label.folder}/") and path.endswith(".csv"))
    }
    files |= system_files(project.score_dir(system), label, clips)
    facts = _gather_facts(project, system, sorted({machine for machine, _ in clips}))
    figures, note = _gather_figures(project, system, truth)
    if note:
        say(f"note: {note}", as_json)
    rules = project.params.dataset.rules
    if rules in ("2020", "2021"):
        say(f"note: the challenge of {rules} named files otherwise than from 2022 on", as_json)
    title = f"DCASE {rules} Challenge Task 2"
    files[label.meta] = write_meta(label, facts, figures, title, before.get(label.meta))
    findings = check_package(folder, files, clips)
    if not findings.errors:
        write_package(folder, folder.with_name(f"{label.team}.zip"), files)
    return findings


def _truth(project: Project) -> dict[Key, Truth]:
    """Return what is known of the test clips of the data set's machines."""
    from asd.metrics.truth import read_truth

    machines = project.machines()
    for machine in machines:
        if not project.index_path(machine).is_file():
            raise UsageError(f"{project.index_path(machine)}: no such index; run 'asd index' first")
    truth = read_truth(project.index_path("").parent)
    # Indices of machines that are no longer in the data set may lie there too.
    return {key: true for key, true in truth.items() if key[0] in machines}


def _chosen(
    truth: Mapping[Key, Truth], part: Part | None, as_json: bool
) -> dict[Key, frozenset[str]]:
    from asd.report.submission import choose_clips

    clips = choose_clips(truth, part)
    if part is None and not any(truth[key].unlabelled for key in clips):
        say("note: no test clips without labels; all are taken", as_json)
    unusable = sum(true.unusable for key, true in truth.items() if key in clips or not true.labels)
    if unusable:
        unread = counted(unusable, "test clip")
        say(f"warning: {unread} could not be read and have no score: see data/index", as_json)
    return clips


def _clips_if_known(part: Part | None, as_json: bool) -> dict[Key, frozenset[str]] | None:
    """Return the clips that a package is checked against; None outside of any project."""
    try:
        project = Project.find()
    except UsageError:
        if part is not None:
            raise
        say("note: no project here, so which clips are wanted is not known", as_json)
        return None
    return _chosen(_truth(project), part, as_json)


def _gather_facts(project: Project, system: str, machines: Sequence[str]) -> Facts:
    """Return what is known of a system, from the params, its models and their pre-trained models.

    Raises:
        UsageError: a model or a pre-trained model is missing.
        JobError: one of them is damaged.
    """
    from asd.features.projection import HEAD
    from asd.features.ptm import PtmConfig
    from asd.features.wav2vec2 import WEIGHTS
    from asd.report.submission_meta import Facts, count_parameters

    params = project.params
    models = {name: params.every_model[name] for name in params.models_of(system)}
    definition = params.systems.get(system)
    folders = [project.model_dir(model, machine) for model in models for machine in machines]
    requests = [_read(folder / "model.json", "request", "asd train") for folder in folders]
    features = {name: params.features[name] for model in models.values() for name in model.features}
    extractors = {name: str(values.get("extractor", name)) for name, values in features.items()}
    # Two features may read different layers of one checkpoint.
    checkpoints = dict.fromkeys(
        project.root / str(features[name].get("checkpoint", PtmConfig().checkpoint))
        for name, extractor in extractors.items()
        if extractor == "ptm"
    )
    bases = [_read(folder / "finetune.json", "base", "asd finetune") for folder in checkpoints]
    names = [str(base.get("name", "")) for base in bases]
    return Facts(
        system=system,
        sample_rate=params.index.sample_rate,
        extractors=tuple(extractors.values()),
        network=" + ".join(dict.fromkeys(model.network for model in models.values())),
        scorer=definition.scorer if definition else "fusion",
        settings=definition.settings if definition else {},
        parameters=max(count_parameters(folder / "weights.safetensors") for folder in folders)
        + sum(count_parameters(folder / WEIGHTS) for folder in checkpoints)
        + sum(count_parameters(folder / HEAD, "projection.") for folder in checkpoints),
        transformations=_transformations(requests),
        attributes=any(
            request.get("attribute_head") or request.get("task") == "attributes"
            for request in requests
        ),
        # The small one that is built here has learned from the challenge's clips alone.
        pretrained=tuple(name for name in names if not name.startswith("builtin:")),
        threshold=f"a score above the {params.score.threshold} threshold of the training clips'"
        f" scores, for {params.score.false_alarm_rate:.0%} false alarms",
    )


def _gather_figures(
    project: Project, system: str, truth: Mapping[Key, Truth]
) -> tuple[Figures, str]:
    """Return the system's results on the development set, and why there are none if so."""
    from asd.metrics.results import read_systems
    from asd.report.results import read_results
    from asd.report.submission_meta import development_results
    from asd.scoring.files import file_name

    path = project.reports / "metrics.json"
    if not path.is_file():
        return {}, f"{path}: no such file, so no results are given; run 'asd evaluate'"
    results = read_results([path])
    scores = project.score_dir(system)
    scored = {
        key: true
        for key, true in truth.items()
        if (scores / file_name("anomaly_score", *key)).is_file()
    }
    evaluated = json.loads(path.read_text(encoding="utf-8"))["systems"].get(system, {})
    (now,) = read_systems(scores.parent, scored, [system])
    if evaluated.get("input_digest") != now.digest:
        return {}, f"{path}: not of these scores, so no results are given; run 'asd evaluate'"
    return development_results(results, system), ""


def _transformations(requests: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what was done to clips of machines that have one class, the first being nothing."""
    classes = [r["classes"][1:] for r in requests if r.get("task") == "transformations"]
    return tuple(dict.fromkeys(str(name) for names in classes for name in names))


def _read(path: Path, key: str, verb: str) -> dict[str, Any]:
    """Return the mapping ``key`` of a JSON artifact."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))[key])
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run '{verb}' first") from None
    except (ValueError, LookupError, TypeError) as error:
        raise JobError(f"{path}: not readable ({error!r}); run '{verb}' again") from None

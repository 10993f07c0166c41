"""asd submit: the package that the challenge asks for, and whether it is as the challenge asks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, emit, json_option, say
from asd.cli.project import Project
from asd.errors import UsageError

if TYPE_CHECKING:
    from asd.metrics.truth import Key, Truth
    from asd.report.submission import Label, Part
    from asd.report.submission_check import Findings

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
    from asd.cli.submit_facts import gather_facts, gather_figures
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
    facts = gather_facts(project, system, sorted({machine for machine, _ in clips}))
    figures, note = gather_figures(project, system, truth)
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

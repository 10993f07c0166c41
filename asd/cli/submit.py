"""asd submit: the package that the challenge asks for, and whether it is as the challenge asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from asd.cli.output import counted, emit, json_option, say
from asd.errors import UsageError
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.metrics.truth import Key
    from asd.report.submission import Part
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
        clips = _clips_if_known(part)
        findings = check_package(package, read_package(package), clips)
        _report(findings, str(package))
        return
    workspace = Workspace.find()
    if system is None:
        known = ", ".join(workspace.params.every_system)
        raise UsageError(f"which system? give --system NAME; known: {known}")
    from asd.stages.submission import write_submission

    workspace.systems([system])
    clips = _chosen(workspace, part)
    label = Label(author, institute, number)
    findings, notes = write_submission(workspace, system, label, clips)
    for note in notes:
        say(f"note: {note}")
    _report(findings, f"{system}: {findings.source} and .zip")


def _report(findings: Findings, what: str) -> None:
    """Print what was found.

    Raises:
        JobError: there are errors, one line each.
    """
    from asd.metrics.files import Problems

    for line in findings.warnings:
        say(f"warning: {line}")
    problems = Problems()
    problems.lines.extend(findings.errors)
    problems.check()
    sections, clips = counted(findings.sections, "section"), counted(findings.clips, "clip")
    warnings = counted(len(findings.warnings), "warning")
    say(f"{what}: {', '.join(findings.labels)}, {sections}, {clips}, {warnings}")
    emit(
        [
            {
                "package": findings.source.as_posix(),
                "systems": findings.labels,
                "sections": findings.sections,
                "clips": findings.clips,
                "warnings": findings.warnings,
            }
        ]
    )


def _chosen(workspace: Workspace, part: Part | None) -> dict[Key, frozenset[str]]:
    from asd.report.submission import choose_clips
    from asd.stages.evaluate import truth_of

    truth = truth_of(workspace, trained_only=False)
    clips = choose_clips(truth, part)
    if part is None and not any(truth[key].unlabelled for key in clips):
        say("note: no test clips without labels; all are taken")
    unusable = sum(true.unusable for key, true in truth.items() if key in clips or not true.labels)
    if unusable:
        unread = counted(unusable, "test clip")
        say(f"warning: {unread} could not be read and have no score: see data/index")
    return clips


def _clips_if_known(part: Part | None) -> dict[Key, frozenset[str]] | None:
    """Return the clips that a package is checked against; None outside of any workspace."""
    try:
        workspace = Workspace.find()
    except UsageError:
        if part is not None:
            raise
        say("note: no project here, so which clips are wanted is not known")
        return None
    return _chosen(workspace, part)

"""asd verify: whether everything on the disk is what was written."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from asd.cli.output import counted, emit, json_option, machine_option, say, show
from asd.cli.project import Project


@dataclass
class Report:
    """What a verification found.

    Attributes:
        counts: how many there are of each kind of file.
        damaged: what is not what was written, as :class:`asd.store.verification.Damage`.
        notes: what killed runs left, and files older than what they were made from.
        repairs: what was done about the damage, one line each.
        left: how much of the damage is still there.
        seconds: wall time of the verification.
    """

    counts: dict[str, int] = field(default_factory=dict)
    damaged: list[Any] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    left: int = 0
    seconds: float = 0.0

    def add(self, findings: Iterator[Any]) -> None:
        """Sort findings into damage and notes, each said once."""
        from asd.store.verification import Damage

        known = {*self.damaged, *self.notes}
        for one in findings:
            if one not in known:
                known.add(one)
                (self.damaged if isinstance(one, Damage) else self.notes).append(one)


@click.command()
@machine_option
@click.option("--deep", is_flag=True, help="Read every row and every recording too.")
@click.option("--repair", is_flag=True, help="Compute damaged rows again; delete damaged files.")
@json_option
def command(machines: tuple[str, ...], deep: bool, repair: bool, as_json: bool) -> None:
    """Check that shards, banks, models and scores are what was written.

    Damage is listed, one line each, and makes the exit code 1. Without --deep the rows of the
    feature store are not read, only what says which rows there are.

    \b
    Examples:
      asd verify
      asd verify --deep --repair
    """
    project = Project.find()
    if machines:
        project.machines(machines)
    started = time.monotonic()
    report = verify(project, machines, deep)
    report.seconds = time.monotonic() - started
    for damage in report.damaged:
        show(f"{damage.path}: {damage.reason}", as_json)
    for note in report.notes:
        say(f"note: {note.path}: {note.text}", as_json)
    say(_summary(report, deep), as_json)
    report.left = len(report.damaged)
    if repair and report.damaged:
        from asd.cli.verify_repair import repair as repair_damage

        report.left = 0
        for done in repair_damage(project, report.damaged):
            report.repairs.append(done.line)
            report.left += not done.whole
            say(done.line, as_json)
    emit([asdict(report)], as_json)
    if report.left:
        raise click.exceptions.Exit(1)


def verify(project: Project, machines: Collection[str] = (), deep: bool = False) -> Report:
    """Check all artifacts of a project.

    Args:
        project: the project.
        machines: the machines to look at; none means all that are there.
        deep: whether every row of the store and every recording is read.
    """
    from asd.cli.verify_artifacts import KINDS, Note
    from asd.store.verification import leftovers

    report = Report()
    report.add(_store(project, machines, deep, report.counts))
    for kind in KINDS:
        paths = kind.paths(project, machines)
        if paths and kind.noun:
            report.counts[kind.noun] = len(paths)
        report.add(kind.findings(project, paths))
    if deep:
        report.add(_recordings(project, machines, report.counts))
    what = "what a run left that was stopped, or is under way"
    left = [Note(path, what) for path in leftovers(project.data) if _of(path, project, machines)]
    report.add(iter(left))
    return report


def _store(
    project: Project, machines: Collection[str], deep: bool, counts: dict[str, int]
) -> Iterator[Any]:
    """Yield what is wrong with the shards, and with the records of who reads them."""
    from asd.cli.verify_artifacts import Note
    from asd.progress import progress
    from asd.store import FeatureStore
    from asd.store.verification import verify_inputs, verify_rows, verify_shards

    store = FeatureStore(project.features)
    paths = [path for path in store.root.rglob("*.h5") if _of(path, project, machines)]
    found = verify_shards(store, paths)
    counts.update(shard=len(paths), row=found.rows)
    yield from found.damaged
    if deep:
        with progress(found.rows, "verify", "row") as advance:
            yield from verify_rows(found.shards, advance)
    shards = {shard.path: shard for shard in found.shards}
    for path in sorted(store.root.glob("*/inputs_*.json")):
        if _of(path, project, machines):
            damaged, fresh = verify_inputs(store, path, shards)
            yield from damaged
            if not fresh:
                yield Note(path, "not as new as the shards; run 'asd extract'")


def _recordings(
    project: Project, machines: Collection[str], counts: dict[str, int]
) -> Iterator[Any]:
    """Yield the recordings whose bytes are not those that were indexed."""
    from asd.errors import AsdError
    from asd.progress import progress
    from asd.store.verification import Damage, verify_files

    for path in sorted((project.data / "index").glob("*.csv")):
        if machines and path.stem not in machines:
            continue
        try:
            clips = project.clips(path.stem)
        except AsdError as error:
            yield Damage.of(path, error)
            continue
        digests = {project.raw / clip.path: clip.digest for clip in clips if clip.digest}
        counts["recording"] = counts.get("recording", 0) + len(digests)
        folder = project.raw / path.stem
        if digests and not folder.is_dir():
            listed = counted(len(digests), "recording")
            yield Damage(folder, f"no such folder; {path} lists {listed}")
            continue
        with progress(len(digests), f"verify {path.stem}") as advance:
            yield from verify_files(digests, advance)


def _of(path: Path, project: Project, machines: Collection[str]) -> bool:
    """Whether a file below the data is of one of the machines; none means all."""
    return not machines or bool(set(machines) & set(path.relative_to(project.data).parts))


def _summary(report: Report, deep: bool) -> str:
    counts = ", ".join(counted(number, noun) for noun, number in report.counts.items())
    how = "every row and recording read" if deep else "--deep reads rows and recordings too"
    found = f"{len(report.damaged):,} damaged" if report.damaged else "all as written"
    return f"verified {counts} ({how}) in {report.seconds:.1f} s: {found}"

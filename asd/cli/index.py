"""asd index: what recordings there are, what each is, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from asd.cli.output import counted, emit, json_option, machine_option, say
from asd.cli.project import Project
from asd.clips.record import Clip, write_index


@click.command()
@machine_option
@json_option
def command(machines: tuple[str, ...], as_json: bool) -> None:
    """List the recordings of the raw folder in data/index/<machine>.csv.

    A recording that cannot be used is listed with the reason, and never stops the run.
    """
    from asd.clips.index import index_machine

    project = Project.find()
    summaries = []
    for machine in project.machines(machines):
        clips = index_machine(project.raw, machine, project.params.index)
        path = project.index_path(machine)
        write_index(path, clips)
        summary = _summary(machine, clips)
        summaries.append(summary)
        say(_line(summary) + f" -> {path}", as_json)
    emit(summaries, as_json)


def _summary(machine: str, clips: Sequence[Clip]) -> dict[str, object]:
    from asd.clips.index import summarize

    usable = [clip for clip in clips if clip.usable]
    return {
        "machine": machine,
        "clips": len(usable),
        "recordings": len({clip.path for clip in usable}),
        "train": sum(clip.split == "train" for clip in usable),
        "test": sum(clip.split == "test" for clip in usable),
        "sections": sorted({clip.section for clip in usable}),
        "treated": sum(clip.treatment != "" for clip in usable),
        "rejected": dict(summarize(clips).rejected),
    }


def _line(summary: dict[str, object]) -> str:
    rejected: dict[str, int] = summary["rejected"]  # type: ignore[assignment]
    sections: list[str] = summary["sections"]  # type: ignore[assignment]
    line = (
        f"{summary['machine']}: {counted(int(str(summary['clips'])), 'clip')}{_origin(summary)} in"
        f" {counted(len(sections), 'section')} ({summary['train']} train, {summary['test']} test)"
    )
    if summary["treated"]:
        line += f", {summary['treated']} treated (see the index)"
    if rejected:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in sorted(rejected.items()))
        line += f", {sum(rejected.values())} rejected ({reasons})"
    return line


def _origin(summary: dict[str, object]) -> str:
    """Say how many recordings the clips are from, where some of them are windows."""
    clips, recordings = int(str(summary["clips"])), int(str(summary["recordings"]))
    return f" of {counted(recordings, 'recording')}" if recordings < clips else ""

"""index: what recordings there are, what each is, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from asd.artifact import (
    Request,
    difference,
    discard,
    is_current,
    lock_path,
    making,
    may_be_younger,
    read_record,
)
from asd.atomic import locked
from asd.clips.record import Clip, index_text, read_index
from asd.config import IndexConfig
from asd.digest import sha256_file, sha256_json
from asd.errors import AsdError, JobError
from asd.progress import counted, note
from asd.stages import Named, each
from asd.stages.check import check
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.clips.index import Indexed as Recordings
    from asd.clips.likeness import Remark, Unlike


class IndexRequest(Request):
    """Everything that decides an index: how recordings are read, and which there are."""

    kind: ClassVar[str] = "index"
    verb: ClassVar[str] = "index"
    schema_version: ClassVar[int] = 2

    machine: str
    config: IndexConfig
    recordings: str


@dataclass(frozen=True)
class Indexed:
    """What an index holds.

    Attributes:
        machine: the machine type.
        clips, recordings: usable clips, and the recordings that they are of.
        train, test, supplemental: usable clips by split.
        sections: those of usable clips.
        treated: usable clips that something was done to.
        rejected: recordings that are not used, by reason.
        remarks: in what recordings are unlike the training recordings that is not the machine: by
            code, how many, and the first of them with what is said of it.
    """

    machine: str
    clips: int
    recordings: int
    train: int
    test: int
    supplemental: int
    sections: tuple[str, ...]
    treated: int
    rejected: Mapping[str, int]
    remarks: Mapping[str, Unlike]


def run(workspace: Workspace, machines: Sequence[str] = ()) -> Iterator[Indexed]:
    """List the recordings of machines (default: all) in ``data/index/<machine>.csv``.

    A recording that cannot be used is listed with the reason, and never stops the run.

    Raises:
        UsageError: a machine's folder is missing or empty.
        JobError: none of a machine's recordings can be used.
    """
    check(workspace)

    def work(machine: str) -> Iterator[Indexed]:
        from asd.clips.index import index_recordings

        found = index_recordings(workspace.raw, machine, workspace.params.index)
        path = workspace.index_path(machine)
        request = IndexRequest(
            machine=machine, config=workspace.params.index, recordings=_digest(found.clips)
        )
        _tell_changed(workspace, machine, found.clips)
        _write(path, request, found)
        yield summary(machine, found.clips, found.remarks)
        if not any(clip.usable for clip in found.clips):
            first = found.clips[0]
            raise JobError(f"{path}: no usable clip; the first, {first.path}: {first.status}")

    yield from each(workspace.machines(machines), work)
    if not machines:
        discard(named(workspace).others())


def named(workspace: Workspace) -> Named:
    """Return what the params name of the indexes."""
    files = [f"{one}{end}" for one in workspace.machines() for end in (".csv", ".json")]
    return Named(workspace.data / "index", dict.fromkeys(files, ()))


def _write(path: Path, request: IndexRequest, found: Recordings) -> None:
    """Write an index; where it is there as it is, whoever reads it meanwhile is not disturbed."""
    record, text = path.with_suffix(".json"), index_text(found.clips)
    if is_current(record, request) and path.read_bytes() == text.encode():
        return
    with locked(lock_path(record), fleeting=True), making(record, request) as made:
        made.text(path.name, text)
        if found.training is not None:
            made.facts["training"] = found.training.to_json()


def _tell_changed(workspace: Workspace, machine: str, clips: Sequence[Clip]) -> None:
    """Say which recordings have other bytes than before: it may be the disk that changed them."""
    try:
        before = {clip.path: clip.digest for clip in clips_of(workspace, machine)}
    except AsdError:
        return
    now = {clip.path: clip.digest for clip in clips}
    changed = sorted(
        key for key, digest in before.items() if digest and now.get(key, digest) != digest
    )
    if changed:
        count = counted(len(changed), "recording")
        note(f"{machine}: {count} changed since the last index, such as {changed[0]}")


def summary(
    machine: str, clips: Sequence[Clip], remarks: Mapping[str, Sequence[Remark]]
) -> Indexed:
    """Say what an index holds, and by path what is said of recordings."""
    from asd.clips.index import rejected
    from asd.clips.likeness import by_code

    usable = [clip for clip in clips if clip.usable]
    splits = Counter(clip.split for clip in usable)
    return Indexed(
        machine,
        len(usable),
        len({clip.path for clip in usable}),
        splits["train"],
        splits["test"],
        splits["supplemental"],
        tuple(sorted({clip.section for clip in usable})),
        sum(clip.treatment != "" for clip in usable),
        rejected(clips),
        by_code(remarks),
    )


def clips_of(workspace: Workspace, machine: str) -> list[Clip]:
    """Read a machine's index, which its record vouches for.

    Raises:
        UsageError: there is none, or it is of another version.
        JobError: it is not what was written.
    """
    path = workspace.index_path(machine)
    if not path.is_file():
        return read_index(path)
    read_record(path.with_suffix(".json"), IndexRequest).file(path.name)
    return read_index(path)


def record_digest(workspace: Workspace, machine: str) -> str:
    """Return the digest by which others name the index of a machine.

    Raises:
        UsageError: there is no index.
    """
    return read_record(workspace.index_path(machine).with_suffix(".json"), IndexRequest).digest


def lacks(workspace: Workspace, machine: str) -> list[str]:
    """Say how an index differs from the recordings and the params; nothing if it does not.

    Of recordings only names and times are looked at, and of those that are younger than the index
    the content.
    """
    path = workspace.index_path(machine)
    record_path = path.with_suffix(".json")
    if not path.is_file() and not record_path.is_file():
        return ["missing"]
    try:
        record = read_record(record_path, IndexRequest)
        clips = clips_of(workspace, machine)
    except AsdError as error:
        return [str(error)]
    now = workspace.params.index.model_dump(mode="json")
    changed = difference({"index": record.request["config"]}, {"index": now})
    reasons = [f"other settings ({changed})"] if changed else []
    return [*reasons, *_listing(workspace, machine, clips, path)]


def _listing(
    workspace: Workspace, machine: str, clips: Sequence[Clip], index: Path
) -> Iterator[str]:
    """Yield how the raw folder differs from what was indexed."""
    from asd.clips.scan import find_recordings, folder_of

    folder = folder_of(workspace.raw, machine)
    if not folder.is_dir():
        yield f"{folder} is gone"
        return
    below = "" if folder == workspace.raw else f"{machine}/"
    files = {f"{below}{found.place}": found.file for found in find_recordings(folder)}
    listed = {clip.path: clip for clip in clips}
    for names, what in (
        (files.keys() - listed.keys(), "new"),
        (listed.keys() - files.keys(), "gone"),
    ):
        if names:
            yield f"{counted(len(names), 'recording')} {what}, such as {min(names)}"
    written = index.stat().st_mtime_ns
    changed = [
        name
        for name, clip in sorted(listed.items())
        if name in files and clip.digest and _changed(files[name], clip.digest, written)
    ]
    if changed:
        yield f"{counted(len(changed), 'recording')} changed, such as {changed[0]}"


def _changed(file: Path, digest: str, written: int) -> bool:
    """Whether a recording has other bytes than it had; only a younger one is read."""
    try:
        return may_be_younger(file, written) and sha256_file(file) != digest
    except OSError:
        return True


def _digest(clips: Sequence[Clip]) -> str:
    content: dict[str, Any] = {clip.path: clip.digest or clip.status for clip in clips}
    return sha256_json(content)


def rejected_by_reason(clips: Sequence[Clip]) -> dict[str, int]:
    """Return how many recordings of an index are not used, by their whole reason."""
    return dict(Counter(clip.status for clip in clips if not clip.usable))

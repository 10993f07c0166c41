"""Whether everything on the disk is what was written: each record against its files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from asd.artifact import RECORD, Record, begun_path, lock_path, read_record
from asd.atomic import locked, remove
from asd.config import ALL
from asd.errors import AsdError, UnreadableError
from asd.progress import counted, progress
from asd.stages.extract import mend
from asd.stages.index import clips_of
from asd.store.verification import Damage, matching
from asd.workspace import Workspace

# Where the records of artifacts lie below a workspace's data, and what one is called.
_RECORDS = {
    "index/*.json": "index table",
    "checkpoints/*/record.json": "checkpoint",
    "models/*/*/record.json": "model",
    "banks/*/*/record.json": "bank",
    "scores/*/*.json": "score table",
    "reports/evaluate.json": "evaluation",
    "reports/report.json": "report",
    "enrolled/*/*/record.json": "enrolment",
    "faults/*/record.json": "library of faults",
    "thresholds/*/*.json": "working point",
}
# Files that only a record gives a meaning.
_VOUCHED = (
    "index/*.csv",
    "models/*/*/*.safetensors",
    "models/*/*/history.csv",
    "banks/*/*/*.h5",
    "scores/*/*.csv",
    "scores/*/*.h5",
    "reports/metrics.json",
    "reports/scores.json",
    "reports/roc/*.csv",
    "reports/official/*.csv",
    "enrolled/*/*/*.h5",
    "faults/*/*.flac",
)
_VERBS = {  # that make again what lies in a folder of the data
    "index": "index",
    "checkpoints": "finetune",
    "models": "train",
    "banks": "embed",
    "scores": "score",
    "enrolled": "enroll",
    "thresholds": "threshold",
}
_EVALUATED = ("metrics.json", "scores.json", "evaluate.json", "roc", "official")  # of the reports


@dataclass(frozen=True)
class Note:
    """Something worth saying of a file that is no damage."""

    path: Path
    text: str


class Done(NamedTuple):
    """What was done about some damage, and whether that made it whole."""

    line: str
    whole: bool


@dataclass
class Verified:
    """What a verification found.

    Attributes:
        counts: how many there are of each kind of file.
        damaged: what is not what was written, and what cannot be read.
        notes: what killed runs left, and files that no record vouches for.
    """

    counts: dict[str, int] = field(default_factory=dict)
    damaged: list[Damage] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def add(self, findings: Iterable[Damage | Note]) -> None:
        """Sort findings into damage and notes, each said once."""
        known = {*self.damaged, *self.notes}
        for one in findings:
            if one not in known:
                known.add(one)
                (self.damaged if isinstance(one, Damage) else self.notes).append(one)  # type: ignore[arg-type]


def run(workspace: Workspace, machines: Collection[str] = (), deep: bool = False) -> Verified:
    """Check all artifacts of a workspace, its seeds among them.

    Args:
        workspace: the workspace.
        machines: the machines to look at; none means all that are there.
        deep: whether every row of the store and every recording is read too.
    """
    from asd.store.verification import leftovers

    found = Verified()
    found.add(_store(workspace, machines, deep, found.counts))
    found.add(_closed(workspace))
    found.add(_lost(workspace, machines))
    for folder in (workspace.data, *sorted((workspace.data / "reports" / "seeds").glob("*"))):
        found.add(_artifacts(workspace, folder, machines, found.counts))
    if deep:
        found.add(_recordings(workspace, machines, found.counts))
    what = "what a run left that was stopped, or is under way"
    left = leftovers(workspace.data)
    found.add(Note(path, what) for path in left if _is_of(workspace, path, machines))
    return found


def repair(workspace: Workspace, damaged: Iterable[Damage]) -> Iterator[Done]:
    """Compute damaged rows again and delete other damaged files; yields a line for each."""
    shards: dict[tuple[str, str], list[Path]] = {}
    kept = _linked_copies(workspace)
    for damage in damaged:
        place = _place(workspace, damage.path)
        if damage.unreadable:
            yield Done(f"{damage.path}: kept, as it cannot be read; see its disk and rights", False)
            continue
        if damage.path.exists() and (copy := kept.get(_on_disk(damage.path))):
            remove(copy)
        if place[0] == "features" and len(place) == 4 and place[3].startswith("section_"):
            shards.setdefault((place[1], place[2]), []).append(damage.path)
        elif place[0] == "enrolled":
            yield Done(
                f"{damage.path}: cannot be repaired; 'asd enroll --undo' takes it back", False
            )
        elif verb := _verb(place):
            yield _remove(damage, verb)
        else:
            yield Done(f"{damage.path}: cannot be repaired", False)
    for (machine, feature), paths in shards.items():
        yield _mend(workspace, machine, feature, paths)


def _remove(damage: Damage, verb: str) -> Done:
    """Remove a damaged file, unless another run has made it anew since it was looked at."""
    path = damage.path
    if not path.exists():
        return Done(f"{path}: run 'asd {verb}'", False)
    records = _records_beside(path)
    with ExitStack() as stack:
        for record in records:
            stack.enter_context(locked(lock_path(record), fleeting=True))
        if any(_vouches(record, path) for record in records):
            return Done(f"{path}: whole again, as a run made it anew meanwhile", True)
        remove(path)
    return Done(f"{path}: removed; run 'asd {verb}'", False)


def _records_beside(path: Path) -> list[Path]:
    """Return the records that may vouch for a file below the data, itself where it is one."""
    folder = (
        path.parent.parent if path.parent.name in ("roc", "official", "figures") else path.parent
    )
    known = (
        path.with_suffix(".json"),
        *(folder / n for n in (RECORD, "evaluate.json", "report.json")),
    )
    return sorted({one for one in known if one.exists()})


def _vouches(record: Path, path: Path) -> bool:
    """Return whether a record is whole, and names a file as it is now."""
    try:
        found = read_record(record)
        if path == record:
            return not [*_files(found), *_misplaced(found)]
        found.file(path.relative_to(record.parent).as_posix())
    except AsdError:
        return False
    return True


def _linked_copies(workspace: Workspace) -> dict[tuple[int, int], Path]:
    """Return the files that DVC keeps, by what tells them on the disk: a link has the same.

    A damaged file that is linked is damaged there too. DVC would take it for the file that its
    name says, and link it in place of what is made anew.
    """
    kept = (path for path in (workspace.root / ".dvc" / "cache").rglob("*") if path.is_file())
    return {_on_disk(path): path for path in kept}


def _on_disk(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _artifacts(
    workspace: Workspace, folder: Path, machines: Collection[str], counts: dict[str, int]
) -> Iterator[Damage | Note]:
    """Yield what is wrong with the artifacts below a folder, and what no record names."""
    named, unread = set[Path](), set[Path]()
    for pattern, noun in _RECORDS.items():
        for path in _found(folder, pattern):
            if not _is_of(workspace, path, machines):
                continue
            counts[noun] = counts.get(noun, 0) + 1
            try:
                record = read_record(path)
            except AsdError as error:
                unread.add(path)
                yield _unread(workspace, path, error)
                continue
            named |= {path.parent / name for name in record.files}
            found = [*_files(record), *_misplaced(record)]
            if found and _is_gone(record):
                yield Note(path, "a run made it anew meanwhile; verify again")
            else:
                yield from found
    for pattern in _VOUCHED:
        for path in _found(folder, pattern):
            owner = _record_of(folder, path)
            # Listed beside a record that says nothing any more, files would only confuse.
            if path in named or owner in unread or not _is_of(workspace, path, machines):
                continue
            verb = _verb(_place(workspace, path))
            if owner.exists() or begun_path(owner).exists():
                yield Note(path, f"no record names it, so it is not read; run 'asd {verb}'")
            else:
                yield Damage(owner, f"lost: it vouched for what lies there; run 'asd {verb}'")


def _found(folder: Path, pattern: str) -> list[Path]:
    """Return what matches a pattern below a folder and is not hidden, sorted."""
    paths = matching(folder, pattern)
    return sorted(one for one in paths if "/." not in f"/{one.relative_to(folder).as_posix()}")


def _record_of(folder: Path, path: Path) -> Path:
    """Return the record that should name a file below the data of a workspace or seed."""
    if path.relative_to(folder).parts[0] in ("index", "scores"):
        return path.with_suffix(".json")
    if path.is_relative_to(folder / "reports"):
        return folder / "reports" / "evaluate.json"
    return path.with_name(RECORD)


def _unread(workspace: Workspace, path: Path, error: AsdError) -> Damage:
    """Return the damage of a record, whose place alone says what makes it again."""
    damage, verb = Damage.of(path, error), _verb(_place(workspace, path))
    if damage.unreadable:
        return damage
    return replace(damage, reason=f"{damage.reason}; delete it and run 'asd {verb}'")


def _closed(workspace: Workspace) -> Iterator[Damage]:
    """Yield the folders of artifacts that the system does not let one look into."""
    refused: list[OSError] = []
    for _, folders, _ in os.walk(workspace.data, onerror=refused.append):
        if "raw" in folders:
            folders.remove("raw")
    for error in refused:
        yield Damage(Path(error.filename), f"cannot be read: {error.strerror}", unreadable=True)


def _is_gone(record: Record) -> bool:
    """Return whether there is another record by now, or none, as an artifact is made anew."""
    try:
        return read_record(record.path).digest != record.digest
    except UnreadableError:
        return False
    except AsdError:
        return begun_path(record.path).exists()


def _files(record: Record) -> Iterator[Damage]:
    for name in record.files:
        try:
            record.file(name)
        except AsdError as error:
            yield Damage.of(record.path.parent / name, error)


def _misplaced(record: Record) -> Iterator[Damage]:
    """Yield a record that lies where one of another machine or system belongs."""
    above, folder, stem = *record.path.parts[-3:-1], record.path.stem
    of_machine = {"machine": folder}
    where: dict[str, dict[str, str]] = {
        "index": {"machine": stem},
        "model": of_machine,
        "banks": of_machine,
        "scores": {"machine": stem, "system": folder},
        "enrolment": {"machine": above},
        "faults": of_machine,
        "working point": {"machine": folder, "system": stem},
    }
    for key, expected in where.get(record.kind, {}).items():
        if (said := record.request.get(key)) != expected:
            yield Damage(
                record.path,
                f"lies in the wrong place: it says that it is of {key} {said}; delete it and run"
                f" 'asd {record.verb}'",
            )
            return


def _store(
    workspace: Workspace, machines: Collection[str], deep: bool, counts: dict[str, int]
) -> Iterator[Damage]:
    """Yield what is wrong with the shards."""
    from asd.store import FeatureStore
    from asd.store.verification import verify_rows, verify_shards

    store = FeatureStore(workspace.features)
    paths = [path for path in matching(store.root, "**/*.h5") if _is_of(workspace, path, machines)]
    found = verify_shards(store, paths)
    counts.update(shard=len(paths), row=found.rows)
    yield from found.damaged
    if deep:
        with progress(found.rows, "verify", "row") as advance:
            yield from verify_rows(found.shards, advance)


def _lost(workspace: Workspace, machines: Collection[str]) -> Iterator[Damage]:
    """Yield the shards that are not there though models or banks were made of them."""
    from asd.store import FeatureStore

    store, features = FeatureStore(workspace.features), workspace.feature_names()
    for machine in machines or workspace.machines():
        try:
            listed = {
                (one.section, one.split) for one in clips_of(workspace, machine) if one.usable
            }
        except AsdError:
            continue  # listed with the artifacts
        for record, used in _made_of(workspace, machine):
            for feature, section, split in sorted(used):
                shard = store.path(machine, feature, section, split)
                if feature in features and (section, split) in listed and not shard.exists():
                    yield Damage(shard, f"lost: {record} names it; run 'asd extract'")


def _made_of(
    workspace: Workspace, machine: str
) -> Iterator[tuple[Path, set[tuple[str, str, str]]]]:
    """Yield each readable record of models and banks with the shards (feature, section, split)."""
    from asd.scoring.bank import BanksRequest, read_banks_record
    from asd.training.artifact import ModelRequest

    for model in workspace.models():
        path = workspace.model_record(model, machine)
        with suppress(AsdError):
            inputs = read_record(path, ModelRequest).asked(ModelRequest).inputs_of(machine)
            yield path, {(name, section, "train") for name, of in inputs.items() for section in of}
        path = workspace.bank_record(model, machine)
        with suppress(AsdError):
            splits = read_banks_record(path).asked(BanksRequest).inputs
            yield (
                path,
                {
                    (name, section, split)
                    for split, inputs in splits.items()
                    for name, of in inputs.items()
                    for section in of
                },
            )


def _recordings(
    workspace: Workspace, machines: Collection[str], counts: dict[str, int]
) -> Iterator[Damage | Note]:
    """Yield the recordings whose bytes are not those that were indexed."""
    from asd.clips.scan import folder_of
    from asd.store.verification import verify_files

    for path in sorted((workspace.data / "index").glob("*.csv")):
        if machines and path.stem not in machines:
            continue
        try:
            clips = clips_of(workspace, path.stem)
        except AsdError:  # listed with the artifacts
            yield from _uncompared(workspace, path)
            continue
        digests = {workspace.raw / clip.path: clip.digest for clip in clips if clip.digest}
        counts["recording"] = counts.get("recording", 0) + len(digests)
        folder = folder_of(workspace.raw, path.stem)
        if digests and not folder.is_dir():
            listed = counted(len(digests), "recording")
            yield Damage(folder, f"no such folder; {path} lists {listed}")
            continue
        with progress(len(digests), f"verify {path.stem}") as advance:
            yield from verify_files(digests, advance)


def _uncompared(workspace: Workspace, index: Path) -> Iterator[Note]:
    """Say how many recordings there are that a damaged index tells nothing of any more."""
    from asd.clips.scan import find_recordings, folder_of

    folder = folder_of(workspace.raw, index.stem)
    if count := len(find_recordings(folder)) if folder.is_dir() else 0:
        them = f"{count:,} recording{' is' if count == 1 else 's are'} not compared"
        yield Note(folder, f"{them}, as {index} is not what was written")


def _mend(workspace: Workspace, machine: str, feature: str, paths: Sequence[Path]) -> Done:
    from asd.store import FeatureStore
    from asd.store.verification import verify_rows, verify_shards

    name = f"{machine} {feature}"
    try:
        computed = mend(workspace, machine, feature, paths)
    except AsdError as error:
        return Done(f"{name}: not repaired: {error}", False)
    there = [path for path in paths if path.exists()]
    found = verify_shards(FeatureStore(workspace.features), there)
    left = len(found.damaged) + len(verify_rows(found.shards))
    if left:
        return Done(f"{name}: {counted(left, 'shard')} still damaged: see the disk", False)
    return Done(f"{name}: computed {counted(computed, 'row')} again", True)


def _verb(place: tuple[Any, ...]) -> str:
    """Return the verb that makes a file again, by its place below the data; ``""``: none does."""
    if place[0] != "reports":
        return _VERBS.get(place[0], "")
    if place[1] == "seeds":
        return "ablate"
    return "evaluate" if place[1] in _EVALUATED else "report"


def _place(workspace: Workspace, path: Path) -> tuple[str, ...]:
    data = workspace.data
    return path.relative_to(data).parts if path.is_relative_to(data) else ("",)


def _is_of(workspace: Workspace, path: Path, machines: Collection[str]) -> bool:
    """Whether a file below the data is of one of the machines; none means all.

    The checkpoint and joint models are of every machine.
    """
    parts = path.relative_to(workspace.data).parts
    if not machines or parts[0] == "checkpoints" or (parts[0] == "models" and ALL in parts):
        return True
    return bool(set(machines) & {*parts, path.stem})

"""The record of an artifact: what made it, which files it is, and whether it is the one asked for.

Every artifact (an index, a checkpoint, a model, banks, scores with their detector, figures, a
report, an enrolment) is a few files vouched for by one record, a JSON file beside them that is
written last and at one moment::

    {"kind", "schema", "request", "files": {name: sha256}, "facts", "versions", "digest"}

``request`` is a frozen pydantic model, one a kind: everything that decides the content and nothing
else (no time, no path, no host). *Reuse*, ``asd status`` and ``asd verify`` ask this module alone:
an artifact is current when the record's request equals the one that the params and the inputs ask
for now, and whole when its files have the digests that the record names. A shard of the feature
store has the same fields as HDF5 attributes.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import ValidationError

from asd.atomic import locked, refusals, remove, replacing
from asd.config import Settings
from asd.digest import canonical_json, sha256_file, sha256_json
from asd.errors import AsdError, JobError, UnreadableError, UsageError, one_line, refusal
from asd.progress import note
from asd.version import __version__
from asd.workspace import RECORD as RECORD

# What the last bits of an artifact depend on.
_DECISIVE = ("asd", "torch", "transformers", "numpy")
_TRIES = 8  # of a reader that others disturb
_SHOWN = 3  # of the changes between two requests
_DAMAGED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class Request(Settings):
    """Base of the requests: all that decides an artifact of one kind.

    Attributes:
        kind: what the artifact is, such as ``"model"``.
        verb: the verb that makes it.
        schema_version: of its files; raised when they are laid out otherwise.
    """

    kind: ClassVar[str]
    verb: ClassVar[str]
    schema_version: ClassVar[int] = 1

    def to_json(self) -> dict[str, Any]:
        """Return the request as the record holds it."""
        return self.model_dump(mode="json")

    @property
    def canonical(self) -> str:
        """The one JSON text of the request, which requests are compared by."""
        return canonical_json(self.to_json())

    @property
    def digest(self) -> str:
        """The SHA-256 of the request: a run that was interrupted is told by it."""
        return sha256_json(self.to_json())


R = TypeVar("R", bound=Request)
T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """A record read back; its own digest has been checked, its files have not.

    Attributes:
        path: the JSON file.
        kind: what the artifact is.
        verb: the verb that makes it.
        request: what was asked for.
        files: SHA-256 of each file beside the record, by name.
        facts: what came of it and decides nothing, such as the last losses.
        versions: of the package, of Python and of the libraries that made it.
        digest: SHA-256 of all of this; what is made from the artifact names it.
    """

    path: Path
    kind: str
    verb: str
    request: Mapping[str, Any]
    files: Mapping[str, str]
    facts: Mapping[str, Any]
    versions: Mapping[str, str]
    digest: str

    def file(self, name: str) -> Path:
        """Return one of the files, after checking that it is what was written.

        Raises:
            JobError: it is missing, is another, or cannot be read (UnreadableError).
        """
        path = self.path.parent / name
        if name not in self.files:
            raise JobError(f"{self.path}: does not name {name}; delete it and run {self._remedy}")
        try:
            whole = sha256_file(path) == self.files[name]
        except FileNotFoundError:
            raise JobError(f"{path}: lost: {self.path.name} names it; run {self._remedy}") from None
        except OSError as error:
            raise UnreadableError(f"{path}: cannot be read: {refusal(error)}") from None
        if not whole:
            raise JobError(
                f"{path}: is not what was written: its contents do not have the digest that was"
                f" recorded; delete it and run {self._remedy}"
            )
        return path

    def check(self) -> Self:
        """Check every file; see :meth:`file` for the errors."""
        for name in self.files:
            self.file(name)
        return self

    def asked(self, kind: type[R]) -> R:
        """Return the request as its own type.

        Raises:
            JobError: it is not one, so another version made it.
        """
        try:
            return kind.model_validate(self.request)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise JobError(
                f"{self.path}: made by another version ({where}: {first['msg']});"
                f" run {self._remedy}"
            ) from None

    @property
    def _remedy(self) -> str:
        return f"'asd {self.verb}'"


@dataclass
class Making:
    """An artifact that is being written; see :func:`making`.

    Attributes:
        folder: where its files go.
        facts: what is to be written down beside the request.
        names: the files that were written, in their order.
    """

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """Yield a path to write a file to, which takes its place when the block ends well."""
        with replacing(self.folder / name) as beside:
            yield beside
        self.names.append(name)

    def text(self, name: str, content: str) -> None:
        """Write a file of text in UTF-8, line ends as they are."""
        with self.file(name) as beside:
            beside.write_text(content, encoding="utf-8", newline="")


@contextmanager
def making(path: Path, request: Request, *libraries: str) -> Iterator[Making]:
    """Write an artifact: its files in the block, its record when the block ends well.

    The record of before is removed first, for half-replaced files must not look whole; until the
    new one is there a hidden file says that the artifact is being made, so that a record that is
    lost is told from one that is not written yet. Files that were named and are not written again
    are removed last. An artifact that is a folder of its
    own has nothing else in it then, whoever left it there.

    Args:
        path: the record.
        request: what decides the content.
        libraries: whose versions the last bits depend on, by the names of their packages.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """
    before, begun = set[str](), begun_path(path)
    with suppress(AsdError):
        before |= read_record(path).files.keys()
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        begun.touch()
    remove(path)
    made = Making(path.parent)
    yield made
    write_record(path, request, made.names, made.facts, *libraries)
    remove(begun)
    for name in before - set(made.names):
        remove(path.parent / name)
    if path.name == RECORD:
        prune(path.parent, lambda file: file.name in (RECORD, *made.names))


def begun_path(path: Path) -> Path:
    """Return the file that is there while the artifact of a record is being made."""
    return path.with_name(f".{path.name}.part")


def write_record(
    path: Path, request: Request, names: list[str], facts: Mapping[str, Any], *libraries: str
) -> None:
    """Write the record of files that lie beside it already, whole or not at all."""
    content: dict[str, Any] = {
        "kind": request.kind,
        "schema": request.schema_version,
        "request": request.to_json(),
        "files": {name: sha256_file(path.parent / name) for name in sorted(names)},
        "facts": dict(facts),
        "versions": versions(*libraries),
    }
    content["digest"] = sha256_json(content)
    with replacing(path) as beside:
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        beside.write_text(text, encoding="utf-8")


def read_record(path: Path, kind: type[Request] | None = None) -> Record:
    """Read a record, of any kind if none is given, and check that it is what was written.

    The files beside it are not looked at.

    Raises:
        UsageError: there is none.
        JobError: it is damaged, of another kind or of another schema.
    """
    return _read(path, kind)


def read_if_there(path: Path, kind: type[Request] | None = None) -> Record | None:
    """Read a record as :func:`read_record` does; None where none is.

    Whether it is there is found out by reading it: it may go in between.
    """
    try:
        return _read(path, kind)
    except UsageError:
        return None


def steady(read: Callable[[], T], stamp: Callable[[], object]) -> tuple[T, object]:
    """Read what several artifacts say together, again where one was replaced in the midst of it.

    Each artifact is replaced at one moment, but who reads a record and then its files, or one
    artifact by what another says, may meet the old one first and then the new one, or none.

    Args:
        read: what reads.
        stamp: what is another where one of the artifacts is another; it must not fail.

    Returns:
        What was read, and the stamp of before.

    Raises:
        AsdError, OSError: it cannot be read, and nobody is changing it; or as of ``read``.
    """
    for _ in range(_TRIES):
        before = stamp()
        try:
            return read(), before
        except (AsdError, OSError):
            if stamp() == before:
                raise
    return read(), before


def stamp_of(paths: Iterable[Path]) -> tuple[tuple[str, int, int, int], ...]:
    """Return what tells whether other files lie at paths than before; it reads none of them."""
    found = []
    for path in paths:
        with suppress(OSError):
            one = path.stat()
            found.append((str(path), one.st_ino, one.st_mtime_ns, one.st_size))
    return tuple(found)


def is_current(path: Path, request: Request) -> bool:
    """Return whether the artifact of exactly this request is there and whole."""
    return not lack(path, request, whole=True)


@contextmanager
def claimed(path: Path, request: Request) -> Iterator[bool]:
    """Yield whether an artifact has to be made, with the word that no other run makes it meanwhile.

    Of two runs that want the same one makes it; the other waits, and finds that it is there.

    Raises:
        JobError: nothing can be written there.
    """
    if is_current(path, request):
        yield False
        return
    with locked(lock_path(path), fleeting=True):
        yield not is_current(path, request)


def lock_path(path: Path) -> Path:
    """Return the file that whoever makes the artifact of a record holds the lock of."""
    return path.with_name(f".{path.name}.lock.part")


def lack(path: Path, request: Request | None, whole: bool = False) -> str:
    """Say why what is there is not what is asked for; ``""`` where it is.

    Args:
        path: the record.
        request: what is asked for now; None where only the files are judged.
        whole: read all files and compare their digests; else those alone that were written after
            the record, and the others need only be there.
    """
    if not path.exists():
        return "missing"
    try:
        record = _read(path, type(request) if request is not None else None)
        if request is not None and canonical_json(record.request) != request.canonical:
            changed = difference(record.request, request.to_json())
            return f"other settings ({changed or 'in another form'})"
        written = path.stat().st_mtime_ns
        for name in record.files:
            file = path.parent / name
            if not file.is_file():
                return f"{name} is gone"
            if whole or may_be_younger(file, written):
                record.file(name)
    except AsdError as error:
        return "cannot be read" if isinstance(error, UnreadableError) else "damaged"
    return ""


def difference(was: Any, now: Any) -> str:
    """Say how two nested mappings differ, such as ``"config.hop 512 -> 256"``; ``""`` if not.

    Digests are named and not shown. A key that one of them has not counts as null.
    """
    if was == now:
        return ""
    before, after = _flat(was), _flat(now)
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    said = [
        f"another {key}"
        if any(_is_digest(values.get(key)) for values in (before, after))
        else f"{key} {_short(before.get(key))} -> {_short(after.get(key))}"
        for key in changed[:_SHOWN]
    ]
    more = [f"{len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else []
    return ", ".join([*said, *more])


def versions(*libraries: str) -> dict[str, str]:
    """Return the versions of this package, of Python and of libraries.

    Example:
        >>> sorted(versions("numpy"))
        ['asd', 'numpy', 'python']
    """
    return {
        "asd": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in libraries},
    }


def drift(recorded: Mapping[str, Any]) -> list[str]:
    """Return which of the recorded versions are not those of here, by major and minor number.

    Example:
        >>> drift({**versions("numpy"), "python": "2.7"})
        []
    """
    found = []
    for name in _DECISIVE:
        try:
            here = __version__ if name == "asd" else version(name)
        except PackageNotFoundError:
            continue
        made = one_line(recorded.get(name, here))
        if made.split(".")[:2] != here.split(".")[:2]:
            found.append(f"{name} {made} (here {here})")
    return found


def tell_drift(kind: str, recorded: Mapping[str, Any]) -> None:
    """Say once on standard error if an artifact was made with other versions; never fails."""
    if changed := drift(recorded):
        note(f"a {kind} was made with {', '.join(changed)}; last digits may differ")


def tell_drift_of(path: Path) -> None:
    """Do so with the versions that a record names; it may be missing or damaged."""
    with suppress(AsdError):
        record = read_record(path)
        tell_drift(record.kind, record.versions)


def prune(folder: Path, wanted: Callable[[Path], bool]) -> None:
    """Remove what lies in a folder and is not wanted, but for hidden files."""
    discard(surplus(folder, wanted))


def discard(paths: Iterable[Path]) -> None:
    """Remove files, and folders with what is in them."""
    import shutil

    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            remove(path)


def surplus(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """Return what lies in a folder and is not wanted, but for hidden files, sorted."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.name[0] != "." and not wanted(path)]


def _read(path: Path, kind: type[Request] | None) -> Record:
    what, verb = (kind.kind, kind.verb) if kind is not None else ("artifact", "")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no mapping")
        if kind is not None and (content["kind"], content["schema"]) != (
            kind.kind,
            kind.schema_version,
        ):
            raise ValueError(
                f"{content['kind']} of schema {content['schema']}, this version reads"
                f" {kind.kind} of schema {kind.schema_version}"
            )
        digest = content.pop("digest")
        if sha256_json(content) != digest:
            raise ValueError("its contents do not have the digest that was recorded")
        parts = {name: content[name] for name in ("request", "files", "facts", "versions")}
        if not all(isinstance(part, dict) for part in parts.values()):
            raise ValueError("other contents")
        if any(".." in n or "\0" in n or n.startswith((".", "/")) for n in parts["files"]):
            raise ValueError("it names files elsewhere")
        made = str(content["kind"])
        return Record(path, made, verb or VERBS.get(made, ""), **parts, digest=str(digest))
    except FileNotFoundError:
        way_out = f"; run 'asd {verb}' first" if verb else ""
        raise UsageError(f"{path}: no such {what}{way_out}") from None
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {refusal(error)}") from None
    except _DAMAGED as error:
        way_out = f"; delete it and run 'asd {verb}'" if verb else ""
        raise JobError(
            f"{path}: not a readable {what} record ({one_line(error)}){way_out}"
        ) from None


VERBS = {
    "index": "index",
    "checkpoint": "finetune",
    "model": "train",
    "banks": "embed",
    "scores": "score",
    "figures": "evaluate",
    "report": "report",
    "enrolment": "enroll",
    "faults": "feedback",
    "working point": "threshold",
    "exported detector": "export",
    "download": "download",
}
"""The verb that makes an artifact of each kind."""


def may_be_younger(file: Path, written: int) -> bool:
    """Return whether a file may have been written after a moment, in nanoseconds.

    A moment to come, by the clock of now, tells nothing.
    """
    times = file.stat()
    return max(times.st_mtime_ns, times.st_ctime_ns) > written or written > time.time_ns()


def _flat(values: Any, above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
            found |= _flat(dict(enumerate(value)), f"{name}.")
        elif isinstance(value, Mapping) and value:
            found |= _flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and value.isalnum()


def _short(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= 40 else f"{text[:37]}..."

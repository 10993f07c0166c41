"""Fetching a challenge data set from its owners: listed, checked for space, fetched, extracted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from asd.download.archive import (
    Entry,
    extract,
    is_extracted,
    read_extracted,
    record_path,
    write_extracted,
)
from asd.download.fetch import Web, fetch
from asd.download.zenodo import PARTS, RECORDS, ZENODO, Archive, archives, check_base, record_url
from asd.errors import JobError, unknown_name
from asd.progress import Advance, progress

DEFAULT_PARTS = ("dev", "additional")
STATE = ".download"

# Sizes of the recordings over those of their archives, where they are not known yet.
_EXPANSION = 1.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a download did.

    Attributes:
        dataset: name of the data set.
        folder: where its machines' folders are.
        fetched: archives fetched and extracted, by name.
        kept: archives that had been extracted before.
        received: bytes of the fetched archives.
        files: files extracted from them.
    """

    dataset: str
    folder: Path
    fetched: tuple[str, ...]
    kept: tuple[str, ...]
    received: int
    files: int


def download(
    dataset: str,
    to: Path,
    *,
    parts: Sequence[str] = DEFAULT_PARTS,
    machines: Sequence[str] = (),
    mirror: str = ZENODO,
    workers: int = 4,
    web: Web | None = None,
) -> Outcome:
    """Fetch a challenge data set into ``to/<dataset>/<machine>/...``.

    What is received and what is extracted is remembered in ``to/.download/<dataset>``; a call
    goes on where an earlier one ended, and an archive whose files are there is not fetched again.

    Args:
        dataset: name among :data:`RECORDS`.
        to: the folder of raw data.
        parts: parts of the data set, of :data:`PARTS`.
        machines: machines to fetch; none means all.
        mirror: base URL of a server with Zenodo's API paths.
        workers: archives fetched at a time.
        web: makes the requests; by default with six attempts each.

    Returns:
        What was fetched and what was there.

    Raises:
        UsageError: an unknown data set, part or machine, or an impossible mirror.
        JobError: too little space, or an archive that cannot be fetched or extracted. The others
            are fetched all the same.
    """
    web = web or Web()
    chosen = _chosen(web, check_base(mirror), dataset, parts, machines)
    folder, state = to / dataset, to / STATE / dataset
    wanted = [archive for archive in chosen if not _is_there(archive, folder, state)]
    _check_space(to, state, wanted)
    ownership = _Ownership(state, wanted)
    total = sum(archive.size for archive in wanted)
    with progress(total, f"download {dataset}", unit="B") as advance:
        bring = partial(_bring, web, folder, state, ownership, _one_at_a_time(advance))
        counts = _each(wanted, bring, workers, web)
    return Outcome(
        dataset=dataset,
        folder=folder,
        fetched=tuple(archive.name for archive in wanted),
        kept=tuple(archive.name for archive in chosen if archive not in wanted),
        received=total,
        files=sum(counts),
    )


def _chosen(
    web: Web, base: str, dataset: str, parts: Sequence[str], machines: Sequence[str]
) -> list[Archive]:
    """Return the archives that are asked for, as the records list them now."""
    if dataset not in RECORDS:
        raise unknown_name("data set", dataset, RECORDS)
    for part in parts:
        if part not in PARTS:
            raise unknown_name("part", part, PARTS)
    records = [record for part, record in RECORDS[dataset].items() if part in parts]
    listed = [
        archive
        for record in records
        for archive in archives(web.answer(record_url(base, record)), record, base)
    ]
    known = {archive.machine for archive in listed}
    for machine in machines:
        if machine not in known:
            raise unknown_name("machine", machine, known)
    return [archive for archive in listed if not machines or archive.machine in machines]


def _is_there(archive: Archive, folder: Path, state: Path) -> bool:
    there = is_extracted(state, archive, folder)
    if there:
        _part(archive, state).unlink(missing_ok=True)  # of a call killed right after the record
    return there


def _part(archive: Archive, state: Path) -> Path:
    return state / f"{archive.record}_{archive.name}.part"


def _check_space(to: Path, state: Path, wanted: Sequence[Archive]) -> None:
    """Refuse before the first byte what would fill the disk hours later."""
    size = sum(archive.size for archive in wanted)
    received = [_part(archive, state) for archive in wanted]
    there = sum(part.stat().st_size for part in received if part.is_file())
    needed = max(0, size - there) + int(_EXPANSION * size)
    existing = next(folder for folder in (to, *to.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise JobError(
            f"{to}: {needed / 1e9:.2f} GB are needed to fetch and extract {len(wanted)} archives, "
            f"{free / 1e9:.2f} GB are free; choose another disk with --to, or fewer --machine"
        )


def _bring(
    web: Web,
    folder: Path,
    state: Path,
    ownership: _Ownership,
    advance: Advance,
    archive: Archive,
) -> int:
    """Fetch and extract one archive, and return the number of files."""
    part = _part(archive, state)
    try:
        state.mkdir(parents=True, exist_ok=True)
        fetch(web, archive, part, advance)
        claim = partial(ownership.claim, archive.name)
        files = extract(part, folder, claim, web.check)
        write_extracted(state, archive, files)
        part.unlink()
    except OSError as error:
        raise JobError(f"{error.filename or part}: {error.strerror or error}") from None
    return len(files)


def _each(
    wanted: Sequence[Archive],
    bring: Callable[[Archive], int],
    workers: int,
    web: Web,
) -> list[int]:
    """Bring archives in parallel; one that fails does not keep the others from coming."""
    failures: list[JobError] = []
    counts: list[int] = []
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        pending = [pool.submit(bring, archive) for archive in wanted]
        try:
            for done in as_completed(pending):
                try:
                    counts.append(done.result())
                except JobError as error:
                    failures.append(error)
        except BaseException:  # Ctrl-C above all: what has been received stays for the next call
            web.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        others = f" (and {len(failures) - 1} more failed)" if failures[1:] else ""
        raise JobError(f"{failures[0]}{others}")
    return counts


def _one_at_a_time(advance: Advance) -> Advance:
    lock = Lock()

    def advance_alone(done: int = 1, /, **notes: object) -> None:
        with lock:
            advance(done, **notes)

    return advance_alone


class _Ownership:
    """Which archive gave which file: the parts of a data set share the folders of machines."""

    def __init__(self, state: Path, wanted: Sequence[Archive]) -> None:
        self._lock = Lock()
        self._owners: dict[str, tuple[str, Entry]] = {}
        coming = {record_path(state, archive) for archive in wanted}
        for path in sorted(set(state.glob("*.json")) - coming):
            self.claim(*read_extracted(path))

    def claim(self, archive: str, files: Iterable[Entry]) -> None:
        """Note the files of an archive; none may be another archive's with other bytes.

        Raises:
            JobError: two archives disagree about a file.
        """
        with self._lock:
            for entry in files:
                owner, known = self._owners.setdefault(entry.path.casefold(), (archive, entry))
                if known != entry:
                    raise JobError(
                        f"{archive}: {entry.path} is another file than that of {owner}; "
                        "give each its own folder with --to"
                    )

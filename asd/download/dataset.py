"""Fetching a challenge data set from its owners: listed, checked for space, fetched, extracted."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
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
from asd.errors import JobError, refusal, unknown_name
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
    work = _Work(web, to / dataset, to / STATE / dataset, chosen)
    work.check_space(to)
    total = sum(archive.size for archive in work.wanted)
    with progress(total, f"download {dataset}", unit="B") as advance:
        files = work.run(workers, advance)
    return Outcome(
        dataset=dataset,
        folder=to / dataset,
        fetched=tuple(archive.name for archive in work.wanted),
        kept=tuple(archive.name for archive in chosen if archive not in work.wanted),
        received=total,
        files=files,
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


class _Work:
    """Archives on their way into one folder, and what their threads share.

    The parts of a data set share the folders of machines, so that it is noted which archive gave
    which file.
    """

    def __init__(self, web: Web, folder: Path, state: Path, chosen: Sequence[Archive]) -> None:
        self._web, self._folder, self._state, self._lock = web, folder, state, Lock()
        self.wanted = [archive for archive in chosen if not is_extracted(state, archive, folder)]
        for archive in chosen:
            if archive not in self.wanted:  # of a call killed right after the record
                self._part(archive).unlink(missing_ok=True)
        self._owners: dict[str, tuple[str, Entry]] = {}
        coming = {record_path(state, archive) for archive in self.wanted}
        for path in sorted(set(state.glob("*.json")) - coming):
            self._claim(*read_extracted(path))

    def _part(self, archive: Archive) -> Path:
        return self._state / f"{archive.record}_{archive.name}.part"

    def check_space(self, to: Path) -> None:
        """Refuse before the first byte what would fill the disk hours later."""
        size = sum(archive.size for archive in self.wanted)
        parts = [self._part(archive) for archive in self.wanted]
        there = sum(part.stat().st_size for part in parts if part.is_file())
        needed = max(0, size - there) + int(_EXPANSION * size)
        existing = next(folder for folder in (to, *to.absolute().parents) if folder.is_dir())
        free = shutil.disk_usage(existing).free
        if needed > free:
            raise JobError(
                f"{to}: {needed / 1e9:.2f} GB are needed to fetch and extract {len(parts)} "
                f"archives, {free / 1e9:.2f} GB are free; choose another disk with --to, or fewer "
                "--machine"
            )

    def run(self, workers: int, advance: Advance) -> int:
        """Bring the archives in parallel, and return the number of files.

        One that fails does not keep the others from coming.
        """

        def one_at_a_time(done: int = 1, /, **notes: object) -> None:
            with self._lock:
                advance(done, **notes)

        failures: list[JobError] = []
        files = 0
        with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
            pending = [pool.submit(self._bring, one, one_at_a_time) for one in self.wanted]
            try:
                for done in as_completed(pending):
                    try:
                        files += done.result()
                    except JobError as error:
                        failures.append(error)
            except BaseException:  # Ctrl-C above all: what is received stays for the next call
                self._web.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if failures:
            others = f" (and {len(failures) - 1} more failed)" if failures[1:] else ""
            raise JobError(f"{failures[0]}{others}")
        return files

    def _bring(self, archive: Archive, advance: Advance) -> int:
        part = self._part(archive)
        try:
            self._state.mkdir(parents=True, exist_ok=True)
            fetch(self._web, archive, part, advance)
            claim = partial(self._claim, archive.name)
            files = extract(part, self._folder, claim, self._web.check)
            write_extracted(self._state, archive, files)
            part.unlink()
        except OSError as error:
            raise JobError(f"{error.filename or part}: {refusal(error)}") from None
        return len(files)

    def _claim(self, archive: str, files: Sequence[Entry]) -> None:
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

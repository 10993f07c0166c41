"""The package that a team sends to DCASE Task 2: score and decision files, and what they are of.

::

    task2/<team>_task2.technical_report.pdf
    task2/<label>/<label>.meta.yaml
    task2/<label>/anomaly_score_<machine>_section_<NN>_test.csv
    task2/<label>/decision_result_<machine>_section_<NN>_test.csv

A team is ``<last name>_<institute>``; it may send four systems, and the label of one is
``<team>_task2_<number>``. A package in memory maps these paths to the bytes of the files.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from asd.atomic import replacing
from asd.errors import JobError, UsageError
from asd.metrics.truth import Key, Truth
from asd.scoring.files import Kind

Part = Literal["eval", "dev", "all"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TASK = "task2"
MAX_BYTES = 500_000_000  # a package is some megabytes; more is not read into memory

_LABEL = re.compile(rf"([A-Za-z0-9-]+)_([A-Za-z0-9-]+)_{TASK}_([1-4])")


@dataclass(frozen=True)
class Label:
    """The label of a submitted system, which is also the name of its folder.

    Attributes:
        author: last name of the corresponding author.
        institute: abbreviation of the author's institute.
        number: 1 to 4, which of the team's systems it is.

    Raises:
        UsageError: a part has a character that the challenge's labels do not have.
    """

    author: str = "Author"
    institute: str = "Institute"
    number: int = 1

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(str(self)):
            raise UsageError(
                f"label '{self}': author and institute are of letters, digits and '-' alone, and"
                " the number is 1 to 4"
            )

    @classmethod
    def parse(cls, text: str) -> Label | None:
        """Return what a label says, or None if it is none."""
        found = _LABEL.fullmatch(text)
        return cls(found[1], found[2], int(found[3])) if found else None

    def __str__(self) -> str:
        return f"{self.team}_{TASK}_{self.number}"

    @property
    def team(self) -> str:
        """Author and institute, which all systems of a package share."""
        return f"{self.author}_{self.institute}"

    @property
    def folder(self) -> str:
        """The folder of the system's files, in the package."""
        return f"{TASK}/{self}"

    @property
    def meta(self) -> str:
        """The file of meta information, in the package."""
        return f"{self.folder}/{self}.meta.yaml"

    @property
    def technical_report(self) -> str:
        """The technical report, in the package."""
        return f"{TASK}/{self.team}_{TASK}.technical_report.pdf"


def choose_clips(truth: Mapping[Key, Truth], part: Part | None) -> dict[Key, frozenset[str]]:
    """Return the names of the test clips that a submission is about, by machine and section.

    Args:
        truth: what is known of every section's test clips.
        part: ``"eval"`` for the sections with unlabelled clips, ``"dev"`` for the others, or
            ``"all"``; None for the sections with unlabelled clips if there are any, else all.

    Raises:
        UsageError: there is no section of this part.
    """
    clips = {key: frozenset(true.labels) for key, true in truth.items() if true.labels}
    unlabelled = {key for key in clips if truth[key].unlabelled}
    if part == "eval" or (part is None and unlabelled):
        clips = {key: names for key, names in clips.items() if key in unlabelled}
    elif part == "dev":
        clips = {key: names for key, names in clips.items() if key not in unlabelled}
    if not clips:
        kind = {"eval": "unlabelled ", "dev": "labelled "}.get(part or "", "")
        raise UsageError(f"the index has no {kind}test clips; choose another --part")
    return clips


def read_package(path: Path) -> dict[str, bytes]:
    """Read a package from its folder or its zip, without extracting it.

    Files of a folder whose names begin with a dot are passed over, and stay out of the zip.

    Raises:
        UsageError: there is no such folder or zip.
        JobError: the zip is damaged, holds a path twice, or the package is far too large.
    """
    if path.is_dir():
        files = {
            found.relative_to(path).as_posix(): found
            for found in sorted(path.rglob("*"))
            if found.is_file() and not found.name.startswith(".")
        }
        _check_size(path, sum(found.stat().st_size for found in files.values()))
        return {name: found.read_bytes() for name, found in files.items()}
    if not path.is_file():
        raise UsageError(f"{path}: no such package; give its folder or its zip")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_size(path, sum(member.file_size for member in members))
            names = [member.filename for member in members]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise JobError(f"{path}: '{twice}' is in it twice; zip the folder again")
            return {member.filename: archive.read(member) for member in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise JobError(f"{path}: not a readable zip ({error}); zip the folder again") from None


def write_package(folder: Path, archive: Path, files: Mapping[str, bytes]) -> None:
    """Write a package as a folder and as a zip of the same.

    Score and decision files of an older package that are not of this one are removed; nothing else
    is.

    Raises:
        JobError: the disk is full or a folder cannot be written.
    """
    for path, content in files.items():
        with replacing(folder / path) as beside:
            beside.write_bytes(content)
    for found in folder.glob(f"{TASK}/*/[!.]*.csv"):
        if found.relative_to(folder).as_posix() not in files:
            found.unlink()
    with replacing(archive) as beside:
        beside.write_bytes(zip_bytes(files))


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return the zip of a package; the same files give the same bytes.

    Paths are sorted and dated 1980. They are stored, for what deflating gives differs between
    versions of zlib.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            member = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix, whatever this is written on
            member.external_attr = 0o100644 << 16
            archive.writestr(member, files[path])
    return packed.getvalue()


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise JobError(f"{path}: {size / 1e6:,.0f} MB is no package of score files; look inside")

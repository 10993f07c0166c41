"""Checks a submission package as the organisers of the challenge would, before they do.

Its layout, its files of scores and decisions, and that its meta information can be read and is
complete.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asd.metrics.files import parse_score
from asd.metrics.truth import Key
from asd.report.submission import KINDS, TASK, Label
from asd.report.submission_meta import PLACEHOLDER
from asd.scoring.files import Kind, file_name
from asd.yaml_text import read_yaml

_FILE = re.compile(
    r"(anomaly_score|decision_result)_([A-Za-z0-9][\w+.-]*)_section_(\d\d)_test\.csv",
    re.ASCII,
)
_REPORT = re.compile(rf"{TASK}/[^/]+_{TASK}\.technical_report\.pdf")
_SHOWN = 3  # clips of a file that are named
ABBREVIATION = 10  # characters
_STATED = (
    "submission.label",
    "submission.name",
    "submission.abbreviation",
    "system.description.input_sampling_rate",
    "system.description.acoustic_features",
    "system.description.machine_learning_method",
)
# These may be null: the field does not apply, which has to be said.
_PRESENT = tuple(
    f"system.description.{name}"
    for name in (
        "data_augmentation",
        "front_end",
        "embeddings",
        "aggregation_method",
        "ensemble_method_subsystem_count",
        "decision_making",
        "external_data_usage",
        "development_data_usage",
    )
)
_ABSENT = object()
_NOTHING = (_ABSENT, None, "")
_OF_AUTHOR = ("lastname", "firstname", "email", "affiliation.institution", "affiliation.location")


@dataclass
class Findings:
    """What a check finds.

    Attributes:
        source: the package, as messages name it.
        errors: what the organisers would send back, one line each.
        warnings: what they would ask about.
        labels: the systems in the package.
        sections: sections of machines that were checked, over all systems.
        clips: their test clips, over all systems.
    """

    source: Path
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    sections: int = 0
    clips: int = 0

    def error(self, path: str, what: str) -> None:
        """Note a fault of a file of the package."""
        # A name in a zip, or a clip's, may have a line feed.
        self.errors.append(" ".join(f"{self.source / path}{what}".split()))

    def warn(self, path: str, what: str) -> None:
        """Note something of a file of the package that a person should look at."""
        self.warnings.append(f"{self.source / path}{what}")


def check_package(
    source: Path,
    files: Mapping[str, bytes],
    expected: Mapping[Key, Collection[str]] | None = None,
) -> Findings:
    """Check a package: its layout, its files of scores and decisions, its meta information.

    Args:
        source: what messages call the package.
        files: its files, by path (see :mod:`asd.report.submission`).
        expected: the clips that scores are wanted of, by machine and section; None where that is
            not known: then each system's files are compared with one another.
    """
    findings = Findings(source)
    systems: dict[Label, dict[str, bytes]] = {}
    for path, content in sorted(files.items()):
        task, _, rest = path.partition("/")
        folder, _, name = rest.partition("/")
        label = Label.parse(folder)
        if task == TASK and label is not None and name and "/" not in name:
            systems.setdefault(label, {})[name] = content
        elif not _REPORT.fullmatch(path):
            findings.error(
                path,
                f": not where the challenge has files, which is {TASK}/<last name>_<institute>_"
                f"{TASK}_<1 to 4>/<file>; move or remove it",
            )
    if not systems:
        findings.error(TASK, ": no system in it; 'asd submit --system NAME' writes one")
    for label, of_system in systems.items():
        findings.labels.append(str(label))
        _check_outputs(label, of_system, expected, findings)
        _check_meta(label, of_system, findings)
        if label.team == Label().team:
            findings.warn(label.folder, ": label of nobody; give --author and --institute")
    for report in sorted({label.technical_report for label in systems} - files.keys()):
        findings.warn(report, ": no such file; the challenge asks for a technical report")
    return findings


def _check_outputs(
    label: Label,
    files: Mapping[str, bytes],
    expected: Mapping[Key, Collection[str]] | None,
    findings: Findings,
) -> None:
    """Check that each clip of each section has one score and one decision, and no other has."""
    given: dict[tuple[Kind, Key], dict[str, int]] = {}
    for name, content in files.items():
        path = f"{label.folder}/{name}"
        if path == label.meta:
            continue
        found = _FILE.fullmatch(name)
        if found is None:
            findings.error(
                path,
                ": not an official name, <anomaly_score|decision_result>_<machine>_section_<NN>"
                f"_test.csv or {label}.meta.yaml; rename or remove it",
            )
            continue
        kind: Kind = "anomaly_score" if found[1] == "anomaly_score" else "decision_result"
        parse = parse_score if kind == "anomaly_score" else _parse_decision
        given[kind, (found[2], found[3])] = _read(path, content, parse, findings)
    if expected is None:
        keys = {key for _, key in given}
        expected = {key: set().union(*(given.get((k, key), ()) for k in KINDS)) for key in keys}
    for key, clips in sorted(expected.items()):
        findings.sections += 1
        findings.clips += len(clips)
        for kind in KINDS:
            path = f"{label.folder}/{file_name(kind, *key)}"
            if (kind, key) not in given:
                findings.error(path, f": no such file; {_title(key)} needs it")
                continue
            _compare(path, key, clips, given[kind, key], findings)
    for kind, key in sorted(given):
        if key not in expected:
            findings.error(
                f"{label.folder}/{file_name(kind, *key)}",
                f": no scores are wanted of {_title(key)}; remove it, or choose another --part",
            )


def _compare(
    path: str, key: Key, clips: Collection[str], lines: Mapping[str, int], findings: Findings
) -> None:
    missing = sorted(set(clips) - lines.keys())
    if missing:
        named = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        findings.error(path, f": {len(missing)} of {len(clips)} clips missing: {named}")
    for name in sorted(lines.keys() - set(clips), key=lambda name: lines[name]):
        findings.error(path, f", line {lines[name]}: clip '{name}' is not of {_title(key)}")


def _read(
    path: str, content: bytes, parse: Callable[[str], object], findings: Findings
) -> dict[str, int]:
    """Return the line of each clip of a file, clips with a faulty value among them."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        findings.error(path, ": not UTF-8 text; write it again")
        return {}
    if text.startswith("\ufeff"):
        findings.error(path, ": begins with a byte order mark; write it without")
        text = text[1:]
    lines: dict[str, int] = {}
    for number, row in _rows(path, text, findings):
        where = f", line {number}"
        if len(row) != 2 or not row[0]:
            findings.error(path, f"{where}: '{','.join(row)}' is not <clip>,<value>")
            continue
        name, value = row
        if name in lines:
            findings.error(path, f"{where}: clip '{name}' is also on line {lines[name]}; keep one")
            continue
        try:
            parse(value)
        except ValueError as error:
            if number == 1 and "." not in name:  # a clip has a suffix
                findings.error(path, f"{where}: '{name},{value}' is a header; remove it")
                continue
            findings.error(path, f"{where}: {error}")
        lines[name] = number
    return lines


def _rows(path: str, text: str, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        findings.error(path, f", line {reader.line_num}: not CSV ({error}); write it again")


def _parse_decision(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"decision '{text}' is neither 0 nor 1")
    return text == "1"


def _title(key: Key) -> str:
    return f"{key[0]} section {key[1]}"


def _check_meta(label: Label, files: Mapping[str, bytes], findings: Findings) -> None:
    content = files.get(f"{label}.meta.yaml")
    if content is None:
        findings.error(label.meta, ": no such file; every system needs its meta information")
        return
    errors, warnings = check_meta(content, label)
    for line in errors:
        findings.error(label.meta, f": {line}")
    for line in warnings:
        findings.warn(label.meta, f": {line}")


def check_meta(content: bytes, label: Label) -> tuple[list[str], list[str]]:
    """Return what is wrong with a meta information file, and what a person should look at.

    Args:
        content: the file.
        label: the label of its system.

    Returns:
        Errors and warnings.
    """
    try:
        meta = read_yaml(content)
    except ValueError as error:
        return [str(error)], []
    return list(_faults(meta, label)), list(_doubts(meta, content.decode("utf-8")))


def _doubts(meta: Any, text: str) -> Iterator[str]:
    if _at(meta, "results.development_dataset") == {}:
        yield "no results on the development set; run 'asd evaluate', then 'asd submit'"
    abbreviation = _at(meta, "submission.abbreviation")
    if isinstance(abbreviation, str) and len(abbreviation) > ABBREVIATION:
        yield f"submission.abbreviation '{abbreviation}' is longer than {ABBREVIATION} characters"
    marked = [
        str(number)
        for number, line in enumerate(text.splitlines(), start=1)
        if PLACEHOLDER in re.sub(r"(^|\s)#.*", "", line)
    ]
    if marked:
        yield f"{PLACEHOLDER} is left on line {', '.join(marked)}"


def _faults(meta: Any, label: Label) -> Iterator[str]:
    for name in _STATED:
        if _at(meta, name) in _NOTHING:
            yield f"{name} is missing"
    for name in _PRESENT:
        if _at(meta, name) is _ABSENT:
            yield f"{name} is missing; where it does not apply it is !!null"
    stated = _at(meta, "submission.label")
    if stated not in (*_NOTHING, str(label)):
        yield f"submission.label '{stated}' is not the folder's name, {label}"
    yield from _author_faults(_at(meta, "submission.authors"))
    parameters = _at(meta, "system.complexity.total_parameters")
    if parameters is _ABSENT:
        yield "system.complexity.total_parameters is missing"
    elif not isinstance(parameters, int) or isinstance(parameters, bool) or parameters < 0:
        yield f"system.complexity.total_parameters is {parameters!r}, not a whole number"
    macs = _at(meta, "system.complexity.macs")
    if macs not in (*_NOTHING, _ABSENT) and not isinstance(macs, int | float | str):
        yield f"system.complexity.macs is {macs!r}, not a number"
    results = _at(meta, "results.development_dataset")
    if not isinstance(results, dict):
        yield "results.development_dataset is missing; {} says that there are no results"
        return
    for machine, figures in results.items():
        for name, value in figures.items() if isinstance(figures, dict) else [("", figures)]:
            if value is not None and not _is_percentage(value):
                yield f"results of {machine}: {name} is {value!r}, not a number from 0 to 100"


def _author_faults(authors: Any) -> Iterator[str]:
    if not isinstance(authors, list) or not authors:
        yield "submission.authors is not a list of authors"
        return
    for number, author in enumerate(authors, start=1):
        for name in _OF_AUTHOR:
            if _at(author, name) in _NOTHING:
                yield f"submission.authors: {name} of author {number} is missing"
    if sum(_at(author, "corresponding") is True for author in authors) != 1:
        yield "submission.authors: one author, and no more, is marked 'corresponding: true'"


def _at(document: Any, path: str) -> Any:
    """Return what lies at a dotted path of nested mappings, or ``_ABSENT``."""
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return _ABSENT
        document = document[name]
    return document


def _is_percentage(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 100

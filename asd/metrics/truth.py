"""Ground truth: label and domain of every test clip, from the evaluators' files or an index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from asd.errors import UsageError
from asd.metrics.files import (
    Entry,
    FileName,
    Problems,
    merged,
    parse_flag,
    read_rows,
    read_values,
)
from asd.metrics.rules import DOMAINS

LIST_2020 = "eval_data_list.csv"
INDEX_COLUMNS = ("name", "machine", "section", "domain", "split", "label", "status")
_WHOLE_NAME = re.compile(r"section_[0-9]{2}_(source|target)_test_(normal|anomaly)_[0-9]{4}")
LABELS = {"normal": False, "anomaly": True, "": None}

Key = tuple[str, str]
"""Machine and section."""


@dataclass(frozen=True)
class Truth:
    """What is true of the test clips of one section.

    Attributes:
        machine: machine type.
        section: section, two digits.
        labels: true for an anomaly, None where unknown, by clip name.
        domains: ``"source"``, ``"target"``, or ``""`` where unknown, by clip name.
        unusable: test clips that could not be read, and so need no score.
    """

    machine: str
    section: str
    labels: Mapping[str, bool | None]
    domains: Mapping[str, str]
    unusable: int = 0

    def __str__(self) -> str:
        return f"{self.machine} section {self.section}"

    @property
    def unlabelled(self) -> int:
        """How many clips have no label."""
        return sum(label is None for label in self.labels.values())

    @property
    def lack(self) -> str:
        """Why the section has no figures; ``""`` where it can have."""
        if not self.labels:
            return f"{self}: none of its {self.unusable} test clips is usable"
        if self.unlabelled:
            return f"{self}: {self.unlabelled} of {len(self.labels)} clips unlabelled"
        return ""


def read_truth(folder: Path) -> dict[Key, Truth]:
    """Read the ground truth of every section in a folder.

    The folder holds one of:

    - ``ground_truth_data/`` and ``ground_truth_domain/``, as published with the official
      evaluators of 2021 on (or it is ``ground_truth_data`` itself);
    - ``ground_truth_attributes/`` as published from 2023 on, whose rows tell each test clip's whole
      name; the domains are taken from there too, where there is no ``ground_truth_domain``;
    - ``eval_data_list.csv``, as published for 2020;
    - the index of a project: CSV files with the columns name, machine, section, domain, split,
      label and status, of which the usable test clips count. The windows of a recording are one
      clip of the recording's name.

    Returns:
        (machine, section) -> its truth, ascending.

    Raises:
        UsageError: there is no such folder, or nothing of the above in it.
        JobError: a file is at fault, one line a fault.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give the folder of the ground truth")
    problems = Problems()
    data = folder / "ground_truth_data"
    named = _from_whole_names(folder / "ground_truth_attributes", problems)
    if data.is_dir():
        truths = _from_evaluator(data, folder / "ground_truth_domain", problems)
        if not (folder / "ground_truth_domain").is_dir():
            truths = {key: _with_domains(one, named.get(key)) for key, one in truths.items()}
    elif named:
        truths = named
    elif any(folder.glob("ground_truth_*.csv")):
        truths = _from_evaluator(folder, folder.parent / "ground_truth_domain", problems)
    elif (folder / LIST_2020).is_file():
        truths = _from_list_2020(folder / LIST_2020, problems)
    else:
        truths = _from_index(folder, problems)
    problems.check()
    if not truths:
        raise UsageError(
            f"{folder}: no ground truth in it; it needs ground_truth_data/, {LIST_2020} or index"
            " files"
        )
    return dict(sorted(truths.items()))


def _from_evaluator(data: Path, domain: Path, problems: Problems) -> dict[Key, Truth]:
    labels, domains_of_names = _flags(data, problems)
    domain_flags, _ = _flags(domain, problems)
    truths = {}
    for key, of_section in labels.items():
        domains = dict(domains_of_names[key])
        if domain.is_dir() and key not in domain_flags:
            problems.add(f"{domain}: no file for {key[0]} section {key[1]}; add it")
        elif domain.is_dir():
            flags = domain_flags[key]
            domains = {name: DOMAINS[int(entry.value)] for name, entry in flags.items()}
            for name in sorted(of_section.keys() ^ flags.keys()):
                at, other = (of_section, domain) if name in of_section else (flags, data)
                problems.add(f"{at[name]}: clip '{name}' is not in {other}; add it there")
        known = {name: entry.value for name, entry in of_section.items()}
        truths[key] = Truth(*key, known, {name: domains.get(name, "") for name in known})
    return truths


def _from_whole_names(folder: Path, problems: Problems) -> dict[Key, Truth]:
    """Read rows ``section_00_0000.wav,section_00_target_test_anomaly_0012_car_C1`` of sections."""
    truths = {}
    for path in sorted(folder.glob("ground_truth_*.csv")):
        name = FileName.parse(path.name)
        if name is None or name.kind != "ground_truth":
            continue
        labels: dict[str, bool | None] = {}
        domains: dict[str, str] = {}
        for row in read_rows(path, problems):
            whole = _WHOLE_NAME.match(row.value[-1])
            if len(row.value) != 2 or whole is None:
                problems.add(
                    f"{row}: not <clip>,section_NN_<domain>_test_<label>_NNNN_<attributes>"
                )
                continue
            labels[row.value[0]], domains[row.value[0]] = LABELS[whole[2]], whole[1]
        truths[name.machine, name.section] = Truth(name.machine, name.section, labels, domains)
    return truths


def _with_domains(truth: Truth, named: Truth | None) -> Truth:
    """Return a section's truth with the domains that the whole names tell, where it has none."""
    found = named.domains if named else {}
    known = {name: domain or found.get(name, "") for name, domain in truth.domains.items()}
    return replace(truth, domains=known)


def _flags(
    folder: Path, problems: Problems
) -> tuple[dict[Key, Mapping[str, Entry[bool]]], dict[Key, dict[str, str]]]:
    """Return the 0 or 1 of every clip of a folder, and the domain that the file's name gives."""
    parts: dict[Key, list[dict[str, Entry[bool]]]] = {}
    domains: dict[Key, dict[str, str]] = {}
    for path in sorted(folder.glob("*.csv")):
        name = FileName.parse(path.name)
        if name is None or name.kind != "ground_truth":
            continue
        key = (name.machine, name.section)
        values = read_values(path, parse_flag, problems)
        parts.setdefault(key, []).append(values)
        domains.setdefault(key, {}).update(dict.fromkeys(values, name.domain))
    return {key: merged(values, problems) for key, values in parts.items()}, domains


def _from_list_2020(path: Path, problems: Problems) -> dict[Key, Truth]:
    """Read the one file of 2020: a machine type alone on a line, then its clips.

    A clip's line is ``id_05_00000000.wav,<name with label>,<0|1>``.
    """
    labels: dict[Key, dict[str, bool | None]] = {}
    machine = ""
    for row in read_rows(path, problems):
        if len(row.value) == 1:
            machine = row.value[0]
            continue
        found = re.search(r"id_(\d+)_", row.value[0])
        if len(row.value) != 3 or found is None or not machine:
            problems.add(f"{row}: not a line of {LIST_2020}; a line is <clip>,<clip>,<0|1>")
            continue
        try:
            label = parse_flag(row.value[2])
        except ValueError as error:
            problems.add(f"{row}: clip '{row.value[0]}': {error}")
            continue
        of_section = labels.setdefault((machine, found[1]), {})
        if row.value[0] in of_section:
            problems.add(f"{row}: clip '{row.value[0]}' of {machine} occurs twice; keep one")
        of_section[row.value[0]] = label
    return {key: Truth(*key, known, dict.fromkeys(known, "")) for key, known in labels.items()}


def _from_index(folder: Path, problems: Problems) -> dict[Key, Truth]:
    # (label, domain) by section, recording and row; a recording has several rows if it is long.
    known: dict[Key, dict[str, dict[str, tuple[bool | None, str]]]] = {}
    unusable: dict[Key, int] = {}
    for path in sorted(folder.glob("*.csv")):
        for row in _index_rows(path, problems):
            clip = row.value
            if clip["split"] != "test":
                continue
            key = (clip["machine"], clip["section"])
            of_section = known.setdefault(key, {})
            if clip["status"] != "ok":
                unusable[key] = unusable.get(key, 0) + 1
                continue
            others = of_section.setdefault(_recording(clip), {})
            fault = _fault(clip, others)
            if fault:
                problems.add(f"{row}: {fault}")
            else:
                others[clip["name"]] = (LABELS[clip["label"]], clip["domain"])
    return {
        key: Truth(
            *key,
            {name: label for name, rows in recordings.items() for label, _ in rows.values()},
            {name: domain for name, rows in recordings.items() for _, domain in rows.values()},
            unusable.get(key, 0),
        )
        for key, recordings in known.items()
    }


def _recording(clip: Mapping[str, str]) -> str:
    """Return the name of a row's recording; an index of before there were windows has none."""
    return clip.get("recording") or clip["name"]


def _fault(clip: Mapping[str, str], others: Mapping[str, tuple[bool | None, str]]) -> str:
    """Say what is wrong with a row of an index, given the rows of the same recording."""
    name, label, domain = clip["name"], clip["label"], clip["domain"]
    recording = _recording(clip)
    if label not in LABELS:
        return f"label '{label}' is neither normal nor anomaly"
    if domain not in ("", *DOMAINS):
        return f"domain '{domain}' is neither source nor target"
    if name in others or recording in others or (others and name == recording):
        return f"clip '{name}' occurs twice; run 'asd index' again"
    if set(others.values()) - {(LABELS[label], domain)}:
        return f"windows of '{recording}' differ in label or domain; run 'asd index' again"
    return ""


def _index_rows(path: Path, problems: Problems) -> Iterator[Entry[dict[str, str]]]:
    """Yield the rows of an index file by column; none for a CSV file of another kind."""
    rows = read_rows(path, problems)
    if not rows or not set(INDEX_COLUMNS) <= set(rows[0].value):
        return
    header = rows[0].value
    for row in rows[1:]:
        if len(row.value) != len(header):
            problems.add(f"{row}: {len(row.value)} columns, not {len(header)}; run 'asd index'")
            continue
        yield Entry(path, row.line, dict(zip(header, row.value, strict=True)))

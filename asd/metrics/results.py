"""Reads score and decision files of one or many systems, and joins them to the truth by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from asd.errors import UsageError, unknown_name
from asd.metrics.files import (
    FileName,
    Problems,
    merged,
    parse_flag,
    parse_score,
    read_values,
)
from asd.metrics.rules import Section, System
from asd.metrics.truth import Key, Truth

T = TypeVar("T")

SCORES, DECISIONS = "anomaly_score", "decision_result"


@dataclass(frozen=True)
class SystemFiles:
    """Where the files of one system lie.

    Attributes:
        name: the system's name.
        folder: the folder that holds all of them.
        files: of each kind, machine and section.
    """

    name: str
    folder: Path
    files: dict[tuple[str, str, str], list[Path]] = field(default_factory=dict)

    def sections(self, kind: str) -> set[Key]:
        """Return the sections that have a file of a kind."""
        return {(machine, section) for of_kind, machine, section in self.files if of_kind == kind}


def read_systems(
    folder: Path, truth: Mapping[Key, Truth], names: Collection[str] = ()
) -> list[System]:
    """Read every system of a folder, or those that are named, joined to the ground truth.

    The folder holds one system's files (also in one folder a machine), or one folder a system, at
    any depth: ``teams/<team>/<system>/`` gives the system ``<team>/<system>``.

    Args:
        folder: the folder of results.
        truth: the ground truth; sections without labels are listed, not judged.
        names: the systems that are wanted; empty for all.

    Raises:
        UsageError: there is no such folder, no score file in it, or no system of a given name.
        JobError: a file is missing or at fault; each fault is named on a line of its own.
    """
    problems = Problems()
    found = find_systems(folder, problems)
    for name in names:
        if name not in found:
            raise unknown_name(f"system of {folder}", name, found)
    systems = [_system(found[name], truth, problems) for name in names or found]
    problems.check()
    return systems


def find_systems(folder: Path, problems: Problems) -> dict[str, SystemFiles]:
    """Find the systems of a folder, by name, ascending.

    Raises:
        UsageError: there is no such folder, or no score file in it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give the folder of the score files")
    systems: dict[str, SystemFiles] = {}
    for path in sorted(folder.rglob("*.csv")):
        if not path.name.startswith((SCORES, DECISIONS)):
            continue
        name = FileName.parse(path.name)
        if name is None:
            problems.add(f"{path}: not named <kind>_<machine>_section_<NN>_test.csv; rename it")
            continue
        # One folder a machine is a way to lay out one system, not a system of its own.
        home = path.parent.parent if path.parent.name == name.machine else path.parent
        home = folder if folder.is_relative_to(home) else home
        title = _title(folder, home)
        system = systems.setdefault(title, SystemFiles(title, home))
        system.files.setdefault((name.kind, name.machine, name.section), []).append(path)
    if not any(system.sections(SCORES) for system in systems.values()):
        problems.check()
        raise UsageError(f"{folder}: no {SCORES}_<machine>_section_<NN>_test.csv in it or below")
    return dict(sorted(systems.items()))


def _title(folder: Path, home: Path) -> str:
    parts = home.relative_to(folder).parts
    if parts[:1] == ("teams",):
        parts = parts[1:]
    return "/".join(parts) or folder.resolve().name


def _system(files: SystemFiles, truth: Mapping[Key, Truth], problems: Problems) -> System:
    sections, unlabelled = [], []
    has_decisions = bool(files.sections(DECISIONS))
    for key, true in truth.items():
        if true.lack:
            unlabelled.append(true.lack)
        # Scores of clips without labels are checked too, where there are any.
        if not true.labels or (true.unlabelled and key not in files.sections(SCORES)):
            continue
        scores = _values(files, SCORES, true, parse_score, problems)
        decisions = None
        if has_decisions:
            decisions = _values(files, DECISIONS, true, parse_flag, problems)
        complete = scores is not None and (decisions is not None or not has_decisions)
        if scores is not None and complete and not true.unlabelled:
            sections.append(joined(true, scores, decisions))
    others = sorted(files.sections(SCORES) - truth.keys())
    unlabelled += [f"{machine} section {section}: no ground truth" for machine, section in others]
    unusable = sum(true.unusable for true in truth.values())
    return System(files.name, tuple(sections), tuple(unlabelled), unusable)


def _values(
    files: SystemFiles,
    kind: str,
    true: Truth,
    parse: Callable[[str], T],
    problems: Problems,
) -> Mapping[str, T] | None:
    """Return the value of every clip of a section; None, with the problems noted, if not all."""
    paths = files.files.get((kind, true.machine, true.section), [])
    if not paths:
        expected = f"{kind}_{true.machine}_section_{true.section}_test.csv"
        problems.add(
            f"{files.folder / expected}: no such file; {true} of the ground truth needs it"
        )
        return None
    before = len(problems.lines)
    entries = merged([read_values(path, parse, problems) for path in paths], problems)
    for name in sorted(entries.keys() - true.labels.keys(), key=lambda name: entries[name].line):
        problems.add(
            f"{entries[name]}: clip '{name}' is not in the ground truth of {true}; remove it"
        )
    missing = sorted(true.labels.keys() - entries.keys())
    # A clip whose line is at fault is there; it is not to be reported as missing too.
    if missing and len(problems.lines) == before:
        named = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        share = f"{len(missing)} of {len(true.labels)}"
        problems.add(f"{paths[0]}: {share} clips missing: {named}; add them")
    if len(problems.lines) > before:
        return None
    return {name: entry.value for name, entry in entries.items()}


def joined(
    true: Truth, scores: Mapping[str, float], decisions: Mapping[str, bool] | None
) -> Section:
    """Return a section's clips with truth, scores and decisions, all given by name."""
    names = sorted(true.labels)
    return Section(
        machine=true.machine,
        section=true.section,
        names=tuple(names),
        labels=np.array([bool(true.labels[name]) for name in names]),
        domains=np.array([true.domains[name] for name in names], dtype=np.str_),
        scores=np.array([scores[name] for name in names], dtype=np.float64),
        decisions=None if decisions is None else np.array([decisions[name] for name in names]),
    )

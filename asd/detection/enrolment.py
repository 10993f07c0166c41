"""Enrolling normal clips: they join the banks of a machine, and no network is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asd.clips.audio import fit
from asd.detection.embedder import Embedder
from asd.detection.ensemble import load_pair
from asd.detection.layout import Layout
from asd.detection.recording import Recording
from asd.detection.versions import add_version, enrolments
from asd.errors import UsageError, unknown_name
from asd.scoring.bank import Bank
from asd.scoring.calibration import calibrations
from asd.scoring.fusion import build_members, fit_system


@dataclass(frozen=True)
class Enrolled:
    """What enrolling did to one bank.

    Attributes:
        model: whose bank it is.
        version: the number of its version now.
        section: the section that the clips joined.
        added: the names of the clips that are new in it.
        clips: how many clips it has now.
        thresholds: of each system over it, the section's threshold before and after, for recordings
            of one window; those of several windows move with it.
    """

    model: str
    version: int
    section: str
    added: tuple[str, ...]
    clips: int
    thresholds: dict[str, tuple[float, float]]


def load_banks(layout: Layout) -> dict[str, tuple[Bank, Embedder]]:
    """Load the machine's banks, by model.

    Raises:
        UsageError: there is none.
        JobError: one is damaged, or was made by another model.
    """
    models = [model for model in layout.params.every_model if layout.bank(model).exists()]
    if not models:
        raise UsageError(f"{layout.bank('*')}: no bank of {layout.machine}; run 'asd embed' first")
    return {model: load_pair(layout, model) for model in models}


def choose_section(bank: Bank, section: str | None) -> str:
    """Return the section to enroll in: the given one, or the only one of a bank.

    Raises:
        UsageError: there is no such section, or none is given and there are several.
    """
    if section is None and len(bank.sections) > 1:
        raise UsageError(
            f"the bank has sections {', '.join(bank.sections)}: say which one with --section"
        )
    if section is not None and section not in bank.sections:
        raise unknown_name("section", section, bank.sections)
    return section or bank.sections[0]


def enroll(
    layout: Layout,
    pairs: Mapping[str, tuple[Bank, Embedder]],
    recordings: Sequence[Recording],
    section: str,
    domain: str = "",
) -> list[Enrolled]:
    """Add normal recordings to the banks, each as a new version.

    Recordings are cut or looped to one clip, as the index does it. One whose content is in the
    section already adds nothing. All is computed before anything is written, so that a recording or
    model that fails leaves every bank as it was.

    Args:
        layout: the project and machine.
        pairs: its banks and models, from :func:`load_banks`.
        recordings: normal sound of the section.
        section: which one.
        domain: ``"source"``, ``"target"``, or ``""`` where unknown, which counts as source.

    Raises:
        JobError: a bank cannot be written.
    """
    clips: dict[int, np.ndarray] = {}
    known: dict[int, dict[str, np.ndarray]] = {}
    made = {}
    for model, (bank, embedder) in pairs.items():
        length = embedder.signal.length
        if length not in clips:
            clips[length] = np.stack([fit(one.samples, length) for one in recordings])
            known[length] = {}
        new = _new(bank, recordings, section)
        if new:
            # Of all, so that the models can share them.
            features = embedder.features(clips[length], known[length])
            outputs = embedder.outputs({name: values[new] for name, values in features.items()})
            chosen = [recordings[row] for row in new]
            made[model] = joined(bank, embedder.request, chosen, outputs, section, domain)
    for model, after in made.items():
        before = pairs[model][0]
        names = list(after.name[len(before) :])
        record = {"section": section, "domain": domain, "clips": names}
        add_version(layout.bank(model), before, after, record)
    return [
        _account(layout, model, bank, made.get(model, bank), section)
        for model, (bank, _) in pairs.items()
    ]


def joined(
    bank: Bank,
    request: Mapping[str, Any],
    recordings: Sequence[Recording],
    outputs: Mapping[str, np.ndarray],
    section: str,
    domain: str,
) -> Bank:
    """Return the bank with recordings added at its end.

    Args:
        bank: the bank.
        request: what the model was trained on; it says which classes there are.
        recordings: the recordings, of content that the section does not have.
        outputs: what the model gave for their clips, (n, ...) by name.
        section, domain: of all of them.
    """
    count = len(recordings)
    names = _names(bank, recordings)
    # No model has learned from what is enrolled.
    given = {**outputs, "held_out": np.ones(count, np.float32)}
    classes = np.full(count, _class_of(request, section), np.int32)
    return replace(
        bank,
        name=(*bank.name, *names),
        section=(*bank.section, *[section] * count),
        domain=(*bank.domain, *[domain] * count),
        label=(*bank.label, *["normal"] * count),
        attributes=(*bank.attributes, *[""] * count),
        content=(*bank.content, *[recording.digest for recording in recordings]),
        classes=np.concatenate([bank.classes, classes]),
        arrays={
            name: np.concatenate([values, given[name]]) for name, values in bank.arrays.items()
        },
    )


def _new(bank: Bank, recordings: Sequence[Recording], section: str) -> list[int]:
    """Return which recordings the section does not have yet; of equal ones the first."""
    there = {c for c, s in zip(bank.content, bank.section, strict=True) if s == section}
    new = []
    for row, recording in enumerate(recordings):
        if recording.digest not in there:
            there.add(recording.digest)
            new.append(row)
    return new


def _names(bank: Bank, recordings: Sequence[Recording]) -> list[str]:
    """Name recordings by their files, and apart from all other clips."""
    taken = set(bank.name)
    names = []
    for recording in recordings:
        file = Path(recording.name)
        name = file.name
        if name in taken:
            name = f"{file.stem}_{recording.digest[:8]}{file.suffix}"
        taken.add(name)
        names.append(name)
    return names


def _class_of(request: Mapping[str, Any], section: str) -> int:
    """Return the primary class of a clip whose section is all that is known of it."""
    task = request.get("task")
    if task == "sections":
        return list(request["classes"]).index(section)
    # A clip as it is, among the transformations of clips; its operating state is not known.
    return 0 if task == "transformations" else -1


def _account(layout: Layout, model: str, before: Bank, after: Bank, section: str) -> Enrolled:
    thresholds = {
        system: (
            _threshold(layout, system, before, section),
            _threshold(layout, system, after, section),
        )
        for system in _over(layout, model)
    }
    added = after.name[len(before) :]
    number = len(enrolments(before)) + (len(added) > 0)
    return Enrolled(model, number, section, added, len(after), thresholds)


def _over(layout: Layout, model: str) -> list[str]:
    """Return the systems that read the bank of this model alone."""
    return [
        system
        for system in layout.params.every_system
        if {member.model for member in layout.params.members(system, layout.machine)} == {model}
    ]


def _threshold(layout: Layout, system: str, bank: Bank, section: str) -> float:
    params, score = layout.params, layout.params.score
    members = params.members(system, layout.machine)
    model = members[0].model
    fitted = fit_system(build_members(system, members), {model: bank}, params.join(system))
    found = calibrations(fitted, score.threshold, score.false_alarm_rate, score.windows)
    return found[section].threshold().value

"""Sections with random scores, and result folders and ground truth on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from asd.metrics.rules import Section


def _section(
    machine: str = "fan",
    section: str = "00",
    seed: int = 0,
    clips: int = 24,
    decimals: int = 1,
    labels: Iterable[int] | None = None,
    domains: Iterable[str] | None = None,
) -> Section:
    """Return a section with every domain and label, and scores with many ties."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(clips)
    anomalous = numbers % 2 == 1 if labels is None else np.array(list(labels), dtype=bool)
    of_domain = np.where(numbers < clips // 3, "target", "source") if domains is None else domains
    scores = np.round(rng.normal(size=clips) + 0.7 * anomalous, decimals)
    return Section(
        machine=machine,
        section=section,
        names=tuple(f"section_{section}_{number:04d}.wav" for number in numbers),
        labels=anomalous,
        domains=np.array(list(of_domain), dtype=np.str_),
        scores=scores,
        decisions=scores > 0.3,
    )


@pytest.fixture
def make_section() -> Callable[..., Section]:
    return _section


@pytest.fixture
def sections() -> list[Section]:
    """Three machines with two sections each."""
    return [
        _section(machine, section, seed=10 * place + int(section))
        for place, machine in enumerate(("fan", "ToyCar", "valve"))
        for section in ("00", "01")
    ]


@pytest.fixture
def write_scores() -> Callable[[Path, Iterable[Section]], Path]:
    """Write a system's score and decision files as the challenge wants them."""

    def write(folder: Path, given: Iterable[Section]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for section in given:
            stem = f"{section.machine}_section_{section.section}_test.csv"
            values = {"anomaly_score": section.scores, "decision_result": section.decisions}
            for kind, column in values.items():
                lines = [
                    f"{name},{float(value)!r}"
                    if kind == "anomaly_score"
                    else f"{name},{int(value)}"
                    for name, value in zip(section.names, column, strict=True)
                ]
                (folder / f"{kind}_{stem}").write_text("\n".join(lines) + "\n")
        return folder

    return write


@pytest.fixture
def write_truth() -> Callable[[Path, Iterable[Section]], Path]:
    """Write the ground truth as the official evaluator has it."""

    def write(folder: Path, given: Iterable[Section]) -> Path:
        for section in given:
            name = f"ground_truth_{section.machine}_section_{section.section}_test.csv"
            flags = {"data": section.labels, "domain": section.domains == "target"}
            for kind, column in flags.items():
                path = folder / f"ground_truth_{kind}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                rows = zip(section.names, column, strict=True)
                path.write_text("".join(f"{clip},{int(flag)}\n" for clip, flag in rows))
        return folder

    return write

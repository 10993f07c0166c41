"""A report's material, made up but complete: two machines, two sections, three systems."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from asd.metrics.figures import Figures, Judging
from asd.metrics.roc import roc_curve
from asd.metrics.rules import Section, System
from asd.report.material import (
    Map,
    Material,
    ShownClip,
    StoredFeature,
    SystemFacts,
    choose,
)
from asd.report.media import encoded
from asd.report.results import Results, parse_results
from asd.report.scores import ScoredSection
from asd.scoring.thresholds import Threshold

MACHINES = ("fan", "valve")
SECTIONS = ("00", "01")
GAPS = {"1": 0.4, "2": 1.0, "2_cosine": 1.6}  # how far each system puts anomalies from normals
CLIPS = 10  # for each domain and label


def make_section(
    machine: str, section: str, gap: float, clips: int = CLIPS, labelled: bool = True
) -> ScoredSection:
    """Return normally distributed scores, anomalies ``gap`` deviations above the normals."""
    rng = np.random.default_rng([len(machine), int(section), round(10 * gap)])
    rows = [
        (f"section_{section}_{domain}_test_{label}_{i:04d}_sp_{i % 3}.wav", label, domain)
        for domain in ("source", "target")
        for label in ("anomaly", "normal")
        for i in range(clips)
    ]
    names, labels, domains = zip(*sorted(rows), strict=True)
    scores = rng.normal(size=len(rows)) + gap * np.array([label == "anomaly" for label in labels])
    scores += 0.3 * np.array([domain == "target" for domain in domains])
    return ScoredSection(
        machine,
        section,
        names,
        np.array(labels if labelled else [""] * len(rows)),
        np.array(domains),
        scores,
        scores > 1.2,
        Threshold(method="gamma", value=1.2, rate=0.1, count=60),
    )


def results_of(scores: dict[str, dict[tuple[str, str], ScoredSection]]) -> Results:
    """Return the figures of made-up scores, by way of the official numbers."""
    systems = [
        System(
            name,
            tuple(
                Section(
                    *of.key, of.names, of.labels == "anomaly", of.domains, of.scores, of.decisions
                )
                for of in of_system.values()
            ),
        )
        for name, of_system in scores.items()
    ]
    return parse_results(Figures.of(systems, Judging("2022", 200, 0)).document)


@pytest.fixture(scope="session")
def section() -> ScoredSection:
    return make_section("fan", "00", 1.0)


@pytest.fixture(scope="session")
def unlabelled() -> ScoredSection:
    return make_section("fan", "00", 1.0, labelled=False)


@pytest.fixture(scope="session")
def material() -> Material:
    return make_material()


@pytest.fixture(scope="session")
def wide_material() -> Material:
    """Twelve systems on seven machines."""
    gaps = {f"system_{i}": 0.2 * i for i in range(12)}
    return make_material(4, tuple(f"machine{i}" for i in range(7)), gaps)


@pytest.fixture(scope="session")
def browser() -> Iterator[Callable]:
    """Opens the text of a page in headless Chromium, so wide; skips where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pages are not opened")
    if path is None:
        pytest.skip("no chromium: pages are not opened")
    with api.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=["--no-sandbox"])

        def show(folder: Path, text: str, width: int = 1280, **settings: Any) -> Any:
            for context in started.contexts:  # each has processes of its own
                context.close()
            file = folder / "page.html"
            file.write_text(text, encoding="utf-8")
            size = {"width": width, "height": 844}
            page = started.new_context(viewport=size, **settings).new_page()
            page.goto(file.as_uri())
            return page

        yield show
        started.close()


def make_material(
    clips: int = CLIPS,
    machines: tuple[str, ...] = MACHINES,
    gaps: Mapping[str, float] = MappingProxyType(GAPS),
) -> Material:
    rng = np.random.default_rng(0)
    scores = {
        name: {(m, s): make_section(m, s, gap, clips) for m in machines for s in SECTIONS}
        for name, gap in gaps.items()
    }
    curves = {
        name: {key: roc_curve(one.labels == "anomaly", one.scores) for key, one in of.items()}
        for name, of in scores.items()
    }
    epochs = list(range(1, 11))
    history = {
        "epoch": epochs,
        "loss": [3.0 / e + 0.1 for e in epochs],
        "active_triplets": [1.0 / e for e in epochs],
        "empty": [float("nan")] * 10,
    }
    systems = {
        "1": SystemFacts("logmel", ("logmel",), "posterior"),
        "2": SystemFacts("logmel_tgram", ("logmel", "wave"), "posterior"),
        "2_cosine": SystemFacts("logmel_tgram", ("logmel", "wave"), "cosine"),
    }
    systems = {name: systems.get(name, systems["2"]) for name in gaps}
    basis = Material("demo", results_of(scores), systems, scores, curves)
    models = ("logmel", "logmel_tgram")
    tone = (8000 * np.sin(np.arange(8000) * 0.3)).astype(np.int16)
    maps = {
        m: {
            model: {
                s: Map(rng.normal(size=(4 * clips, 2)), *_truth(scores, m, s)) for s in SECTIONS
            }
            for model in models[:1]
        }
        for m in machines
    }
    shown = {
        m: [
            ShownClip(choice, "sp=1;mic=2", 0.5, rng.normal(size=(128, 16)), encoded(tone, 16000))
            for choice in choose(basis.scored(basis.shown_system(m), m))
        ]
        for m in machines
    }
    return replace(
        basis,
        histories={m: dict.fromkeys(models, history) for m in machines},
        maps=maps,
        clips=shown,
        clips_of={m: basis.shown_system(m) for m in machines},
        store=[
            StoredFeature(m, "logmel", 4, 8 * clips, "128 x 126 float16", 2_600_000, "ab" * 32)
            for m in machines
        ],
        counts=[("machines", "2"), ("test clips", "160")],
        provenance=[("data set", "demo"), ("parameters (SHA-256)", "cd" * 32)],
        records={m: {"logmel": {"seed": 0, "versions": {"torch": "2.13.0"}}} for m in machines},
    )


def _truth(scores: dict, machine: str, section: str) -> tuple[np.ndarray, np.ndarray]:
    scored = next(iter(scores.values()))[machine, section]
    return scored.labels, scored.domains

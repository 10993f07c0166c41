"""A report's material, made up but complete: two machines, two sections, three systems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asd.metrics.official import evaluate
from asd.metrics.roc import roc_curve
from asd.metrics.rules import RULES, System
from asd.metrics.summary import assess
from asd.report.material import (
    Map,
    Material,
    ShownClip,
    Sound,
    StoredFeature,
    SystemFacts,
    choose,
)
from asd.report.results import Figure, Results, SystemResult
from asd.report.scores import Curve, ScoredSection
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
    systems = {}
    for name, of_system in scores.items():
        sections = [s for s in (scored.labelled() for scored in of_system.values()) if s]
        found = assess(System(name, sections), RULES["2022"], 200)
        values = found.to_json()
        assert evaluate(sections, RULES["2022"]).score == values["score"]
        machines = {
            machine: Figure(of["score"], of["interval"]["low"], of["interval"]["high"])
            for machine, of in values["machines"].items()
        }
        measures = {
            (machine, section): of_section
            for machine, of in values["machines"].items()
            for section, of_section in of["sections"].items()
        }
        total = Figure(values["score"], values["interval"]["low"], values["interval"]["high"])
        systems[name] = SystemResult(total, machines, measures, ())
    return Results("2022", systems, 1, 200, 0)


@pytest.fixture(scope="session")
def section() -> ScoredSection:
    return make_section("fan", "00", 1.0)


@pytest.fixture(scope="session")
def unlabelled() -> ScoredSection:
    return make_section("fan", "00", 1.0, labelled=False)


@pytest.fixture(scope="session")
def material() -> Material:
    return make_material()


def make_material(clips: int = CLIPS) -> Material:
    rng = np.random.default_rng(0)
    scores = {
        name: {(m, s): make_section(m, s, gap, clips) for m in MACHINES for s in SECTIONS}
        for name, gap in GAPS.items()
    }
    curves: dict[str, dict[tuple[str, str], Curve]] = {}
    for name, of_system in scores.items():
        curves[name] = {}
        for key, scored in of_system.items():
            curve = roc_curve(scored.labels == "anomaly", scored.scores)
            curves[name][key] = Curve(tuple(curve.fpr.tolist()), tuple(curve.tpr.tolist()))
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
    basis = Material("demo", results_of(scores), systems, scores, curves)
    models = ("logmel", "logmel_tgram")
    tone = (8000 * np.sin(np.arange(8000) * 0.3)).astype(np.int16)
    maps = {
        m: {
            model: {
                s: Map(rng.normal(size=(4 * clips, 2)), *_truth(scores, m, s)) for s in SECTIONS
            }
            for model in models
        }
        for m in MACHINES
    }
    shown = {
        m: [
            ShownClip(choice, "sp=1;mic=2", 0.5, rng.normal(size=(128, 16)), Sound(tone, 16000))
            for choice in choose(basis.scored(basis.shown_system(m), m))
        ]
        for m in MACHINES
    }
    return replace(
        basis,
        histories={m: dict.fromkeys(models, history) for m in MACHINES},
        maps=maps,
        clips=shown,
        clips_of={m: basis.shown_system(m) for m in MACHINES},
        store=[
            StoredFeature(m, "logmel", 4, 8 * clips, "128 x 126 float16", 2_600_000, "ab" * 32)
            for m in MACHINES
        ],
        counts=[("machines", "2"), ("test clips", "160")],
        provenance=[("data set", "demo"), ("parameters (SHA-256)", "cd" * 32)],
        records={m: {"logmel": {"seed": 0, "versions": {"torch": "2.13.0"}}} for m in MACHINES},
    )


def _truth(scores: dict, machine: str, section: str) -> tuple[np.ndarray, np.ndarray]:
    scored = scores["1"][machine, section]
    return scored.labels, scored.domains

"""The plain words say what the figures say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asd.metrics.bootstrap import compare
from asd.metrics.rules import RULES
from asd.report.material import Material
from asd.report.results import Results
from asd.report.summary import lead, reading


def test_the_best_system_and_its_lead(material: Material) -> None:
    text = " ".join(reading(material))
    results = material.results
    score = results.systems["2_cosine"].score
    assert results.best() == "2_cosine"
    assert f"system 2_cosine is highest, at {100 * score.value:.2f} %" in text
    assert f"(95 % interval {100 * score.low:.1f} to {100 * score.high:.1f})" in text
    found = lead(material)
    assert found is not None
    first, second, comparison = found
    ours, theirs = (
        [section.labelled() for section in material.scores[name].values()]
        for name in (first, second)
    )
    assert comparison == compare(ours, theirs, RULES["2022"], results.resamples, results.seed)
    best = [f"{m} ({100 * results.figure('2_cosine', m).value:.1f})" for m in results.machines]
    assert f"Best by machine: 2_cosine for {', '.join(best)}." in text
    assert f"leads system {second} by {100 * comparison.score.value:.1f} points" in text


def test_a_lead_that_the_clips_could_turn_is_called_so(material: Material) -> None:
    scores = {"a": material.scores["2"], "b": material.scores["2"]}
    systems = dict.fromkeys(scores, material.results.systems["2"])
    even = replace(material, scores=scores, results=replace(material.results, systems=systems))
    assert "by 0.0 points" in " ".join(reading(even))
    assert "other test clips could turn that order" in " ".join(reading(even))


def test_alarms_are_counted(material: Material) -> None:
    sections = material.scores["2_cosine"].values()
    normals = [(s.labels == "normal") for s in sections]
    false = sum(int(s.decisions[n].sum()) for s, n in zip(sections, normals, strict=True))
    total = sum(int(n.sum()) for n in normals)
    share = round(100 * false / total)
    expected = f"a false alarm for {false} of {total} ({share} %) normal test clips"
    assert expected in " ".join(reading(material))


def test_one_system_and_several_seeds(material: Material) -> None:
    system = material.results.systems["1"]
    score = replace(system.score, low=float("nan"), high=float("nan"), deviation=0.01)
    results = Results("2022", {"1": replace(system, score=score)}, seeds=3)
    text = " ".join(reading(replace(material, results=results)))
    assert f"System 1 reaches {100 * score.value:.2f} % on average" in text
    assert "(standard deviation 1.00 over seeds)" in text
    assert "highest" not in text


@pytest.mark.parametrize("rules", ["2020", "2021", "2024"])
def test_no_labels(material: Material, rules: str) -> None:
    text = " ".join(reading(replace(material, results=Results(rules, {}))))
    assert text.startswith("The test clips have no labels")

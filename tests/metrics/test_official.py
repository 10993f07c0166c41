"""The rules of every year against references written from their definitions."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import pytest
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from asd.errors import UsageError
from asd.metrics.official import decision_quality, evaluate, means
from asd.metrics.rules import RULES, Section

Make = Callable[..., Section]

TOLERANCE = 1e-12


def reference_areas(section: Section, year: str) -> list[float]:
    """The areas of one section that enter the score, written out clip by clip."""
    clips = list(zip(section.labels, section.domains, section.scores, strict=True))

    def area(chosen: list[tuple[bool, str, float]], **options: float) -> float:
        return roc_auc_score(
            [label for label, _, _ in chosen], [s for _, _, s in chosen], **options
        )

    if year == "2020":
        return [area(clips), area(clips, max_fpr=0.1)]
    if year == "2021":
        own = [[c for c in clips if c[1] == domain] for domain in ("source", "target")]
        return [area(of) for of in own] + [area(of, max_fpr=0.1) for of in own]
    with_all_anomalies = [
        [c for c in clips if c[0] or c[1] == domain] for domain in ("source", "target")
    ]
    return [area(of) for of in with_all_anomalies] + [area(clips, max_fpr=0.1)]


def reference_score(areas: list[float], year: str) -> float:
    if year == "2020":
        return sum(areas) / len(areas)
    return len(areas) / sum(1 / max(area, sys.float_info.epsilon) for area in areas)


@pytest.mark.parametrize("year", RULES)
def test_every_year_equals_its_definition(year: str, sections: list[Section]) -> None:
    result = evaluate(sections[::-1], RULES[year])
    ordered = sorted(sections, key=lambda section: (section.machine, section.section))
    areas = [reference_areas(section, year) for section in ordered]
    for found, expected in zip(result.sections, areas, strict=True):
        assert list(found.measures.values()) == pytest.approx(expected, abs=TOLERANCE)
    flat = [area for of_section in areas for area in of_section]
    assert result.score == pytest.approx(reference_score(flat, year), abs=TOLERANCE)
    assert result.means.values == len(flat)
    for place, machine in enumerate(result.machines):
        of_machine = areas[2 * place] + areas[2 * place + 1]
        assert machine.score == pytest.approx(reference_score(of_machine, year), abs=TOLERANCE)
    assert result.undefined == ()


def test_seven_machines_of_2022_make_63_values(make_section: Make) -> None:
    sections = [
        make_section(f"machine{m}", f"0{s}", seed=3 * m + s) for m in range(7) for s in range(3)
    ]
    result = evaluate(sections, RULES["2022"])
    assert (result.means.values, result.means.undefined) == (63, 0)
    # With as many sections a machine, Eq. 8 is the harmonic mean of the rows of Eq. 9.
    rows = [machine.score for machine in result.machines]
    assert result.score == pytest.approx(means(rows).harmonic, abs=TOLERANCE)


def test_means_of_the_official_evaluators_own_example() -> None:
    """ToyCar in the README of the 2022 evaluator (its means by domain slice the wrong half)."""
    areas = [0.8204, 0.6164, 0.8372, 0.6954, 0.4202, 0.512]
    found = means(areas)
    assert found.arithmetic == pytest.approx(0.6502666666666667, abs=TOLERANCE)
    assert found.harmonic == pytest.approx(0.6118288605395442, abs=TOLERANCE)


def test_a_value_of_zero_is_floored_at_the_float_epsilon() -> None:
    epsilon = sys.float_info.epsilon
    assert means([0.0, 1.0]).harmonic == pytest.approx(2 / (1 / epsilon + 1), rel=1e-12)


@pytest.mark.parametrize("year", RULES)
def test_a_section_of_one_class_is_undefined_and_left_out(
    year: str, sections: list[Section], make_section: Make
) -> None:
    normal_only = make_section("gearbox", "00", labels=[0] * 24)
    result = evaluate([*sections, normal_only], RULES[year])
    assert result.score == evaluate(sections, RULES[year]).score
    undefined = len(RULES[year].measures)
    assert (result.means.undefined, len(result.undefined)) == (undefined, undefined)
    assert all(line.startswith("gearbox section 00 ") for line in result.undefined)
    assert all("no anomalous" in line for line in result.undefined)
    gearbox = next(m for m in result.machines if m.machine == "gearbox")
    assert math.isnan(gearbox.score)
    assert result.to_json()["machines"]["gearbox"]["score"] is None


def test_a_missing_domain_leaves_out_its_area_alone(make_section: Make) -> None:
    section = make_section(domains=["source"] * 24)
    result = evaluate([section], RULES["2022"])
    assert result.undefined == ("fan section 00 auc_target: no normal target-domain clip",)
    found = result.sections[0].measures
    assert result.score == pytest.approx(
        2 / (1 / found["auc_source"] + 1 / found["pauc"]), abs=TOLERANCE
    )


def test_nothing_at_all_is_undefined() -> None:
    result = evaluate([], RULES["2022"])
    assert math.isnan(result.score)
    assert result.to_json() == {
        "score": None,
        "arithmetic_mean": None,
        "harmonic_mean": None,
        "values": 0,
        "undefined": 0,
        "machines": {},
    }


@pytest.mark.parametrize("year", RULES)
def test_decisions_are_judged_in_each_domain_alone(year: str, sections: list[Section]) -> None:
    result = evaluate(sections[:1], RULES[year]).sections[0]
    section = sections[0]
    for domain in RULES[year].domains:
        chosen = section.of_domain(domain)
        expected = precision_recall_fscore_support(
            section.labels[chosen], section.decisions[chosen], average="binary", zero_division=0
        )[:3]
        suffix = f"_{domain}" if domain else ""
        found = [result.decisions[f"{name}{suffix}"] for name in ("precision", "recall", "f1")]
        assert found == pytest.approx(list(expected), abs=TOLERANCE)
    assert len(result.decisions) == 3 * len(RULES[year].domains)


def test_decisions_at_the_edges() -> None:
    assert decision_quality([0, 1, 1], [0, 0, 0]) == (0.0, 0.0, 0.0)
    assert decision_quality([0, 1, 1], [0, 1, 1]) == (1.0, 1.0, 1.0)
    assert all(math.isnan(value) for value in decision_quality([0, 0], [0, 1]))
    assert all(math.isnan(value) for value in decision_quality([], []))


def test_a_section_twice_is_refused(sections: list[Section]) -> None:
    with pytest.raises(ValueError, match="twice"):
        evaluate([sections[0], sections[0]], RULES["2022"])


def test_an_unknown_year_lists_the_known() -> None:
    with pytest.raises(UsageError, match="unknown rules '2032'.*known: 2020, 2021"):
        RULES["2032"]

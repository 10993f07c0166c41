"""Tables: percent with two decimals, aligned, and nothing undefined shown as a figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from asd.metrics.bootstrap import compare
from asd.metrics.rules import RULES
from asd.metrics.section import Section, System
from asd.metrics.summary import Assessment, assess
from asd.metrics.tables import comparison_table, markdown, percent, sections_table, systems_table


def cells(table: str) -> list[list[str]]:
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture
def assessments(sections: list[Section]) -> list[Assessment]:
    systems = [System("1", tuple(sections)), System("2", tuple(sections[:4]))]
    return [assess(system, RULES["2022"], 20) for system in systems]


def test_percent() -> None:
    assert [percent(value) for value in (0.596349, 1.0, 0.0, math.nan)] == [
        "59.63",
        "100.00",
        "0.00",
        "undefined",
    ]


def test_markdown_is_aligned() -> None:
    assert markdown(["Machine", "1"], [["fan", "50.00"], ["ToyTrain", "100.00"]]) == (
        "| Machine  |      1 |\n| -------- | -----: |\n| fan      |  50.00 |\n| ToyTrain | 100.00 |"
    )


def test_systems_side_by_side(assessments: list[Assessment]) -> None:
    rows = cells(systems_table(assessments))
    assert rows[0] == ["System", "1", "2"]
    assert [row[0] for row in rows[2:]] == ["ToyCar", "fan", "valve", "Total", "95 % interval"]
    assert rows[4][2] == "undefined"
    evaluation = assessments[0].evaluation
    assert [row[1] for row in rows[2:5]] == [percent(m.score) for m in evaluation.machines]
    assert rows[5][1] == percent(evaluation.score)
    ends = assessments[0].intervals
    assert ends is not None
    assert rows[6][1] == f"{percent(ends.score.low)} to {percent(ends.score.high)}"


@pytest.mark.parametrize("year", RULES)
def test_sections_of_one_system(year: str, sections: list[Section]) -> None:
    evaluation = assess(System("1", tuple(sections)), RULES[year], 0).evaluation
    rows = cells(sections_table(evaluation))
    assert len(rows[0]) == 2 + len(evaluation.sections[0].values)
    first = evaluation.sections[0]
    assert rows[2][0] == "ToyCar 00"
    assert rows[2][1:-1] == [percent(value) for value in first.values.values()]
    assert rows[-1][0] == "Total"
    assert rows[-1][-1] == percent(evaluation.score)


def test_nothing_to_show(make_section: Callable[..., Section]) -> None:
    empty = assess(System("1", ()), RULES["2022"], 0)
    assert cells(sections_table(empty.evaluation))[-1] == ["Total", "undefined"]
    assert cells(systems_table([empty]))[-1] == ["Total", "undefined"]
    one_class = assess(System("1", (make_section(labels=[1] * 24),)), RULES["2022"], 0)
    assert "nan" not in sections_table(one_class.evaluation)


def test_comparison(sections: list[Section]) -> None:
    worse = [replace(section, scores=-section.scores) for section in sections]
    found = compare(sections, worse, RULES["2022"], 50)
    rows = cells(comparison_table("a", "b", found))
    assert rows[0] == ["a less b", "difference", "95 % interval"]
    assert rows[-1][:2] == ["Total", percent(found.score.value)]

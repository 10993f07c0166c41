"""All the figures of a system: complete and the same every time, as JSON, as tables and as CSV.

Tables are aligned and show nothing undefined as a figure; result files have the official layout.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import hmean

from asd.metrics.bootstrap import compare, interval, resample
from asd.metrics.figures import Figures, Judging
from asd.metrics.official import evaluate
from asd.metrics.roc import roc_auc
from asd.metrics.rules import RULES, Section, System
from asd.metrics.summary import (
    assess,
    comparison_json,
    comparison_table,
    markdown,
    percent,
    result_csv,
    roc_csv,
    sections_table,
)

Make = Callable[..., Section]

RESAMPLES = 20
# The header of a section's figures in the README of the 2022 evaluator.
OFFICIAL_HEADER = (
    "section,AUC (all),AUC (source),AUC (target),pAUC,precision (source),precision (target),"
    "recall (source),recall (target),F1 score (source),F1 score (target)"
)


@pytest.mark.parametrize("year", RULES)
def test_json_holds_every_figure_at_full_precision(year: str, sections: list[Section]) -> None:
    rules = RULES[year]
    system = System("1", tuple(sections), ("valve section 03: no ground truth",), unusable=2)
    text = json.dumps(assess(system, rules, RESAMPLES, seed=3).to_json(), allow_nan=False)
    figures = json.loads(text)
    result = evaluate(sections, rules)
    assert figures["score"] == result.score
    for machine in result.machines:
        of_machine = figures["machines"][machine.machine]
        assert of_machine["score"] == machine.score
        for section in machine.sections:
            found = of_machine["sections"][section.section]
            assert {name: found[name] for name in section.values} == section.values
            assert (found["clips"], found["anomalies"]) == (24, 12)
    expected = interval(resample(sections, rules, RESAMPLES, seed=3).bounded[""], result.score)
    assert figures["interval"] == {"low": expected.low, "high": expected.high}
    assert (figures["clips"], figures["unusable_clips"]) == (6 * 24, 2)
    assert figures["unlabelled_sections"] == 1


def test_no_bootstrap_no_interval(sections: list[Section]) -> None:
    assessment = assess(System("1", tuple(sections)), RULES["2022"], resamples=0)
    assert not assessment.intervals
    assert "interval" not in assessment.to_json()


def test_what_is_undefined_is_null_and_named(make_section: Make) -> None:
    system = System("1", (make_section(labels=[0] * 24),))
    figures = assess(system, RULES["2022"], RESAMPLES).to_json()
    assert (figures["score"], figures["values"], figures["undefined"]) == (None, 0, 3)
    assert figures["interval"] == {"low": None, "high": None}
    assert figures["machines"]["fan"]["sections"]["00"]["pauc"] is None
    assert len(figures["undefined_values"]) == 3
    json.dumps(figures, allow_nan=False)


def test_the_digest_is_of_all_that_is_evaluated(sections: list[Section]) -> None:
    first, *others = sections
    digest = System("1", tuple(sections)).digest
    assert System("other name", (*others, first)).digest == digest
    for changed in (
        replace(first, scores=first.scores + 1e-9),
        replace(first, labels=~first.labels),
        replace(first, decisions=None),
    ):
        assert System("1", (changed, *others)).digest != digest


def test_a_comparison_as_json(sections: list[Section]) -> None:
    found = comparison_json(compare(sections, sections, RULES["2022"], RESAMPLES))
    nothing = {"difference": 0.0, "interval": {"low": 0.0, "high": 0.0}}
    machines = sorted({section.machine for section in sections})
    assert found == nothing | {"machines": dict.fromkeys(machines, nothing)}


def cells(table: str) -> list[list[str]]:
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_markdown_is_aligned() -> None:
    assert markdown(["Machine", "1"], [["fan", "50.00"], ["ToyTrain", "100.00"]]) == (
        "| Machine  |      1 |\n| -------- | -----: |\n| fan      |  50.00 |\n| ToyTrain | 100.00 |"
    )


def test_each_system_is_beside_the_best(sections: list[Section]) -> None:
    """The difference is the paired one, over all and on each machine."""
    better = [replace(section, scores=section.scores + section.labels) for section in sections]
    systems = [System("1", tuple(sections)), System("2", tuple(better))]
    judging = Judging("2022", 50, 3)
    ours, best = Figures.of(systems, judging).assessments
    expected = compare(sections, better, RULES["2022"], 50, 3)
    assert best.behind == {}
    assert {behind.best for behind in ours.behind.values()} == {"2"}
    assert {name: one.difference for name, one in ours.behind.items()} == expected
    assert ours.to_json()["behind"]["difference"] == expected[""].value
    assert ours.to_json()["machines"]["fan"]["behind"]["best"] == "2"


def test_systems_of_other_clips_are_not_beside_the_best(sections: list[Section]) -> None:
    worse = [replace(section, scores=-section.scores) for section in sections[:4]]
    systems = [System("1", tuple(sections)), System("2", tuple(worse))]
    _, fewer = Figures.of(systems, Judging("2022", 20, 0)).assessments
    assert sorted(fewer.behind) == ["ToyCar", "fan"]


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


def test_nothing_to_show(make_section: Make) -> None:
    empty = assess(System("1", ()), RULES["2022"], 0)
    assert cells(sections_table(empty.evaluation))[-1] == ["Total", "undefined"]
    one_class = assess(System("1", (make_section(labels=[1] * 24),)), RULES["2022"], 0)
    assert "nan" not in sections_table(one_class.evaluation)


def test_comparison(sections: list[Section]) -> None:
    worse = [replace(section, scores=-section.scores) for section in sections]
    found = compare(sections, worse, RULES["2022"], 50)
    rows = cells(comparison_table("a", "b", found))
    assert rows[0] == ["a less b", "difference", "95 % interval"]
    assert rows[-1][:2] == ["Total", percent(found[""].value)]


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_the_official_layout(sections: list[Section]) -> None:
    assessment = assess(System("ours", tuple(sections)), RULES["2022"], 20)
    text = result_csv(assessment)
    lines, rows = text.splitlines(), rows_of(text)
    assert lines[:2] == ["ToyCar", OFFICIAL_HEADER]
    result = assessment.evaluation.machines[0]
    assert [row[0] for row in rows[2:9]] == [
        "00",
        "01",
        "",
        "arithmetic mean",
        "harmonic mean",
        "source harmonic mean",
        "target harmonic mean",
    ]
    assert rows[4] == ["", "", "AUC", "pAUC", "precision", "recall", "F1 score"]
    assert rows[9] == []
    # Full precision, and the means by domain over every section of the machine.
    areas = np.array([[float(cell) for cell in row[2:4]] for row in rows[2:4]])
    for row, section in zip(rows[2:4], result.sections, strict=True):
        assert float(row[1]) == section.auc
        assert float(row[4]) == section.measures["pauc"]
    assert float(rows[5][2]) == pytest.approx(areas.mean(), abs=1e-12)
    assert float(rows[6][2]) == pytest.approx(hmean(areas.ravel()), abs=1e-12)
    assert float(rows[7][2]) == pytest.approx(hmean(areas[:, 0]), abs=1e-12)
    assert float(rows[8][2]) == pytest.approx(hmean(areas[:, 1]), abs=1e-12)
    score = next(row for row in rows if row[:1] == ["official score"])
    assert float(score[2]) == assessment.evaluation.score
    assert any(line.startswith("official score 95 % interval,,0.") for line in lines)
    assert "harmonic mean over all machine types, sections, and domains" in text


@pytest.mark.parametrize("year", RULES)
def test_every_year_fills_its_columns(year: str, sections: list[Section]) -> None:
    rows = rows_of(result_csv(assess(System("ours", tuple(sections)), RULES[year], 0)))
    assert len(rows[1]) == len(set(rows[1])) == len(rows[2])
    assert all(0.0 <= float(cell) <= 1.0 for cell in rows[2][1:])
    means = next(row for row in rows if row[:1] == ["arithmetic mean"])
    assert len(means) == 7
    assert all(0.0 < float(cell) < 1.0 for cell in means[2:])


def test_undefined_is_empty_and_named(make_section: Make) -> None:
    section = make_section(labels=[0] * 24)
    rows = rows_of(result_csv(assess(System("ours", (section,)), RULES["2022"], 20)))
    assert rows[2] == ["00", *[""] * 10]
    assert ["official score", "", ""] in rows
    assert ["undefined", "", "fan section 00 pauc: no anomalous clip"] in rows


def test_points_of_curves(make_section: Make) -> None:
    sections = [make_section(), make_section("valve", "02", clips=400, decimals=9)]
    undefined = make_section("slider", labels=[0] * 24)
    rows = rows_of(roc_csv([*sections, undefined]))
    assert rows[0] == ["machine", "section", "fpr", "tpr"]
    assert {tuple(row[:2]) for row in rows[1:]} == {("fan", "00"), ("valve", "02")}
    for section in sections:
        points = [
            (float(fpr), float(tpr))
            for machine, _, fpr, tpr in rows[1:]
            if machine == section.machine
        ]
        assert len(points) <= 101
        assert points == sorted(points)
        assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))
        x, y = np.array(points).T
        area = np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2
        assert area == pytest.approx(roc_auc(section.labels, section.scores), abs=0.01)

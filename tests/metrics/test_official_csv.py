"""Result files in the official layout, and the points of ROC curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import hmean

from asd.metrics.official_csv import result_csv, roc_csv
from asd.metrics.roc import roc_auc
from asd.metrics.rules import RULES
from asd.metrics.section import Section, System
from asd.metrics.summary import assess

# The header of a section's figures in the README of the 2022 evaluator.
OFFICIAL_HEADER = (
    "section,AUC (all),AUC (source),AUC (target),pAUC,precision (source),precision (target),"
    "recall (source),recall (target),F1 score (source),F1 score (target)"
)


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


def test_undefined_is_empty_and_named(make_section: Callable[..., Section]) -> None:
    section = make_section(labels=[0] * 24)
    rows = rows_of(result_csv(assess(System("ours", (section,)), RULES["2022"], 20)))
    assert rows[2] == ["00", *[""] * 10]
    assert ["official score", "", ""] in rows
    assert ["undefined", "", "fan section 00 pauc: no anomalous clip"] in rows


def test_points_of_curves(make_section: Callable[..., Section]) -> None:
    sections = [make_section(), make_section("valve", "02", clips=400, decimals=9)]
    undefined = make_section("slider", labels=[0] * 24)
    rows = rows_of(roc_csv([*sections, undefined], points=101))
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

"""The paper's figures are copied without a slip."""

from __future__ import annotations

from statistics import harmonic_mean

import pytest

from asd.report import paper

SYSTEMS = sorted({name for table in paper.TABLES for name in table.systems})


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_total_is_the_harmonic_mean_of_its_machines(system: str) -> None:
    rows = [paper.reported(system, machine) for machine in paper.MACHINES]
    total = paper.reported_total(system, paper.MACHINES)
    # The rows are rounded to 0.01, and so is the total.
    assert total == pytest.approx(harmonic_mean([row for row in rows if row]), abs=0.011)


def test_a_few_figures_of_the_print() -> None:
    assert paper.reported("6", "ToyCar") == 69.70
    assert paper.reported("3", "valve") == 83.01
    assert paper.reported("autoencoder", "ToyTrain") == 39.77
    assert paper.reported_total("6", paper.MACHINES) == 68.29


def test_the_total_of_some_machines_is_their_harmonic_mean() -> None:
    assert paper.reported_total("6", ["fan", "valve"]) == pytest.approx(77.02, abs=0.005)


def test_what_the_paper_does_not_have() -> None:
    assert paper.reported("2_cosine", "fan") is None
    assert paper.reported("6", "pump") is None
    assert paper.reported_total("6", ["fan", "pump"]) is None
    assert paper.reported_total("6", []) is None


def test_tables_by_system() -> None:
    assert [table.number for table in paper.tables_of(["6"])] == ["V", "VI"]
    assert [table.number for table in paper.tables_of(["1", "2_cosine"])] == ["II", "III"]
    assert paper.tables_of(["aux_cosine"]) == []

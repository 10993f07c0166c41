"""results.md and results.csv; the paper's figures are copied without a slip."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from statistics import harmonic_mean

import pytest

from asd.report.results import Figure, Results, SystemResult
from asd.report.tables import (
    MACHINES,
    TABLES,
    cell,
    flattened,
    reported,
    reported_total,
    results_csv,
    results_markdown,
    tables_of,
)


def results_of(*names: str) -> Results:
    """The same two machines for every system, with intervals."""
    fan, valve = Figure(0.5, 0.41, 0.6), Figure(0.75)
    system = SystemResult(Figure(0.6, 0.5, 0.7), {"fan": fan, "valve": valve}, {}, ())
    return Results("2022", dict.fromkeys(names, system), 1, 100, 0)


def test_the_markdown_of_one_system() -> None:
    head, words, table = results_markdown(results_of("1"), "demo", with_paper=False).split("\n\n")
    assert head == "# Results: demo"
    assert "harmonic mean of AUC and pAUC over sections and domains" in " ".join(words.split())
    assert table.splitlines() == [
        "| Machine |                  1 |",
        "| ------- | -----------------: |",
        "| fan     | 50.00 [41.0, 60.0] |",
        "| valve   |              75.00 |",
        "| Total   | 60.00 [50.0, 70.0] |",
    ]


def test_every_table_is_aligned_and_fits_a_terminal() -> None:
    text = results_markdown(results_of(*(f"system_{i}" for i in range(9))), "demo", False)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for table in tables:
        assert len({len(line) for line in table}) == 1
        assert len(table[0]) <= 100
        assert len(table) == 5
    names = [name for table in tables for name in table[0].split() if name.startswith("system")]
    assert names == [f"system_{i}" for i in range(9)]


def rows_of(text: str) -> list[str]:
    """The rows of a Markdown table, blanks run together."""
    return [" ".join(line.split()) for line in text.splitlines() if line.startswith("| ")]


def test_the_paper_stands_beside() -> None:
    text = results_markdown(results_of("5", "6"), "dcase2022", with_paper=True)
    rows = rows_of(text.split("## Table V of the paper")[1].split("##")[0])
    assert rows[0] == "| Machine | 5 | paper | 6 | paper |"
    assert rows[2] == "| fan | 50.00 | 78.34 | 50.00 | 76.95 |"
    rows = rows_of(text.split("## Table VI of the paper")[1])
    assert rows[2] == "| fan | - | 57.53 | - | 58.50 | 50.00 | 76.95 |"
    assert "Table III" in results_markdown(results_of("3"), "dcase2022", with_paper=True)
    assert "paper" not in results_markdown(results_of("6"), "demo", with_paper=False)


def test_the_csv() -> None:
    text = results_csv(results_of("6", "2_cosine"), with_paper=True)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["machine"] for row in rows] == ["fan", "valve", "Total"]
    assert [row["6"] for row in rows] == ["50.00", "75.00", "60.00"]
    assert [row["6 low"] for row in rows] == ["41.00", "", "50.00"]
    assert [row["6 paper"] for row in rows] == ["76.95", "77.09", "77.02"]
    assert "2_cosine paper" not in rows[0]
    assert "6 std" not in rows[0]


def test_an_undefined_score_and_an_odd_name() -> None:
    odd = SystemResult(Figure(math.nan), {"a|b": Figure(math.nan)}, {}, ())
    results = Results("2020", {"1": odd})
    lines = results_markdown(results, "x", False).splitlines()
    assert "arithmetic mean of AUC and pAUC over sections;" in lines[2]
    assert lines[-2] == "| a\\|b    |   - |"
    assert results_csv(results, False).splitlines() == ["machine,1", "a|b,", "Total,"]


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(0.68287, 0.6711, 0.695), "68.29 [67.1, 69.5]"),
        (Figure(0.68287, deviation=0.00801), "68.29 ± 0.80"),
        (Figure(1.0), "100.00"),
        (Figure(math.nan), "-"),
    ],
)
def test_cells(figure: Figure, text: str) -> None:
    assert cell(figure) == text


def test_seeds_are_named() -> None:
    results = replace(results_of("1"), seeds=3)
    assert "standard deviation of 3 seeds" in results_markdown(results, "demo", False)


def test_long_records_are_cut() -> None:
    record = {"a": {"b": [1, 2]}, "c": "x" * 500}
    assert list(flattened(record)) == [("a.b", "1, 2"), ("c", "x" * 160 + "…")]


SYSTEMS = sorted({name for table in TABLES for name in table.systems})


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_total_is_the_harmonic_mean_of_its_machines(system: str) -> None:
    rows = [reported(system, machine) for machine in MACHINES]
    total = reported_total(system, MACHINES)
    # The rows are rounded to 0.01, and so is the total.
    assert total == pytest.approx(harmonic_mean([row for row in rows if row]), abs=0.011)


def test_a_few_figures_of_the_print() -> None:
    assert reported("6", "ToyCar") == 69.70
    assert reported("3", "valve") == 83.01
    assert reported("autoencoder", "ToyTrain") == 39.77
    assert reported_total("6", MACHINES) == 68.29


def test_the_total_of_some_machines_is_their_harmonic_mean() -> None:
    assert reported_total("6", ["fan", "valve"]) == pytest.approx(77.02, abs=0.005)


def test_what_the_paper_does_not_have() -> None:
    assert reported("2_cosine", "fan") is None
    assert reported("6", "pump") is None
    assert reported_total("6", ["fan", "pump"]) is None
    assert reported_total("6", []) is None


def test_tables_by_system() -> None:
    assert [table.number for table in tables_of(["6"])] == ["V", "VI"]
    assert [table.number for table in tables_of(["1", "2_cosine"])] == ["II", "III"]
    assert tables_of(["aux_cosine"]) == []

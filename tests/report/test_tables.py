"""results.md and results.csv; the paper's figures are copied without a slip."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from statistics import harmonic_mean

import pytest

from asd.report.results import Behind, Figure, Results, SystemResult
from asd.report.tables import (
    MACHINES,
    TABLES,
    cell,
    flattened,
    headline,
    reported,
    results_csv,
    results_markdown,
    systems_table,
    tables_of,
)


def results_of(*names: str) -> Results:
    """The same two machines for every system, with intervals."""
    fan, valve = Figure(0.5, 0.41, 0.6), Figure(0.75)
    system = SystemResult(Figure(0.6, 0.5, 0.7), {"fan": fan, "valve": valve}, {}, ())
    return Results("2022", dict.fromkeys(names, system), 1, 100, 0)


def test_the_markdown_of_one_system() -> None:
    text = results_markdown(results_of("1"), "demo", with_paper=False)
    head, said, words, table = text.split("\n\n")
    assert head == "# Results: demo"
    assert said == "System 1 reaches 60.00 % (95 % interval 50.0 to 70.0)."
    assert "harmonic mean of AUC and pAUC over sections and domains" in " ".join(words.split())
    assert table.splitlines() == [
        "| System |              Total |                fan | valve |",
        "| ------ | -----------------: | -----------------: | ----: |",
        "| 1      | 60.00 [50.0, 70.0] | 50.00 [41.0, 60.0] | 75.00 |",
    ]


def several(**scores: float) -> Results:
    """Systems of one machine, each with its difference to the best."""
    best = max(scores, key=lambda name: scores[name])
    figures = {
        name: Figure(
            value,
            value - 0.05,
            value + 0.05,
            behind=None
            if name == best
            else Behind(best, value - scores[best], value - scores[best] - 0.02, 0.01),
        )
        for name, value in scores.items()
    }
    systems = {name: SystemResult(one, {"fan": one}, {}, ()) for name, one in figures.items()}
    return Results("2022", systems, 1, 100, 0)


def test_the_best_comes_first_with_the_differences_beside() -> None:
    text = results_markdown(several(a=0.6, b=0.7, c=math.nan), "demo", False)
    rows = [line for line in rows_of(text) if not line.startswith("| -")]
    assert rows[:3] == [
        "| System | Total | to the best |",
        "| b | 70.00 [65.0, 75.0] | |",
        "| a | 60.00 [55.0, 65.0] | -10.0 [-12.0, +1.0] |",
    ]
    assert "System b is best at 70.00 % (95 % interval 65.0 to 75.0), 10.0 points ahead of a" in (
        " ".join(text.split())
    )
    assert "other test clips could turn that order." in " ".join(text.split())


def test_a_lead_that_does_not_show_is_a_tie() -> None:
    assert headline(several(a=0.7, b=0.7001, c=0.6)).startswith("Systems b and a tie at 70.01 %")
    assert "| tie |" in " ".join(systems_table(several(a=0.7, b=0.7001)).split())


def test_a_lead_that_the_clips_hardly_turn_is_called_so() -> None:
    results = several(a=0.6, b=0.7)
    score = results.systems["a"].score
    clear = replace(score, behind=Behind("b", -0.1, -0.12, -0.08))
    systems = {**results.systems, "a": replace(results.systems["a"], score=clear)}
    said = headline(replace(results, systems=systems))
    assert said.endswith(
        "10.0 points ahead of a (8.0 to 12.0): other test clips would hardly turn that order."
    )


def test_every_table_is_aligned_and_fits_a_terminal() -> None:
    machine = Figure(0.5, 0.41, 0.6)
    system = SystemResult(machine, {f"machine{i}": machine for i in range(7)}, {}, ())
    names = [f"a_system_{i}" for i in range(9)]
    text = results_markdown(Results("2022", dict.fromkeys(names, system), 1, 100, 0), "demo", False)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert len({len(line) for line in table}) == 1
        assert len(table[0]) <= 100
        assert [row.split()[1] for row in table[2:]] == names
    columns = [name for table in tables for name in table[0].split() if name.startswith("machine")]
    assert columns == list(system.machines)


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
    assert lines[-1] == "| 1      |     - |"
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
    rows = [reported(system, [machine]) for machine in MACHINES]
    total = reported(system, MACHINES)
    # The rows are rounded to 0.01, and so is the total.
    assert total == pytest.approx(harmonic_mean([row for row in rows if row]), abs=0.011)


def test_a_few_figures_of_the_print() -> None:
    assert reported("6", ["ToyCar"]) == 69.70
    assert reported("3", ["valve"]) == 83.01
    assert reported("autoencoder", ["ToyTrain"]) == 39.77
    assert reported("6", MACHINES) == 68.29


def test_the_total_of_some_machines_is_their_harmonic_mean() -> None:
    assert reported("6", ["fan", "valve"]) == pytest.approx(77.02, abs=0.005)


def test_what_the_paper_does_not_have() -> None:
    assert reported("2_cosine", ["fan"]) is None
    assert reported("6", ["pump"]) is None
    assert reported("6", ["fan", "pump"]) is None
    assert reported("6", []) is None


def test_tables_by_system() -> None:
    assert [table.number for table in tables_of(["6"])] == ["V", "VI"]
    assert [table.number for table in tables_of(["1", "2_cosine"])] == ["II", "III"]
    assert tables_of(["aux_cosine"]) == []

"""What the paper reports: Tables II to VI of S. Wang, J. Du and Y. Wang, "Machine Anomalous Sound
Detection Based on Self-Supervised Classification", APSIPA ASC 2022.

Scores are percent on the DCASE 2022 Task 2 development set; systems "1" to "6" are the experiments
of Table I. The same experiment has the same figures in every table that it stands in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import harmonic_mean

DATASET = "dcase2022"
SOURCE = "S. Wang, J. Du, Y. Wang, APSIPA ASC 2022"
MACHINES = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
TOTAL = "Total"

# One row a system: the machines in the order above, then the total.
_SCORES = {
    "1": (50.08, 48.96, 59.82, 57.83, 63.56, 77.18, 69.92, 59.63),
    "2": (48.10, 50.14, 57.34, 74.54, 62.09, 71.10, 77.49, 61.05),
    "3": (49.88, 50.20, 55.96, 55.55, 69.29, 73.43, 83.01, 60.38),
    "4": (50.46, 51.32, 59.16, 70.43, 65.07, 78.76, 82.01, 63.26),
    "5": (53.92, 51.20, 57.85, 78.34, 74.39, 78.10, 79.01, 65.40),
    "6": (69.70, 52.04, 58.70, 76.95, 76.83, 77.35, 77.09, 68.29),
    "mobilenetv2": (54.40, 51.56, 60.64, 57.53, 60.17, 51.69, 62.13, 56.58),
    "autoencoder": (51.30, 39.77, 54.91, 58.50, 63.07, 58.00, 50.60, 52.71),
}


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's tables: its number, what it compares, and its systems in order."""

    number: str
    title: str
    systems: tuple[str, ...]


TABLES = (
    PaperTable("II", "the baseline system", ("1",)),
    PaperTable("III", "different features", ("1", "2", "3", "4")),
    PaperTable("IV", "different loss functions", ("4", "5")),
    PaperTable("V", "different ways to score", ("5", "6")),
    PaperTable("VI", "different methods", ("mobilenetv2", "autoencoder", "6")),
)


def tables_of(systems: Collection[str]) -> list[PaperTable]:
    """Return the tables in which at least one of ``systems`` stands."""
    return [table for table in TABLES if any(name in systems for name in table.systems)]


def reported(system: str, machine: str) -> float | None:
    """Return the paper's score in percent, or None where it has none."""
    if system not in _SCORES or machine not in MACHINES:
        return None
    return _SCORES[system][MACHINES.index(machine)]


def reported_total(system: str, machines: Sequence[str]) -> float | None:
    """Return the paper's total in percent; over some of its machines, their harmonic mean.

    The totals in print are the harmonic means of the seven machine rows to within 0.01, since
    each machine has the same number of sections.

    Returns:
        None where the paper lacks the system or one of the machines.
    """
    if system not in _SCORES or not machines or not set(machines) <= set(MACHINES):
        return None
    if set(machines) == set(MACHINES):
        return _SCORES[system][-1]
    rows = (_SCORES[system][MACHINES.index(machine)] for machine in machines)
    return round(harmonic_mean(rows), 2)

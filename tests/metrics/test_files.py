"""Names of result files, of every challenge year."""

from __future__ import annotations

import pytest

from asd.metrics.files import FileName


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("anomaly_score_fan_section_00_test.csv", ("anomaly_score", "fan", "00", "")),
        ("decision_result_ToyCar_section_03.csv", ("decision_result", "ToyCar", "03", "")),
        ("anomaly_score_pump_id_06.csv", ("anomaly_score", "pump", "06", "")),
        ("ground_truth_fan_section_03_source_test.csv", ("ground_truth", "fan", "03", "source")),
        ("anomaly_score_slide_rail_section_01_test.csv", ("anomaly_score", "slide_rail", "01", "")),
        (
            "decision_result_DCASE2024T2bearing_section_00_test_seed13711_id(0_)_Eval.csv",
            ("decision_result", "bearing", "00", ""),
        ),
    ],
)
def test_a_name_says_what_it_holds(name: str, expected: tuple[str, ...]) -> None:
    assert FileName.parse(name) == FileName(*expected)


@pytest.mark.parametrize(
    "name",
    [
        "anomaly_score_fan_section_test.csv",
        "anomaly_scores_fan_section_00_test.csv",
        "anomaly_score_fan_section_00_test.txt",
        ".anomaly_score_fan_section_00_test.csv",
        "history.csv",
    ],
)
def test_other_names_are_not_taken_for_one(name: str) -> None:
    assert FileName.parse(name) is None

"""What is counted and measured of a submitted system: learned numbers, and results by year."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, harmonic_mean
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from asd.errors import JobError, UsageError
from asd.report.results import Figure, Results, SystemResult
from asd.report.submission_facts import count_parameters, development_results


def test_the_header_tells_what_is_learned(tmp_path: Path) -> None:
    learned = {
        "tdnn.frames.0.weight": (4, 3, 5),
        "tdnn.frames.2.weight": (4,),
        "temporal.wave.extract.weight": (2, 1, 8),
        "primary.bias": (3,),
        "scale": (),
    }
    kept = {
        "tdnn.frames.2.running_mean": (4,),
        "tdnn.frames.2.running_var": (4,),
        "tdnn.frames.2.num_batches_tracked": (),
        "mean_logmel": (8, 1),
        "deviation_logmel": (8, 1),
    }
    tensors = {name: np.zeros(shape, np.float32) for name, shape in (learned | kept).items()}
    save_file(tensors, tmp_path / "weights.safetensors", metadata={"format": "pt"})
    assert count_parameters(tmp_path / "weights.safetensors") == 60 + 4 + 16 + 3 + 1
    assert count_parameters(tmp_path / "weights.safetensors", "primary.") == 3


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"\x04\0\0\0\0\0\0\0[]  ", b"text" * 9])
def test_what_is_no_safetensors_file_says_so(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(UsageError, match="no such file"):
        count_parameters(path)
    path.write_bytes(content)
    with pytest.raises(JobError, match="not a safetensors file"):
        count_parameters(path)


@pytest.mark.parametrize(
    ("rules", "measures", "mean"),
    [
        ("2020", {"auc": "averaged_auc", "pauc": "averaged_pauc"}, fmean),
        (
            "2021",
            {
                "auc_source": "harmonic_mean_auc",
                "auc_target": "harmonic_mean_auc",
                "pauc_source": "harmonic_mean_pauc",
                "pauc_target": "harmonic_mean_pauc",
            },
            harmonic_mean,
        ),
        (
            "2022",
            {m: f"harmonic_mean_{m}" for m in ("auc_source", "auc_target", "pauc")},
            harmonic_mean,
        ),
    ],
)
def test_results_are_means_over_sections_under_the_years_names(
    rules: str, measures: dict[str, str], mean: Any
) -> None:
    rng = np.random.default_rng(0)
    sections = {
        (machine, section): {name: float(rng.uniform(0.5, 1)) for name in measures}
        for machine in ("fan", "valve")
        for section in ("00", "01", "02")
    }
    results = Results(rules, {"6": SystemResult(Figure(0.7), {}, sections, ())})
    expected = {
        name: 100
        * mean(
            [
                figures[measure]
                for (machine, _), figures in sections.items()
                for measure, called in measures.items()
                if machine == "fan" and called == name
            ]
        )
        for name in measures.values()
    }
    given = development_results(results, "6")
    assert given.keys() == {"fan", "valve"}
    assert given["fan"] == pytest.approx(expected, abs=1e-4)  # four decimals are written


def test_undefined_figures_are_left_out_of_means_and_alone_are_null() -> None:
    nan = float("nan")
    sections = {
        ("fan", "00"): {"auc_source": 0.8, "auc_target": nan, "pauc": 0.5},
        ("fan", "01"): {"auc_source": nan, "auc_target": nan, "pauc": 0.5},
    }
    results = Results("2022", {"6": SystemResult(Figure(0.7), {}, sections, ())})
    assert development_results(results, "6")["fan"] == {
        "harmonic_mean_auc_source": 80.0,
        "harmonic_mean_auc_target": None,
        "harmonic_mean_pauc": 50.0,
    }

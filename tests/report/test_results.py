"""Reading metrics.json, of one run and of several seeds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asd.errors import JobError, UsageError
from asd.report.results import read_results


def metrics(score: float, rules: str = "2022") -> dict[str, Any]:
    """metrics.json of one system on one machine, as ``asd evaluate`` writes it."""
    sections = {"00": {"clips": 4, "anomalies": 2, "auc_source": score, "pauc": None}}
    machine = {"score": score, "sections": sections, "interval": {"low": 0.1, "high": 0.9}}
    return {
        "rules": rules,
        "bootstrap": {"resamples": 100, "seed": 3},
        "version": "0",
        "systems": {
            "1": {
                "score": score,
                "interval": {"low": 0.2, "high": 0.8},
                "machines": {"fan": machine},
                "undefined_values": ["fan section 00 pauc: no normal clip"],
                "unlabelled": [],
            }
        },
    }


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_one_run(tmp_path: Path) -> None:
    results = read_results([write(tmp_path / "metrics.json", metrics(0.5))])
    system = results.systems["1"]
    assert (results.rules, results.resamples, results.seed, results.seeds) == ("2022", 100, 3, 1)
    assert (system.score.value, system.score.low, system.score.high) == (0.5, 0.2, 0.8)
    assert results.machines == ("fan",)
    assert math.isnan(system.sections["fan", "00"]["pauc"])
    assert system.notes == ("fan section 00 pauc: no normal clip",)
    assert results.best() == results.best("fan") == "1"
    assert results.best("valve") is None


def test_several_seeds_give_mean_and_deviation_and_no_interval(tmp_path: Path) -> None:
    scores = [0.5, 0.6, 0.64]
    paths = [write(tmp_path / f"{i}.json", metrics(score)) for i, score in enumerate(scores)]
    results = read_results(paths)
    figure = results.figure("1", "fan")
    assert results.seeds == 3
    assert figure.value == pytest.approx(np.mean(scores))
    assert figure.deviation == pytest.approx(np.std(scores, ddof=1))
    assert not figure.has_interval


def test_an_undefined_score(tmp_path: Path) -> None:
    document = metrics(0.5)
    document["systems"]["1"] |= {"score": None, "interval": {"low": None, "high": None}}
    results = read_results([write(tmp_path / "metrics.json", document)])
    assert math.isnan(results.systems["1"].score.value)
    assert results.best() is None


def test_missing_metrics_name_the_verb(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"metrics\.json: no such file; run 'asd evaluate' first"):
        read_results([tmp_path / "metrics.json"])


@pytest.mark.parametrize("text", ["", "[]", '{"rules": "2022"}', '{"systems": 3, "rules": "2022"}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(JobError, match=r"not metrics .*run 'asd evaluate' again"):
        read_results([path])


def test_seeds_of_other_rules_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", metrics(0.5))
    other = write(tmp_path / "b.json", metrics(0.5, rules="2020"))
    with pytest.raises(UsageError, match=r"b\.json: not of the same rules"):
        read_results([first, other])

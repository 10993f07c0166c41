"""Score files joined to what is known of the clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from asd.errors import JobError, UsageError
from asd.report.scores import Rate, ScoredSection, read_curves, read_scores
from asd.scoring.files import write_decisions, write_scores
from asd.scoring.thresholds import Threshold, write_thresholds


@dataclass(frozen=True)
class Facts:
    machine: str
    section: str
    name: str
    domain: str
    label: str


CLIPS = [
    Facts("fan", "00", "b.wav", "target", "anomaly"),
    Facts("fan", "00", "a.wav", "source", "normal"),
    Facts("fan", "00", "c.wav", "source", ""),
    Facts("valve", "00", "a.wav", "source", "normal"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["b.wav", "c.wav", "a.wav"]
    write_scores(tmp_path / "1", "fan", "00", names, np.array([3.0, 2.0, 1.0]))
    write_decisions(tmp_path / "1", "fan", "00", names, np.array([1, 0, 0]))
    threshold = Threshold(method="quantile", value=2.5, rate=0.1, count=9)
    write_thresholds(tmp_path / "1" / "threshold_fan.json", {"00": threshold}, {})
    return tmp_path


def test_rows_are_joined_by_name(folder: Path) -> None:
    read = read_scores(folder, ["1", "absent"], CLIPS)
    assert list(read) == ["1"]
    section = read["1"]["fan", "00"]
    assert section.names == ("a.wav", "b.wav", "c.wav")
    assert section.scores.tolist() == [1.0, 3.0, 2.0]
    assert section.labels.tolist() == ["normal", "anomaly", ""]
    assert section.domains.tolist() == ["source", "target", "source"]
    assert section.decisions is not None
    assert section.decisions.tolist() == [False, True, False]
    assert section.threshold is not None
    assert section.threshold.value == 2.5
    assert section.groups == ("source", "target")
    assert section.labelled() is None


def test_a_clip_that_is_not_in_the_index(folder: Path) -> None:
    with pytest.raises(JobError, match=r"line 1: clip 'b\.wav' is not in the index"):
        read_scores(folder, ["1"], CLIPS[1:])


def test_decisions_of_other_clips(folder: Path) -> None:
    write_decisions(folder / "1", "fan", "00", ["a.wav"], np.array([0]))
    with pytest.raises(JobError, match="has not the same clips in its scores and decisions"):
        read_scores(folder, ["1"], CLIPS)


def test_scores_alone_are_enough(tmp_path: Path) -> None:
    write_scores(tmp_path / "1", "valve", "00", ["a.wav"], np.array([3.0]))
    section = read_scores(tmp_path, ["1"], CLIPS)["1"]["valve", "00"]
    assert section.decisions is None
    assert section.threshold is None


def test_no_scores(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="scores: no scores yet; run 'asd score' first"):
        read_scores(tmp_path / "scores", ["1"], CLIPS)


def test_rates_count_what_is_called(section: ScoredSection) -> None:
    assert section.decisions is not None
    for label in ("normal", "anomaly"):
        for domain in ("source", "target"):
            of = [
                called
                for called, a, b in zip(
                    section.decisions, section.labels, section.domains, strict=True
                )
                if (a, b) == (label, domain)
            ]
            assert section.rate(label, domain) == Rate(sum(of), len(of))
    assert str(Rate(1, 8)) == "1 of 8 (12 %)"
    assert str(Rate(0, 0)) == "no clips"


def test_curves(tmp_path: Path) -> None:
    path = tmp_path / "1.csv"
    assert read_curves(path) == {}
    path.write_text("machine,section,fpr,tpr\nfan,00,0.0,0.0\nfan,00,1.0,1.0\n", encoding="utf-8")
    curve = read_curves(path)["fan", "00"]
    assert (curve.fpr, curve.tpr) == ((0.0, 1.0), (0.0, 1.0))
    path.write_text("machine,section,fpr\nfan,00,0.0\n", encoding="utf-8")
    with pytest.raises(JobError, match="not ROC curves; run 'asd evaluate' again"):
        read_curves(path)

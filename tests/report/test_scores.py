"""The scores of a machine joined to what is known of its recordings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from asd.errors import JobError
from asd.report.scores import Rate, ScoredSection, read_curves, scored_sections
from asd.scoring.scored import ScoreTable
from asd.scoring.thresholds import Threshold


@dataclass(frozen=True)
class Facts:
    domain: str
    label: str


FACTS = {
    ("fan", "00"): {
        "b.wav": Facts("target", "anomaly"),
        "a.wav": Facts("source", "normal"),
        "c.wav": Facts("source", ""),
    },
    ("valve", "00"): {"a.wav": Facts("source", "normal")},
}
ONE, LONG = (Threshold(method="quantile", value=v, rate=0.1, count=9) for v in (2.5, 3.5))
TABLE = ScoreTable(
    section=("00", "00", "00"),
    name=("b.wav", "c.wav", "a.wav"),
    content=("", "", ""),
    windows=np.array([1, 1, 1]),
    score=np.array([3.0, 2.0, 1.0]),
    threshold=np.array([2.5, 2.5, 2.5]),
    anomalous=np.array([True, False, False]),
)


def test_rows_are_joined_by_name() -> None:
    read = scored_sections("fan", TABLE, {"00": {1: ONE}}, FACTS)
    assert list(read) == [("fan", "00")]
    section = read["fan", "00"]
    assert section.names == ("a.wav", "b.wav", "c.wav")
    assert section.scores.tolist() == [1.0, 3.0, 2.0]
    assert section.labels.tolist() == ["normal", "anomaly", ""]
    assert section.domains.tolist() == ["source", "target", "source"]
    assert section.decisions.tolist() == [False, True, False]
    assert section.threshold.value == 2.5
    assert section.longer == {}
    assert section.cuts == {1: 2.5}
    assert section.groups == ("source", "target")
    assert not section.is_labelled


def test_sections_are_told_apart() -> None:
    other = replace(TABLE, section=("00", "02", "00"))
    facts = {
        ("fan", "00"): {name: FACTS["fan", "00"][name] for name in ("a.wav", "b.wav")},
        ("fan", "02"): {"c.wav": Facts("", "normal")},
    }
    read = scored_sections("fan", other, {"00": {1: ONE}}, facts)
    assert {key: section.names for key, section in read.items()} == {
        ("fan", "00"): ("a.wav", "b.wav"),
        ("fan", "02"): ("c.wav",),
    }
    assert read["fan", "02"].threshold is None
    assert read["fan", "02"].is_labelled


def test_recordings_of_several_windows_bring_their_thresholds() -> None:
    of_windows = {"00": {1: ONE, 3: LONG}}
    assert scored_sections("fan", TABLE, of_windows, FACTS)["fan", "00"].longer == {}
    long = replace(TABLE, windows=np.array([3, 1, 1]))
    section = scored_sections("fan", long, of_windows, FACTS)["fan", "00"]
    assert section.longer == {1: ONE, 3: LONG}
    assert section.cuts == {1: 2.5, 3: 3.5}


@pytest.mark.parametrize("machine", ["fan", "pump"])
def test_a_clip_that_is_not_in_the_index(machine: str) -> None:
    facts = {("fan", "00"): {name: FACTS["fan", "00"][name] for name in ("a.wav", "c.wav")}}
    missing = "b.wav" if machine == "fan" else "a.wav"
    line = f"scores of {machine} section 00: clip '{missing}' is not in the index; run 'asd score'"
    with pytest.raises(JobError, match=line):
        scored_sections(machine, TABLE, {}, facts)


def test_no_test_clips() -> None:
    nothing = np.zeros(0)
    empty = ScoreTable((), (), (), nothing.astype(int), nothing, nothing, nothing > 0)
    assert scored_sections("fan", empty, {"00": {1: ONE}}, FACTS) == {}


def test_rates_count_what_is_called(section: ScoredSection) -> None:
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
    assert curve.fpr.tolist() == curve.tpr.tolist() == [0.0, 1.0]
    path.write_text("machine,section,fpr\nfan,00,0.0\n", encoding="utf-8")
    with pytest.raises(JobError, match="not ROC curves; run 'asd evaluate' again"):
        read_curves(path)

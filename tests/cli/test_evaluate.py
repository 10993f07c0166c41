"""asd evaluate, in a project and of any folder of results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asd.clips.record import Clip
from asd.metrics.official import means
from asd.metrics.rules import RULES
from tests.made import a_clip, replace_in

MACHINES = ("fan", "valve")
CLIPS = 24

PARAMS = """
dataset: {name: own, rules: "2022", raw: data/raw, machines: [fan, valve]}
features: {logmel: {}}
models: {m: {features: [logmel]}}
systems:
  "1": {model: m, scorer: cosine}
  "2": {model: m, scorer: posterior}
  never_scored: {model: m, scorer: posterior}
evaluate: {bootstrap: 30, seed: 0}
"""


def names(section: str) -> list[str]:
    return [f"section_{section}_{place:04d}.wav" for place in range(CLIPS)]


LABELS = np.arange(CLIPS) % 2
DOMAINS = np.where(np.arange(CLIPS) < 8, "target", "source")


def scores_of(machine: str, system: str) -> np.ndarray:
    rng = np.random.default_rng([len(machine), ord(system[0])])
    return np.round(rng.normal(size=CLIPS) + LABELS, 1)


def write_score_files(folder: Path, system: str) -> None:
    folder.mkdir(parents=True)
    for machine in MACHINES:
        values = scores_of(machine, system)
        for kind, column in (("anomaly_score", values), ("decision_result", values > 0)):
            lines = [f"{n},{float(v):g}\n" for n, v in zip(names("00"), column, strict=True)]
            (folder / f"{kind}_{machine}_section_00_test.csv").write_text("".join(lines))


def write_truth(folder: Path) -> None:
    for kind, column in (("data", LABELS), ("domain", (DOMAINS == "target").astype(int))):
        of_kind = folder / f"ground_truth_{kind}"
        of_kind.mkdir(parents=True)
        for machine in MACHINES:
            lines = [f"{n},{v}\n" for n, v in zip(names("00"), column, strict=True)]
            path = of_kind / f"ground_truth_{machine}_section_00_test.csv"
            path.write_text("".join(lines))


def clip(machine: str, section: str, name: str, **known: str) -> Clip:
    values = {"domain": "", "split": "test", "label": ""} | known
    path = f"{machine}/{values['split']}/{name}"
    return a_clip(path, 1, 1, machine=machine, section=section, **values)


def clips_of(machine: str) -> list[Clip]:
    """One labelled section, one unlabelled, and one that has no training clips."""
    clips = [
        clip(machine, "00", n, domain=d, label="anomaly" if label else "normal")
        for n, d, label in zip(names("00"), DOMAINS, LABELS, strict=True)
    ]
    clips.append(clip(machine, "00", "broken.wav", status="not readable"))
    clips += [clip(machine, section, names(section)[0]) for section in ("03", "05")]
    clips += [clip(machine, section, "normal.wav", split="train") for section in ("00", "03")]
    return clips


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_index: Callable, write_scores: Callable
) -> Path:
    """A project whose systems 1 and 2 are scored."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "params.yaml").write_text(PARAMS)
    for machine in MACHINES:
        write_index(tmp_path, machine, clips_of(machine))
        for system in "12":
            sections = {
                "00": (names("00"), scores_of(machine, system)),
                "03": (names("03")[:1], np.zeros(1)),
            }
            write_scores(tmp_path, system, machine, sections, 0.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no project, with one system and the official ground truth."""
    write_score_files(tmp_path / "scores", "1")
    write_truth(tmp_path / "truth")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected_score(system: str) -> float:
    areas = []
    for machine in MACHINES:
        scores = scores_of(machine, system)
        for domain in ("source", "target"):
            chosen = (LABELS == 1) | (domain == DOMAINS)
            areas.append(roc_auc_score(LABELS[chosen], scores[chosen]))
        areas.append(roc_auc_score(LABELS, scores, max_fpr=0.1))
    return means(areas).harmonic


def test_a_project_is_evaluated_into_its_reports(project: Path, asd: Callable) -> None:
    done = asd("evaluate")
    assert (done.code, done.err) == (0, "")
    reports = project / "data" / "reports"
    metrics = json.loads((reports / "metrics.json").read_text())
    assert list(metrics["systems"]) == ["1", "2"]
    for system, figures in metrics["systems"].items():
        assert figures["score"] == pytest.approx(expected_score(system), abs=1e-12)
        assert figures["interval"]["low"] <= figures["interval"]["high"]
        assert set(figures["machines"]) == set(MACHINES)
        assert (figures["unusable_clips"], figures["unlabelled_sections"]) == (2, 2)
        assert f"{100 * figures['score']:.2f}" in done.out
        points = (reports / "roc" / f"{system}.csv").read_text().splitlines()
        assert points[0] == "machine,section,fpr,tpr"
        official = (reports / "official" / f"{system}_result.csv").read_text()
        assert f"official score,,{figures['score']!r}" in official
    assert done.out.startswith("48 clips in 2 sections, 2 unlabelled sections, 2 unusable clips\n")
    best = max("12", key=expected_score)
    assert f"System {best} is best at {100 * expected_score(best):.2f} %" in done.out
    assert "without figures: fan section 03: 1 of 1 clips unlabelled" in done.out
    assert "section 05" not in done.out


def test_the_same_scores_give_the_same_bytes(project: Path, asd: Callable) -> None:
    reports = project / "data" / "reports"

    def written() -> dict[str, bytes]:
        assert asd("evaluate").code == 0
        return {str(path): path.read_bytes() for path in sorted(reports.rglob("*.*"))}

    assert written() == written()


def test_json_is_what_is_written(project: Path, asd: Callable) -> None:
    printed = json.loads(asd("evaluate", "--json").out)
    reports = project / "data" / "reports"
    assert printed.pop("default") == "1"
    assert printed == json.loads((reports / "metrics.json").read_text())
    scores = {name: of_system["score"] for name, of_system in printed["systems"].items()}
    assert json.loads((reports / "scores.json").read_text()) == scores


def test_chosen_systems_are_shown_and_not_written(project: Path, asd: Callable) -> None:
    done = asd("evaluate", "--system", "2")
    assert done.code == 0
    assert "System 2 reaches" in done.out
    assert "System 1" not in done.out
    assert not (project / "data" / "reports").exists()
    assert asd("evaluate", "--system", "2", "--output", "out").code == 0
    assert (project / "out" / "metrics.json").is_file()


def test_machines_that_are_no_longer_worked_on_are_left_out(
    project: Path, asd: Callable, write_index: Callable
) -> None:
    write_index(project, "gearbox", clips_of("gearbox"))
    done = asd("evaluate")
    assert (done.code, done.err) == (0, "")
    assert "gearbox" not in done.out


def test_two_systems_compared(project: Path, asd: Callable) -> None:
    printed = json.loads(asd("evaluate", "--compare", "1", "2", "--json").out)["comparison"]
    difference = expected_score("1") - expected_score("2")
    assert printed["difference"] == pytest.approx(difference, abs=1e-12)
    assert printed["interval"]["low"] <= difference <= printed["interval"]["high"]
    itself = json.loads(asd("evaluate", "--compare", "1", "1", "--json").out)["comparison"]
    assert itself["interval"] == {"low": 0.0, "high": 0.0}
    assert "1 less 2" in asd("evaluate", "--compare", "1", "2").out
    done = asd("evaluate", "--compare", "1", "3")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "unknown system of data/scores '3'" in done.err


@pytest.mark.parametrize("year", RULES)
def test_outside_of_any_project(year: str, elsewhere: Path, asd: Callable) -> None:
    given = ("evaluate", "--scores", "scores", "--ground-truth", "truth", "--bootstrap", "20")
    done = asd(*given, "--rules", year)
    assert (done.code, done.err) == (0, "")
    assert "System scores reaches" in done.out
    document = json.loads(asd(*given, "--rules", year, "--json").out)
    assert document["rules"] == year
    assert len(document["systems"]["scores"]["machines"]) == 2
    assert sorted(path.name for path in elsewhere.iterdir()) == ["scores", "truth"]
    if year == "2022":
        score = document["systems"]["scores"]["score"]
        assert score == pytest.approx(expected_score("1"), abs=1e-12)
        assert json.loads(asd(*given, "--json").out) == document


def test_faults_are_listed_and_the_job_fails(elsewhere: Path, asd: Callable) -> None:
    path = elsewhere / "scores" / "anomaly_score_fan_section_00_test.csv"
    replace_in(path, "0003.wav,", "0003.wav,x")
    (elsewhere / "scores" / "decision_result_valve_section_00_test.csv").unlink()
    done = asd("evaluate", "--scores", "scores", "--ground-truth", "truth")
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert len(lines) == 2
    assert "anomaly_score_fan_section_00_test.csv, line 4: clip" in lines[0]
    assert "decision_result_valve_section_00_test.csv: no such file" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "asd init demo"),
        (("--scores", "scores"), "give both --scores and --ground-truth"),
        (("--scores", "absent", "--ground-truth", "truth"), "absent: no such folder"),
        (("--scores", "scores", "--ground-truth", "absent"), "absent: no such folder"),
        (("--scores", "scores", "--ground-truth", "truth", "--rules", "1999"), "known: 2020,"),
        (("--scores", "scores", "--ground-truth", "truth", "--bootstrap", "-1"), "--bootstrap"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: tuple[str, ...], expected: str, elsewhere: Path, asd: Callable
) -> None:
    done = asd("evaluate", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert expected in done.err


def test_before_anything_is_scored(project: Path, asd: Callable) -> None:
    done = asd("evaluate", "--system", "never_scored")
    assert done.code == 2
    assert "data/scores/never_scored: no scores yet; run 'asd score' first" in done.err
    (project / "data" / "index").rename(project / "data" / "elsewhere")
    done = asd("evaluate")
    assert done.code == 2
    assert "run 'asd index' first" in done.err

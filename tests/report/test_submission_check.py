"""The organisers' check: a good package passes, and each fault is found and named once."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.report.submission import KINDS, Label
from asd.report.submission_check import Findings, check_package

LABEL = Label("Tanaka", "UT", 1)
SOURCE = Path("data") / "UT.zip"
NAMES = {
    ("fan", "03"): [f"section_03_{i:04d}.wav" for i in range(6)],
    ("valve", "03"): [f"section_03_{i:04d}.wav" for i in range(4)],
}
META = """\
submission:
  label: Tanaka_UT_task2_1
  name: Log-mel, temporal and pre-trained features
  abbreviation: LTP
  authors:
    - {lastname: Tanaka, firstname: Ren, email: r@ut.example, corresponding: true,
       affiliation: {institution: UT, location: "Tokyo, Japan"}}
    - {lastname: Sato, firstname: Mei, email: m@ut.example,
       affiliation: {institution: UT, location: "Tokyo, Japan"}}
system:
  description:
    input_sampling_rate: 16kHz
    data_augmentation: !!null
    front_end: !!null
    acoustic_features: log-mel energies
    embeddings: !!null
    machine_learning_method: CNN
    aggregation_method: average
    ensemble_method_subsystem_count: !!null
    decision_making: !!null
    external_data_usage: !!null
    development_data_usage: development
  complexity:
    total_parameters: 1000
results:
  development_dataset:
    fan: {harmonic_mean_auc_source: 80.1, harmonic_mean_pauc: 50}
"""
FAN_SCORES = f"{LABEL.folder}/anomaly_score_fan_section_03_test.csv"
FAN_DECISIONS = f"{LABEL.folder}/decision_result_fan_section_03_test.csv"


@pytest.fixture
def files() -> dict[str, bytes]:
    """A package with nothing wrong."""
    package = {LABEL.meta: META.encode(), LABEL.technical_report: b"%PDF"}
    for machine, section in NAMES:
        for kind in KINDS:
            values = ["-0.25", "1e-05"] if kind == "anomaly_score" else ["0", "1"]
            rows = [f"{n},{values[i % 2]}\n" for i, n in enumerate(NAMES[machine, section])]
            path = f"{LABEL.folder}/{kind}_{machine}_section_{section}_test.csv"
            package[path] = "".join(rows).encode()
    return package


def check(files: dict[str, bytes]) -> Findings:
    return check_package(SOURCE, files, NAMES)


def test_a_good_package_passes(files: dict[str, bytes]) -> None:
    findings = check(files)
    assert (findings.errors, findings.warnings) == ([], [])
    assert findings.labels == ["Tanaka_UT_task2_1"]
    assert (findings.sections, findings.clips) == (2, 10)


def test_it_passes_where_the_wanted_clips_are_not_known(files: dict[str, bytes]) -> None:
    findings = check_package(SOURCE, files)
    assert (findings.errors, findings.sections, findings.clips) == ([], 2, 10)


FIRST, LAST = "section_03_0000.wav,-0.25\n", "section_03_0005.wav,1e-05\n"
# What is said of a package in which a text of a file is another one.
SCORE_FAULTS = {
    ": 1 of 6 clips missing: section_03_0000.wav": (FIRST, ""),
    ", line 7: clip 'section_03_0000.wav' is also on line 1; keep one": (LAST, LAST + FIRST),
    ", line 7: clip 'other.wav' is not of fan section 03": (LAST, LAST + "other.wav,1\n"),
    ", line 1: 'name,score' is a header; remove it": (FIRST, "name,score\n" + FIRST),
    ", line 1: score 'high' is not a number": ("-0.25", "high"),
    ", line 1: score 'nan' is not finite": ("-0.25", "nan"),
    ", line 2: score '' is not a number": ("1e-05", ""),
    ", line 7: 'b.wav,1,1' is not <clip>,<value>": (LAST, LAST + "b.wav,1,1\n"),
    ", line 7: '' is not <clip>,<value>": (LAST, LAST + "\n"),
    ": begins with a byte order mark; write it without": (FIRST, "\ufeff" + FIRST),
    ", line 7: not CSV (unexpected end of data); write it again": (LAST, LAST + '"section_03'),
}
DECISION_FAULTS = {
    ", line 1: decision '0.5' is neither 0 nor 1": (",0\n", ",0.5\n"),
    ", line 2: decision '1.0' is neither 0 nor 1": (",1\n", ",1.0\n"),
}
META_FAULTS = {
    ": submission.label 'Tanaka_UT_task2_2' is not the folder's name, Tanaka_UT_task2_1": (
        "UT_task2_1",
        "UT_task2_2",
    ),
    ": submission.name is missing": ("  name: Log", "  title: Log"),
    ": system.description.front_end is missing; where it does not apply it is !!null": (
        "    front_end: !!null\n",
        "",
    ),
    ": system.description.acoustic_features is missing": ("log-mel energies", "!!null"),
    ": submission.authors: email of author 2 is missing": ("m@ut.example", '""'),
    ": submission.authors: one author, and no more, is marked 'corresponding: true'": (
        "corresponding: true",
        "corresponding: false",
    ),
    ": submission.authors is not a list of authors": ("authors:", "authors: nobody\n  others:"),
    ": system.complexity.total_parameters is '4,204,083', not a whole number": (
        "1000",
        '"4,204,083"',
    ),
    ": system.complexity.macs is [1, 2], not a number": ("1000", "1000\n    macs: [1, 2]"),
    ": results of fan: harmonic_mean_auc_source is 'good', not a number from 0 to 100": (
        "80.1",
        "good",
    ),
    ": results.development_dataset is missing; {} says that there are no results": (
        META[META.index("results:") :],
        "",
    ),
}
FAULTS = [
    (path, *change, expected)
    for path, faults in (
        (FAN_SCORES, SCORE_FAULTS),
        (FAN_DECISIONS, DECISION_FAULTS),
        (LABEL.meta, META_FAULTS),
    )
    for expected, change in faults.items()
]


@pytest.mark.parametrize(("path", "old", "new", "expected"), FAULTS)
def test_a_fault_is_found_and_named_once(
    path: str, old: str, new: str, expected: str, files: dict[str, bytes]
) -> None:
    text = files[path].decode()
    assert old in text
    files[path] = text.replace(old, new, 1).encode()
    assert check(files).errors == [f"{SOURCE / path}{expected}"]


def test_what_is_not_text_or_not_yaml_is_said(files: dict[str, bytes]) -> None:
    files[FAN_SCORES] = b"\xff\xfe"
    files[LABEL.meta] = b"submission: [\n  broken: {"
    errors = check(files).errors
    assert any(line.startswith(f"{SOURCE / LABEL.meta}: not YAML") for line in errors)
    assert f"{SOURCE / FAN_SCORES}: not UTF-8 text; write it again" in errors
    assert all("\n" not in line for line in errors)


@pytest.mark.parametrize(
    "path",
    [
        "anomaly_score_fan_section_03_test.csv",
        "task1/Tanaka_UT_task1_1/x.csv",
        "task2/Tanaka_UT_task2_5/anomaly_score_fan_section_03_test.csv",
        "task2/Tanaka_UT_task2_1/more/x.csv",
        "task2/../../x.csv",
        "/task2/Tanaka_UT_task2_1/x.csv",
        "__MACOSX/task2/x",
    ],
)
def test_what_lies_elsewhere_is_an_error(path: str, files: dict[str, bytes]) -> None:
    (error,) = check(files | {path: b""}).errors
    assert "not where the challenge has files" in error


@pytest.mark.parametrize(
    "name",
    [
        "anomaly_score_fan_section_03.csv",
        "anomaly_score_fan_id_03_test.csv",
        "Anomaly_score_fan_section_03_test.csv",
        "anomaly_score_fan_section_3_test.csv",
        "weights.safetensors",
        "Tanaka_UT_task2_2.meta.yaml",
    ],
)
def test_an_unofficial_name_is_an_error(name: str, files: dict[str, bytes]) -> None:
    (error,) = check(files | {f"{LABEL.folder}/{name}": b"a.wav,1\n"}).errors
    assert "not an official name" in error


@pytest.mark.parametrize("path", [FAN_SCORES, FAN_DECISIONS, LABEL.meta])
def test_a_missing_file_is_named(path: str, files: dict[str, bytes]) -> None:
    del files[path]
    (error,) = check(files).errors
    assert error.startswith(f"{SOURCE / path}: no such file")


def test_scores_that_are_not_wanted_are_errors(files: dict[str, bytes]) -> None:
    wanted = {key: names for key, names in NAMES.items() if key[0] == "valve"}
    errors = check_package(SOURCE, files, wanted).errors
    assert len(errors) == 2
    assert all("no scores are wanted of fan section 03" in error for error in errors)


def test_scores_and_decisions_are_of_the_same_clips_where_the_wanted_are_not_known(
    files: dict[str, bytes],
) -> None:
    files[FAN_DECISIONS] = files[FAN_DECISIONS].replace(b"section_03_0000.wav,0\n", b"")
    (error,) = check_package(SOURCE, files).errors
    assert error == f"{SOURCE / FAN_DECISIONS}: 1 of 6 clips missing: section_03_0000.wav"


def test_an_empty_package_has_no_system() -> None:
    (error,) = check_package(SOURCE, {}).errors
    assert "no system in it" in error


def test_what_a_person_should_look_at_is_a_warning(files: dict[str, bytes]) -> None:
    del files[LABEL.technical_report]
    meta = META.replace("name: Log", "name: FILL_IN Log").replace("LTP", "a long one")
    meta = meta.replace("abbreviation: a", "abbreviation: such a")
    meta += "# FILL_IN in a comment is nothing to do\n"
    files[LABEL.meta] = meta.partition("    fan:")[0].replace("set:", "set: {}").encode()
    findings = check(files)
    assert findings.errors == []
    assert [line.removeprefix(f"{SOURCE}/") for line in findings.warnings] == [
        f"{LABEL.meta}: no results on the development set; run 'asd evaluate', then 'asd submit'",
        f"{LABEL.meta}: submission.abbreviation 'such a long one' is longer than 10 characters",
        f"{LABEL.meta}: FILL_IN is left on line 3",
        f"{LABEL.technical_report}: no such file; the challenge asks for a technical report",
    ]


def test_the_label_of_nobody_is_a_warning(files: dict[str, bytes]) -> None:
    renamed = {
        path.replace("Tanaka_UT", "Author_Institute"): content.replace(
            b"Tanaka_UT", b"Author_Institute"
        )
        for path, content in files.items()
    }
    findings = check(renamed)
    assert findings.errors == []
    assert findings.warnings == [
        f"{SOURCE}/task2/Author_Institute_task2_1: label of nobody; give --author and --institute"
    ]

"""Ground truth of every published layout and of a project's index."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from asd.clips.record import COLUMNS
from asd.errors import JobError, UsageError
from asd.metrics.rules import Section
from asd.metrics.truth import INDEX_COLUMNS, Truth, read_truth


def clip(**given: str) -> dict[str, str]:
    values = {"machine": "fan", "section": "00", "domain": "source", "split": "test"}
    values |= {"label": "normal", "status": "ok", "path": "x", "digest": "0"}
    values["recording"] = given.get("name", "")
    return dict.fromkeys(COLUMNS, "") | values | given


def window(seconds: int, **given: str) -> dict[str, str]:
    """Return the row of a window of a.wav."""
    return clip(name=f"a.wav#t={seconds}", recording="a.wav", **given)


def write_index(path: Path, rows: list[dict[str, str]], columns: Sequence[str] = COLUMNS) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def test_the_official_evaluators_layout(
    tmp_path: Path, write_truth: Callable, sections: list[Section]
) -> None:
    folder = write_truth(tmp_path, sections)
    for given in (folder, folder / "ground_truth_data"):
        truth = read_truth(given)
        assert list(truth) == sorted((s.machine, s.section) for s in sections)
        for section in sections:
            found = truth[section.machine, section.section]
            assert found.labels == dict(zip(section.names, section.labels, strict=True))
            assert found.domains == dict(zip(section.names, section.domains, strict=True))
            assert (found.unlabelled, found.unusable) == (0, 0)


def test_2021_names_the_domain_in_the_file_name(tmp_path: Path) -> None:
    data = tmp_path / "ground_truth_data"
    data.mkdir()
    for domain, label in (("source", 0), ("target", 1)):
        name = f"section_03_{domain}_test_0000.wav"
        path = data / f"ground_truth_fan_section_03_{domain}_test.csv"
        path.write_text(f"{name},{label}\n")
    source, target = "section_03_source_test_0000.wav", "section_03_target_test_0000.wav"
    assert read_truth(tmp_path) == {
        ("fan", "03"): Truth(
            "fan", "03", {source: False, target: True}, {source: "source", target: "target"}
        )
    }


def test_the_list_of_2020(tmp_path: Path) -> None:
    (tmp_path / "eval_data_list.csv").write_text(
        "ToyCar\n"
        "id_05_00000000.wav,normal_id_05_00000011.wav,0\n"
        "id_07_00000000.wav,anomaly_id_07_00000002.wav,1\n"
        "fan\n"
        "id_05_00000000.wav,anomaly_id_05_00000003.wav,1\n"
    )
    truth = read_truth(tmp_path)
    assert {key: dict(found.labels) for key, found in truth.items()} == {
        ("ToyCar", "05"): {"id_05_00000000.wav": False},
        ("ToyCar", "07"): {"id_07_00000000.wav": True},
        ("fan", "05"): {"id_05_00000000.wav": True},
    }
    assert set(truth["fan", "05"].domains.values()) == {""}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("id_05_00000000.wav,normal_id_05_00000011.wav,0", "occurs twice"),
        ("id_05_00000001.wav,normal_id_05_00000011.wav,2", "'2' is neither 0 nor 1"),
        ("id_05_00000001.wav,0", "not a line of eval_data_list.csv"),
        ("section_05.wav,x,0", "not a line of eval_data_list.csv"),
    ],
)
def test_the_list_of_2020_at_fault(line: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "eval_data_list.csv"
    path.write_text(f"fan\nid_05_00000000.wav,normal_id_05_00000011.wav,0\n{line}\n")
    with pytest.raises(JobError, match=f"line 3: .*{expected}"):
        read_truth(tmp_path)


def test_an_index_gives_its_usable_test_clips(tmp_path: Path) -> None:
    rows = [
        clip(name="a.wav"),
        clip(name="b.wav", domain="target", label="anomaly"),
        clip(name="c.wav", split="train"),
        clip(name="d.wav", status="not readable"),
        clip(name="e.wav", section="03", label="", domain=""),
        clip(name="f.wav", section="03"),
    ]
    write_index(tmp_path / "index" / "fan.csv", rows)
    (tmp_path / "index" / "notes.csv").write_text("what,why\n1,2\n")
    truth = read_truth(tmp_path / "index")
    assert truth["fan", "00"] == Truth(
        "fan", "00", {"a.wav": False, "b.wav": True}, {"a.wav": "source", "b.wav": "target"}, 1
    )
    assert truth["fan", "03"].unlabelled == 1


def test_the_windows_of_a_recording_are_one_clip(tmp_path: Path) -> None:
    rows = [
        *(window(10 * n, label="anomaly") for n in range(3)),
        clip(name="b.wav"),
    ]
    write_index(tmp_path / "fan.csv", rows)
    assert read_truth(tmp_path)["fan", "00"] == Truth(
        "fan", "00", {"a.wav": True, "b.wav": False}, dict.fromkeys(["a.wav", "b.wav"], "source")
    )


def test_nothing_is_read_out_of_a_name(tmp_path: Path) -> None:
    """An index without the column recording is of whole clips, whatever they are called."""
    rows = [window(0), window(10)]
    for columns in (COLUMNS, [column for column in COLUMNS if column != "recording"]):
        write_index(tmp_path / "fan.csv", rows, columns)
        names = ["a.wav"] if "recording" in columns else ["a.wav#t=0", "a.wav#t=10"]
        assert list(read_truth(tmp_path)["fan", "00"].labels) == names


def test_the_columns_are_those_of_an_index() -> None:
    assert set(INDEX_COLUMNS) <= set(COLUMNS)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([clip(name="a.wav", label="broken")], "line 2: label 'broken' is neither normal nor"),
        ([clip(name="a.wav", domain="Target")], "line 2: domain 'Target' is neither source nor"),
        ([clip(name="a.wav"), clip(name="a.wav")], "line 3: clip 'a.wav' occurs twice"),
        ([clip(name="a.wav"), window(0)], "line 3: clip 'a.wav#t=0' occurs twice"),
        ([window(0), clip(name="a.wav")], "line 3: clip 'a.wav' occurs twice"),
        ([window(5)] * 2, "line 3: clip 'a.wav#t=5' occurs twice"),
        (
            [window(0), window(5, label="anomaly")],
            "line 3: windows of 'a.wav' differ in label or domain",
        ),
    ],
)
def test_an_index_at_fault(rows: list[dict[str, str]], expected: str, tmp_path: Path) -> None:
    write_index(tmp_path / "fan.csv", rows)
    with pytest.raises(JobError, match=f"fan.csv, {expected}"):
        read_truth(tmp_path)


def test_ground_truth_at_fault(
    tmp_path: Path, write_truth: Callable, sections: list[Section]
) -> None:
    folder = write_truth(tmp_path, sections[:1])
    name = "ground_truth_fan_section_00_test.csv"
    domain = folder / "ground_truth_domain" / name
    lines = domain.read_text().splitlines()
    domain.write_text("\n".join(lines[1:]))
    data = folder / "ground_truth_data" / name
    with pytest.raises(JobError, match=f"{data}, line 1: clip 'section_00_0000.wav' is not in"):
        read_truth(folder)
    domain.unlink()
    with pytest.raises(JobError, match="no file for fan section 00"):
        read_truth(folder)
    data.write_text("section_00_0000.wav,normal\n")
    domain.write_text("section_00_0000.wav,0\n")
    with pytest.raises(JobError, match="line 1: clip '.*': 'normal' is neither 0 nor 1"):
        read_truth(folder)


def test_no_ground_truth(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        read_truth(tmp_path / "absent")
    with pytest.raises(UsageError, match="no ground truth in it"):
        read_truth(tmp_path)


def _whole_names(folder: Path, text: str) -> Path:
    path = folder / "ground_truth_attributes" / "ground_truth_ToyCar_section_00_test.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


WHOLE_NAMES = (
    "section_00_0000.wav,section_00_target_test_anomaly_0012_car_C1_speed_6\n"
    "section_00_0001.wav,section_00_source_test_normal_0003_noAttributes\n"
)


def test_whole_names_as_published_from_2023_on_tell_labels_and_domains(tmp_path: Path) -> None:
    _whole_names(tmp_path, WHOLE_NAMES)
    first, second = "section_00_0000.wav", "section_00_0001.wav"
    expected = Truth(
        "ToyCar", "00", {first: True, second: False}, {first: "target", second: "source"}
    )
    assert read_truth(tmp_path) == {("ToyCar", "00"): expected}
    # Beside the labels they tell what ground_truth_domain would.
    data = tmp_path / "ground_truth_data"
    data.mkdir()
    (data / "ground_truth_ToyCar_section_00_test.csv").write_text(f"{first},1\n{second},0\n")
    assert read_truth(tmp_path) == {("ToyCar", "00"): expected}
    domain = tmp_path / "ground_truth_domain"
    domain.mkdir()
    (domain / "ground_truth_ToyCar_section_00_test.csv").write_text(f"{first},0\n{second},0\n")
    assert set(read_truth(tmp_path)["ToyCar", "00"].domains.values()) == {"source"}


def test_a_row_that_is_no_whole_name_is_told(tmp_path: Path) -> None:
    path = _whole_names(tmp_path, WHOLE_NAMES + "section_00_0002.wav,1\n")
    with pytest.raises(JobError, match=f"{path}, line 3: not <clip>,section_NN"):
        read_truth(tmp_path)

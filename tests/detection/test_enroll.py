"""Enrolling: what joins a bank, what follows from it, and taking it back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from asd.detection import Detector
from asd.detection.enrolment import Enrolled, choose_section, enroll, load_banks
from asd.detection.layout import Layout
from asd.detection.recording import read_recording
from asd.detection.versions import undo, versions
from asd.errors import JobError, UsageError
from asd.scoring.bank import read_bank
from asd.scoring.thresholds import find_threshold

ODD = "raw/pump/id_00/test/anomaly/00_11.wav"
OTHER = "raw/pump/id_00/test/anomaly/00_12.wav"


def enrolled(root: Path, *files: str, section: str = "00") -> list[Enrolled]:
    layout = Layout.find(root, "pump")
    pairs = load_banks(layout)
    embedder = pairs["both"][1]
    limits = Detector.load(root, "pump").limits
    recordings = [read_recording(root / file, embedder.signal, limits) for file in files]
    return enroll(layout, pairs, recordings, section, "target")


def banks(root: Path) -> dict[str, bytes]:
    return {model: bank(root, model).read_bytes() for model in ("both", "mel")}


def bank(root: Path, model: str = "both") -> Path:
    return Layout.find(root, "pump").bank(model)


def test_an_enrolled_clip_is_normal(tiny: Path) -> None:
    before = Detector.load(tiny, "pump")
    old = read_bank(bank(tiny))
    results = enrolled(tiny, ODD)
    after = Detector.load(tiny, "pump")
    assert before.score([tiny / ODD], "00") > 1e-3
    assert after.score([tiny / ODD], "00") < 1e-6  # the distance of an embedding to itself
    assert after.nearest([tiny / ODD], "00") == ["00_11.wav"]
    assert [one.model for one in results] == ["both", "mel"]
    assert results[0].thresholds["cosine"] == (
        before.thresholds["00"].value,
        after.thresholds["00"].value,
    )
    own = after.fitted.training_scores()[np.array(after.bank.section) == "00"]
    assert after.thresholds["00"] == find_threshold("quantile", own, 0.2)
    assert after.thresholds["02"] == before.thresholds["02"]
    assert after.bank.classes[-1] == old.classes[old.section.index("00")]
    assert after.bank.domain[-1] == "target"
    for name, values in old.arrays.items():
        np.testing.assert_array_equal(after.bank.arrays[name][:-1], values)


def test_the_same_enrolment_gives_the_same_bytes_and_undo_the_first_ones(
    tiny: Path, tiny_template: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(tiny_template, twin)
    first = banks(tiny)
    states = [first]
    for file in (ODD, OTHER):
        enrolled(tiny, file)
        enrolled(twin, file)
        assert banks(tiny) == banks(twin)
        states.append(banks(tiny))
    assert len({state["both"] for state in states}) == 3
    assert [one.clips for one in versions(bank(tiny))] == [18, 19, 20]
    for number in (2, 1):
        for model in ("both", "mel"):
            taken = undo(bank(tiny, model))
            assert taken is not None
            assert taken.number == number
        assert banks(tiny) == states[number - 1]
    assert undo(bank(tiny)) is None
    assert banks(tiny) == first


def test_what_is_there_already_adds_nothing(tiny: Path) -> None:
    first = banks(tiny)
    results = enrolled(tiny, "raw/pump/id_00/train/00_05.wav")
    assert [one.added for one in results] == [(), ()]
    assert banks(tiny) == first
    assert enrolled(tiny, ODD, ODD)[0].added == ("00_11.wav",)
    assert enrolled(tiny, ODD)[0].version == 1


def test_an_interrupted_enrolment_is_made_up_for(tiny: Path) -> None:
    """A kill between two banks, or between keeping a version and writing the next."""
    first = banks(tiny)
    enrolled(tiny, ODD)
    whole = banks(tiny)
    bank(tiny, "mel").write_bytes(first["mel"])
    enrolled(tiny, ODD)
    assert banks(tiny) == whole


def test_a_bank_made_again_forgets_its_versions(tiny: Path) -> None:
    first = bank(tiny).read_bytes()
    enrolled(tiny, ODD)
    enrolled(tiny, OTHER)
    bank(tiny).write_bytes(first)  # as asd embed does
    assert [one.number for one in versions(bank(tiny))] == [0]
    assert undo(bank(tiny)) is None
    enrolled(tiny, OTHER)
    kept = sorted(path.name for path in (bank(tiny).parent / "versions").iterdir())
    assert kept == ["0000.h5"]
    undo(bank(tiny))
    assert bank(tiny).read_bytes() == first


def test_a_lost_version_is_said(tiny: Path) -> None:
    enrolled(tiny, ODD)
    (bank(tiny).parent / "versions" / "0000.h5").unlink()
    with pytest.raises(JobError, match="missing"):
        undo(bank(tiny))


def test_names_stay_apart(tiny: Path) -> None:
    shutil.copy(tiny / ODD, tiny / "00_05.wav")
    results = enrolled(tiny, "00_05.wav")
    (name,) = results[0].added
    assert name.startswith("00_05_")
    assert name.endswith(".wav")
    assert Detector.load(tiny, "pump").nearest([tiny / ODD], "00") == [name]


def test_sections(tiny_template: Path) -> None:
    whole = read_bank(bank(tiny_template))
    with pytest.raises(UsageError, match="00, 02.*--section"):
        choose_section(whole, None)
    with pytest.raises(UsageError, match="unknown section '07'"):
        choose_section(whole, "07")
    assert choose_section(whole, "02") == "02"


def test_no_bank(tiny: Path) -> None:
    shutil.rmtree(tiny / "data" / "banks")
    with pytest.raises(UsageError, match="asd embed"):
        load_banks(Layout.find(tiny, "pump"))

"""Known faults and the working point: what is kept, what a detector says of it, what it decides."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from asd.detection import Detector
from asd.detection.feedback import (
    forget_faults,
    found_of_known_faults,
    learn_faults,
    library,
    listed_recording,
)
from asd.detection.recording import read_recording
from asd.detection.working_point import (
    WorkingPointRequest,
    at_rate,
    rate_finding,
    reset_working_point,
    set_working_point,
)
from asd.errors import JobError, UsageError
from asd.scoring.thresholds import find_threshold
from asd.workspace import Workspace

ODD = "raw/pump/id_00/test/anomaly/00_11.wav"
OTHER = "raw/pump/id_00/test/anomaly/00_12.wav"
NORMAL = "raw/pump/id_00/test/normal/00_09.wav"
TRAINED = "raw/pump/id_00/train/00_03.wav"


def read(detector, *files):
    root = detector.workspace.root
    return [read_recording(root / file, detector.signal, detector.limits) for file in files]


def learned(root, *files):
    detector = Detector(root, "pump")
    learn_faults(detector, read(detector, *files), "00")
    return detector


def test_a_fault_is_kept_as_sound_and_scored_as_its_recording(tiny):
    detector = learned(tiny, ODD)
    (said,) = detector.predictions([tiny / ODD], "00")
    (fault,) = detector.faults
    assert (fault.name, fault.section, fault.windows) == ("00_11.wav", "00", 1)
    assert (fault.score, fault.threshold, fault.found) == (said.score, said.threshold, True)
    (kept,) = library(Workspace.at(tiny), "pump")
    sound, _ = soundfile.read(tiny / "data/faults/pump" / kept.file, dtype="int16")
    np.testing.assert_array_equal(sound, read(detector, ODD)[0].samples)
    assert found_of_known_faults(Workspace.at(tiny), "pump") == (["00_11.wav"], [])
    # Every system scores it, also those over another model.
    assert found_of_known_faults(Workspace.at(tiny), "pump", "spread") == (["00_11.wav"], [])


def test_a_fault_is_named_where_it_is_nearer_than_all_normal_sound(tiny):
    detector = learned(tiny, ODD)
    own, other, normal = detector.predictions([tiny / ODD, tiny / OTHER, tiny / NORMAL], "00")
    assert (own.fault, other.fault, normal.fault) == ("00_11.wav", "00_11.wav", "")
    # It changes no score, and knows nothing of the other section.
    plain = Detector(tiny, "pump")
    shutil.rmtree(tiny / "data/faults")
    assert [one.score for one in Detector(tiny, "pump").predictions([tiny / OTHER], "00")] == [
        other.score
    ]
    assert plain.predictions([tiny / ODD], "02")[0].fault == ""


def test_the_library_grows_shrinks_and_keeps_each_once(tiny):
    detector = learned(tiny, ODD)
    assert [one.name for one in learn_faults(detector, read(detector, ODD, OTHER), "00")] == [
        "00_12.wav"
    ]
    workspace = Workspace.at(tiny)
    kept = library(workspace, "pump")
    assert [one.name for one in kept] == ["00_11.wav", "00_12.wav"]
    assert [one.name for one in forget_faults(workspace, "pump", [kept[0].content])] == [
        "00_11.wav"
    ]
    assert library(workspace, "pump") == kept[1:]
    assert {path.name for path in (tiny / "data/faults/pump").iterdir()} == {
        kept[1].file,
        "record.json",
    }
    assert forget_faults(workspace, "pump", ["0" * 64]) == []


def test_normal_sound_is_no_fault(tiny):
    with pytest.raises(UsageError, match=r"00_03\.wav: is among the normal clips of pump"):
        learned(tiny, TRAINED)
    detector = Detector(tiny, "pump")
    detector.enroll([tiny / ODD], "00", force=True)
    with pytest.raises(UsageError, match="--undo"):
        learned(tiny, ODD)
    assert library(Workspace.at(tiny), "pump") == ()


def test_of_a_long_recording_the_minute_with_the_fault_is_kept(tiny):
    """It is decided by the threshold of the whole recording, of which it is the loudest minute."""
    normal, rate = soundfile.read(tiny / NORMAL, dtype="int16")
    odd, _ = soundfile.read(tiny / ODD, dtype="int16")
    waves = [normal] * 200
    waves[150] = odd
    soundfile.write(tiny / "long.flac", np.concatenate(waves), rate)
    detector = learned(tiny, "long.flac")
    (said,) = detector.predictions([tiny / "long.flac"], "00")
    (fault,) = detector.faults
    assert fault.windows == said.windows == 200
    assert (fault.score, fault.threshold) == (said.score, said.threshold)
    (kept,) = library(Workspace.at(tiny), "pump")
    sound, _ = soundfile.read(tiny / "data/faults/pump" / kept.file, dtype="int16")
    assert len(sound) == 60 * rate // 4096 * 4096


def test_a_fault_outlives_the_detectors(tiny):
    """The library is of sound: what is enrolled or set since, it is scored by."""
    before = learned(tiny, OTHER).faults[0]
    detector = Detector(tiny, "pump")
    detector.enroll([tiny / ODD], "00", force=True)
    (after,) = detector.faults
    assert after.score < before.score
    assert after.score == detector.score([tiny / OTHER], "00")[0]


def test_a_damaged_library_is_said(tiny):
    detector = learned(tiny, ODD)
    (path,) = (tiny / "data/faults/pump").glob("*.flac")
    path.write_bytes(path.read_bytes()[:-10])
    detector.reload()
    with pytest.raises(JobError, match=r"flac: is not what was written.*asd feedback"):
        detector.predictions([tiny / ODD], "00")


def test_the_working_point_decides_without_scoring(tiny):
    detector = Detector(tiny, "pump")
    workspace, before = Workspace.at(tiny), detector.thresholds["00"].value
    own = detector.calibrations["00"].scores
    set_working_point(workspace, WorkingPointRequest(machine="pump", system="cosine", rate=0.4))
    detector.reload()
    expected = find_threshold("quantile", own, 0.4).value
    assert detector.thresholds["00"].value == expected < before
    assert detector.predictions([tiny / ODD], "00")[0].threshold == expected
    assert Detector(tiny, "pump", "spread").calibrations["00"].rate == 0.2
    # Enrolling keeps it, and scoring does not read it.
    detector.enroll([tiny / NORMAL], "00", force=True)
    assert detector.calibrations["00"].rate == 0.4
    reset_working_point(workspace, "pump", "cosine")
    detector.reload()
    assert detector.calibrations["00"].rate == 0.2


def test_the_lowest_rate_that_finds_all_faults(tiny):
    detector = learned(tiny, ODD, OTHER)
    deciding, faults = detector.calibrations, detector.faults
    rate = rate_finding(deciding, faults)
    # Both lie above all 9 normal clips: 1 / 10 is the least that these tell of.
    assert rate == 0.1
    low = float(np.quantile(deciding["00"].scores, 0.7))
    quiet = [replace(one, score=low) for one in faults[:1]]
    found = rate_finding(deciding, quiet)
    assert low > at_rate(deciding, found)["00"].threshold().value
    assert not low > at_rate(deciding, 0.98 * found)["00"].threshold().value
    hopeless = [replace(one, score=-1.0) for one in faults]
    with pytest.raises(JobError) as refused:
        rate_finding(deciding, hopeless)
    assert len(str(refused.value).splitlines()) == 2
    assert "as half of the normal recordings do" in str(refused.value)


def test_a_listed_recording_is_found_as_the_index_names_it(tiny):
    workspace = Workspace.at(tiny)
    expected = tiny / ODD, "00"
    for name in ("00_11.wav", "id_00/test/anomaly/00_11.wav", str(tiny / ODD)):
        assert listed_recording(workspace, "pump", name) == expected
    (tiny / "new.wav").write_bytes(b"")
    assert listed_recording(workspace, "pump", str(tiny / "new.wav#t=2.5")) == (
        tiny / "new.wav#t=2.5",
        None,
    )
    with pytest.raises(UsageError, match=r"gone\.wav: no such recording here, in .*raw"):
        listed_recording(workspace, "pump", "gone.wav")

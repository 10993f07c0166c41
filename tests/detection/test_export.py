"""A detector as one file: it does elsewhere what it does in its workspace."""

import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from asd.artifact import read_record
from asd.detection import Detector
from asd.detection import export as exporting
from asd.detection.export import export
from asd.detection.feedback import learn_faults
from asd.detection.recording import read_recording
from asd.detection.working_point import WorkingPointRequest, set_working_point
from asd.errors import JobError, UsageError
from asd.workspace import Workspace

ODD = "raw/pump/id_00/test/anomaly/00_11.wav"
OTHER = "raw/pump/id_00/test/anomaly/00_12.wav"
NORMAL = "raw/pump/id_00/test/normal/00_09.wav"


def exported(root, system=None, **more):
    path = root / "pump.asd"
    export(Detector(root, "pump", system), path, **more)
    return path


def moved(path, tmp_path):
    """Return the file in a folder of its own, its workspace gone."""
    place = tmp_path / "elsewhere" / path.name
    place.parent.mkdir()
    shutil.move(path, place)
    shutil.rmtree(path.parent / "data")
    return place


@pytest.mark.parametrize("system", ["posterior", "cosine", "spread"])
def test_it_predicts_the_same_anywhere(tiny, tmp_path, system):
    """With what was enrolled, learned and set."""
    detector = Detector(tiny, "pump", system)
    detector.enroll([tiny / ODD], "00", force=True)
    learn_faults(detector, [read_recording(tiny / OTHER, detector.signal, detector.limits)], "00")
    point = WorkingPointRequest(machine="pump", system=system, rate=0.35)
    set_working_point(Workspace.at(tiny), point)
    detector.reload()
    sounds = [tiny / one for one in (ODD, OTHER, NORMAL)]
    expected = detector.predictions(sounds)
    path = moved(exported(tiny, system), tmp_path)
    found = Detector.load(path)
    assert (found.machine, found.system) == ("pump", system)
    strip = [{**vars(one), "reason": ""} for one in found.predictions(sounds)]
    assert strip == [{**vars(one), "reason": ""} for one in expected]
    assert [one.name for one in found.faults] == ["00_12.wav"]
    assert found.calibrations["00"].rate == 0.35


def test_it_explains_with_the_sound_it_has(tiny, tmp_path):
    """All training clips fit into it here, so the nearest is the one of the workspace."""
    detector = Detector(tiny, "pump")
    expected = detector.explain(tiny / ODD, "00")
    path = exported(tiny)
    reason = detector.predictions([tiny / ODD], "00")[0].reason
    copy = moved(path, tmp_path)
    found = Detector.load(copy).explain(tiny / ODD, "00")
    assert (found.nearest, found.passed_over) == (expected.nearest, 0)
    np.testing.assert_array_equal(found.drops, expected.drops)
    assert Detector.load(copy).predictions([tiny / ODD], "00")[0].reason == reason


def test_few_sounds_span_the_others_and_none_is_said(tiny):
    path = exported(tiny, sounds=2)
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
    assert sum(name.endswith(".flac") for name in names) == 4  # two of each section
    found = Detector.load(path)
    nearest = found.bank.clips.name.index(found.explain(tiny / ODD, "00").nearest)
    assert found.bank.clips.content[nearest] in found.kept_sounds
    path = exported(tiny, sounds=0)
    with pytest.raises(JobError, match="no recording of a training clip"):
        Detector.load(path).explain(tiny / ODD, "00")


def test_it_holds_no_pickle_and_the_same_bytes(tiny, tmp_path):
    path = exported(tiny)
    again = tmp_path / "again.asd"
    export(Detector(tiny, "pump"), again)
    assert path.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(path) as file:
        suffixes = {Path(name).suffix for name in file.namelist()}
        assert suffixes == {".json", ".h5", ".safetensors", ".flac", ".yaml"}
        file.extractall(tmp_path / "there")
    record = read_record(tmp_path / "there" / "record.json").check()
    assert (record.kind, record.verb) == ("exported detector", "export")


def test_it_is_checked_before_it_is_there(tiny, monkeypatch):
    detector = Detector(tiny, "pump")
    predictions = Detector.predictions
    monkeypatch.setattr(
        Detector,
        "predictions",
        lambda self, waves: predictions(
            self, [(one * 0.5).astype(one.dtype) for one in waves] if self._file else waves
        ),
    )
    with pytest.raises(JobError, match=r"says otherwise: .*nothing is written"):
        export(detector, tiny / "pump.asd")
    assert not (tiny / "pump.asd").exists()


def test_damage_and_other_files_are_said(tiny, tmp_path):
    path = exported(tiny)
    whole = path.read_bytes()
    for place in (len(whole) // 3, len(whole) // 2):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(JobError, match=r"pump\.asd: "):
            Detector.load(path).explain(tiny / ODD, "00")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JobError, match="no whole exported detector"):
        Detector.load(path)
    with pytest.raises(JobError, match="no whole exported detector"):
        Detector.load(tiny / NORMAL)
    with pytest.raises(UsageError, match="no such exported detector"):
        Detector.load(tiny / "gone.asd")


def test_it_is_of_one_machine_and_system_and_stays_as_it_is(tiny):
    path = exported(tiny)
    with pytest.raises(UsageError, match="unknown machine 'fan'"):
        Detector(path, "fan")
    with pytest.raises(UsageError, match="unknown system 'spread'; known: cosine"):
        Detector(path, system="spread")
    found = Detector(path, "pump", "cosine")
    assert str(path) in repr(found)
    with pytest.raises(UsageError, match="stays as it is: enroll in its workspace"):
        found.enroll([tiny / NORMAL], "00")
    stamp = found.stamp()
    assert stamp == Detector(path).stamp()
    path.touch()
    assert found.stamp() != stamp


def test_a_pickled_one_works_in_another_process(tiny):
    """What it was unpacked to is gone there; the file is not."""
    path = exported(tiny)
    code = (
        "import pickle, sys; detector = pickle.loads(sys.stdin.buffer.read());"
        f"odd = {str(tiny / ODD)!r};"
        "print(detector.score([odd], '00')[0], detector.explain(odd, '00').nearest)"
    )
    found = Detector(path)
    sent = pickle.dumps(found)
    exporting._opened.cache_clear()
    shutil.rmtree(found.workspace.root)
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=sent,
        capture_output=True,
        check=True,
        env={"PYTHONPATH": root},
    )
    score, nearest = done.stdout.decode().split()
    assert float(score) == pytest.approx(found.score([tiny / ODD], "00")[0], rel=1e-5)
    assert nearest == found.nearest([tiny / ODD], "00")[0]

"""Enrolling: what detectors then know, what follows from it, and taking it back."""

import contextlib
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from asd import artifact
from asd.artifact import read_record
from asd.cli import cli
from asd.detection import Detector, enroll
from asd.detection.enroll import (
    Enrolment,
    EnrolmentRequest,
    choose_section,
    current_detector,
    undo,
    versions,
)
from asd.detection.recording import read_recording
from asd.errors import JobError, UsageError
from asd.scoring.thresholds import find_threshold
from asd.workspace import Workspace
from tests.made import replace_in, tree

ODD = "raw/pump/id_00/test/anomaly/00_11.wav"
OTHER = "raw/pump/id_00/test/anomaly/00_12.wav"
SYSTEMS = ("cosine", "posterior", "spread")


def enrolment_of(root):
    return Enrolment(Workspace.at(root), "pump")


def read(root, *files):
    detector = Detector.load(root, "pump")
    return [read_recording(root / file, detector.signal, detector.limits) for file in files]


def enrolled(root, *files, section="00"):
    return enrolment_of(root).enroll(read(root, *files), section, "target", force=True)


def state(root):
    found = tree(root / "data" / "enrolled")
    return {name: data for name, data in found.items() if not name.endswith(".lock")}


def known(root):
    """Return how many clips the detector of each system knows."""
    workspace = Workspace.at(root)
    return {
        system: len(current_detector(workspace, "pump", system).fitted.bank) for system in SYSTEMS
    }


def listed(root, model="both"):
    return [(one.number, one.clips) for one in versions(Workspace.at(root), "pump")[model]]


def score_anew(root, rate):
    """Score with another false-alarm rate."""
    path = root / "pipeline" / "params.yaml"
    kept, _, _ = path.read_text().partition("score: ")
    rule = f"domains: as_found, threshold: quantile, false_alarm_rate: {rate}"
    path.write_text(f"{kept}score: {{{rule}}}\n")
    with contextlib.chdir(root):
        cli.main(["-q", "score"], standalone_mode=False)


def test_an_enrolled_clip_is_normal(tiny):
    before = Detector.load(tiny, "pump")
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
    own = after.fitted.training_scores()[np.array(after.bank.clips.section) == "00"]
    assert after.thresholds["00"] == find_threshold("quantile", own, 0.2)
    assert after.thresholds["02"] == before.thresholds["02"]
    old = before.bank
    assert after.bank.classes[-1] == old.classes[old.clips.section.index("00")]
    assert after.bank.clips.domain[-1] == "target"
    assert after.bank.clips.label[-1] == "normal"
    for name, values in old.arrays.items():
        np.testing.assert_array_equal(after.bank.arrays[name][:-1], values)
    assert after.bank.unlearned[-1]


def test_banks_scores_and_models_stay_as_they_are(tiny):
    folders = ("banks", "scores", "models")
    before = [tree(tiny / "data" / name) for name in folders]
    enrolled(tiny, ODD)
    undo(Workspace.at(tiny), "pump")
    assert [tree(tiny / "data" / name) for name in folders] == before


def test_the_same_enrolment_gives_the_same_bytes_and_undo_the_first_ones(
    tiny, tiny_template, tmp_path
):
    twin = tmp_path / "twin"
    shutil.copytree(tiny_template, twin)
    states = [state(tiny)]
    assert states == [{}]
    for file in (ODD, OTHER):
        enrolled(tiny, file)
        enrolled(twin, file)
        assert state(tiny) == state(twin)
        states.append(state(tiny))
    assert sorted(states[2]) == [
        f"pump/{number:04d}/{name}"
        for number in (1, 2)
        for name in ("cosine.h5", "posterior.h5", "record.json", "spread.h5")
    ]
    assert listed(tiny) == listed(tiny, "mel") == [(0, 18), (1, 19), (2, 20)]
    workspace = Workspace.at(tiny)
    for number, name in ((2, "00_12.wav"), (1, "00_11.wav")):
        taken = undo(workspace, "pump")
        assert {model: (one.number, one.added) for model, one in taken.items()} == {
            "both": (number, (name,)),
            "mel": (number, (name,)),
        }
        assert state(tiny) == states[number - 1]
        assert known(tiny) == dict.fromkeys(SYSTEMS, 17 + number)
    assert undo(workspace, "pump") == {}
    assert state(tiny) == {}


def test_two_enrolments_follow_each_other(tiny):
    """The second is made from the first, and its record says so."""
    enrolled(tiny, ODD)
    enrolled(tiny, OTHER)
    folder = Workspace.at(tiny).enrolled("pump")
    first, second = (
        read_record(folder / f"{number:04d}" / "record.json", EnrolmentRequest) for number in (1, 2)
    )
    assert (first.request["before"], second.request["before"]) == ("", first.digest)
    assert first.request["scores"] == second.request["scores"]
    assert set(second.request["scores"]) == set(SYSTEMS)
    assert first.request["recordings"] == [read(tiny, ODD)[0].digest]
    second.check()
    detector = Detector.load(tiny, "pump")
    assert detector.bank.clips.name[-2:] == ("00_11.wav", "00_12.wav")
    assert detector.nearest([tiny / ODD, tiny / OTHER], "00") == ["00_11.wav", "00_12.wav"]


def test_what_is_there_already_adds_nothing(tiny):
    results = enrolled(tiny, "raw/pump/id_00/train/00_05.wav")
    assert [one.added for one in results] == [(), ()]
    assert [one.version for one in results] == [0, 0]
    assert state(tiny) == {}
    assert enrolled(tiny, ODD, ODD)[0].added == ("00_11.wav",)
    whole = state(tiny)
    again = enrolled(tiny, ODD)[0]
    assert (again.version, again.added, again.clips) == (1, (), 19)
    assert state(tiny) == whole


@pytest.mark.parametrize("fails", ["write_scored", "write_record"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_failing_write_leaves_everything_as_it_was(tiny, monkeypatch, fails, after):
    """All systems or none: with nothing enrolled, and on top of an enrolment."""
    if after:
        enrolled(tiny, OTHER)
    before, clips = state(tiny), known(tiny)
    place = enroll if fails == "write_scored" else artifact
    whole = getattr(place, fails)
    written = []

    def full(*given, **more):
        written.append(given)
        if len(written) == (3 if fails == "write_scored" else 1):
            raise OSError(28, "No space left on device")
        return whole(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(place, fails, full)
        with pytest.raises(JobError, match=f"{1 + after:04d}: cannot be written: No space left"):
            enrolled(tiny, ODD)
    assert state(tiny) == before
    assert known(tiny) == clips
    enrolled(tiny, ODD)
    assert known(tiny) == dict.fromkeys(SYSTEMS, 19 + after)


@pytest.mark.parametrize("after", [0, 1])
def test_a_kill_before_the_rename_leaves_everything_as_it_was(tiny, monkeypatch, killed_at, after):
    """At whatever step a process is killed, the enrolment is there for all systems or for none."""
    if after:
        enrolled(tiny, OTHER)
    before, clips = state(tiny), known(tiny)
    work = []
    enrolment, write = enrolment_of(tiny), Enrolment._write
    with monkeypatch.context() as patch:
        # Networks are not run in a forked process: what is killed is the writing alone.
        patch.setattr(Enrolment, "_write", lambda *given: work.append(lambda: write(*given)))
        enrolment.enroll(read(tiny, ODD), "00", "target", force=True)
    (write_all,) = work
    kills = []
    events = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")
    while killed_at(len(kills), events, write_all):
        there = {name for name in state(tiny) if "/." not in name}
        new = there - set(before)
        kills.append(bool(new))
        if not new:
            assert there == set(before)
            assert known(tiny) == clips
        else:
            assert len(new) == 4
            assert known(tiny) == dict.fromkeys(SYSTEMS, 19 + after)
            shutil.rmtree(tiny / f"data/enrolled/pump/{1 + after:04d}")
    assert kills.count(False) > 8
    assert known(tiny) == dict.fromkeys(SYSTEMS, 19 + after)
    assert not [name for name in state(tiny) if "/." in name]


def test_a_kill_in_the_middle_of_undo_takes_it_back_whole(tiny, killed_at):
    enrolled(tiny, ODD)
    whole, workspace = state(tiny), Workspace.at(tiny)
    steps = 0
    while killed_at(steps, ("os.rename", "os.remove", "os.rmdir"), lambda: undo(workspace, "pump")):
        there = {name for name in state(tiny) if "/." not in name}
        assert there == (set(whole) if steps == 0 else set())
        assert known(tiny) == dict.fromkeys(SYSTEMS, 18 + bool(there))
        if not there:
            enrolled(tiny, ODD)
        steps += 1
    assert steps > 3
    assert state(tiny) == {}


def test_scores_made_anew_make_enrolments_void(tiny, capsys):
    enrolled(tiny, ODD)
    enrolled(tiny, OTHER)
    whole = state(tiny)
    score_anew(tiny, 0.1)
    capsys.readouterr()
    assert known(tiny) == dict.fromkeys(SYSTEMS, 18)
    said = capsys.readouterr().err
    assert "pump: scored anew since recordings were enrolled; enroll them again" in said
    assert listed(tiny) == [(0, 18)]
    # The very scores of before: they count again.
    score_anew(tiny, 0.2)
    assert known(tiny) == dict.fromkeys(SYSTEMS, 20)
    assert state(tiny) == whole
    score_anew(tiny, 0.1)
    result = enrolled(tiny, OTHER)[0]
    assert (result.version, result.added) == (1, ("00_12.wav",))
    assert {name.split("/")[1] for name in state(tiny)} == {"0001"}
    assert listed(tiny) == [(0, 18), (1, 19)]
    score_anew(tiny, 0.2)
    assert undo(Workspace.at(tiny), "pump") == {}  # none of it counts: it is forgotten
    assert state(tiny) == {}


def test_a_single_system_scored_anew_is_enrolled_again(tiny, capsys):
    """As after a kill between systems: what the others know already joins where it is missing."""
    enrolled(tiny, ODD)
    shutil.rmtree(tiny / "data" / "scores" / "spread")
    path = tiny / "pipeline" / "params.yaml"
    text = path.read_text()
    path.write_text(text.replace("distance: standardised, k: 2", "distance: standardised, k: 3"))
    with contextlib.chdir(tiny):
        cli.main(["-q", "score", "--system", "spread"], standalone_mode=False)
    assert known(tiny) == {"cosine": 19, "posterior": 19, "spread": 18}
    results = {one.model: one for one in enrolled(tiny, ODD)}
    assert results["mel"].added == ("00_11.wav",)
    assert results["both"].added == ()
    assert known(tiny) == dict.fromkeys(SYSTEMS, 19)


def test_a_damaged_enrolment_is_said_and_can_be_taken_back(tiny):
    enrolled(tiny, OTHER)
    first = state(tiny)
    enrolled(tiny, ODD)
    folder = tiny / "data" / "enrolled" / "pump" / "0002"
    whole = (folder / "cosine.h5").read_bytes()
    (folder / "cosine.h5").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(JobError, match=r"cosine\.h5: is not what was written.*asd enroll"):
        Detector.load(tiny, "pump")
    (folder / "cosine.h5").unlink()
    with pytest.raises(JobError, match=r"cosine\.h5: lost.*asd enroll"):
        Detector.load(tiny, "pump")
    (folder / "record.json").write_text("{}")
    with pytest.raises(JobError, match="not a readable enrolment record.*asd enroll"):
        Detector.load(tiny, "pump")
    with contextlib.chdir(tiny):
        cli.main(["-q", "enroll", "--undo"], standalone_mode=False)
    assert state(tiny) == first
    assert known(tiny) == dict.fromkeys(SYSTEMS, 19)


def test_names_stay_apart(tiny):
    shutil.copy(tiny / ODD, tiny / "00_05.wav")
    results = enrolled(tiny, "00_05.wav")
    (name,) = results[0].added
    assert name == "project_00_05.wav"
    assert Detector.load(tiny, "pump").nearest([tiny / ODD], "00") == [name]


def test_a_recording_of_two_sections_has_two_names(tiny):
    enrolled(tiny, ODD)
    (name,) = enrolled(tiny, ODD, section="02")[0].added
    assert name == "anomaly_00_11.wav"
    assert Detector.load(tiny, "pump").nearest([tiny / ODD], "02") == [name]


def test_recordings_of_one_file_name_stay_apart(tiny):
    for folder, file in (("one", ODD), ("other", OTHER)):
        (tiny / folder).mkdir()
        shutil.copy(tiny / file, tiny / folder / "new.wav")
    added = enrolled(tiny, "one/new.wav", "other/new.wav")[0].added
    assert added == ("new.wav", "other_new.wav")
    detector = Detector.load(tiny, "pump")
    assert detector.bank.clips.recording[-2:] == added
    assert detector.nearest([tiny / ODD, tiny / OTHER], "00") == list(added)


def test_what_alarms_is_refused_as_a_whole(tiny):
    """The score and threshold are those that predict gives."""
    normal = "raw/pump/id_00/test/normal/00_09.wav"
    detector = Detector.load(tiny, "pump")
    (said,) = detector.predictions([tiny / ODD], "00")
    with pytest.raises(JobError) as refused:
        enrolment_of(tiny).enroll(read(tiny, normal, ODD), "00")
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{tiny / ODD}: sounds anomalous (score {said.score:.4f}, ")
    assert f"threshold {said.threshold:.4f} of system cosine), so nothing is enrolled" in line
    assert state(tiny) == {}
    enrolment_of(tiny).enroll(read(tiny, normal), "00")
    assert known(tiny) == dict.fromkeys(SYSTEMS, 19)


def test_one_window_of_a_recording_is_enrolled(tiny):
    waves = [soundfile.read(tiny / file)[0] for file in (ODD, OTHER, ODD)]
    soundfile.write(tiny / "long.wav", np.concatenate(waves), 8000, "PCM_16")
    (added,) = enrolled(tiny, "long.wav#t=0.512")[0].added
    assert added == "long.wav#t=0.512"
    detector = Detector.load(tiny, "pump")
    assert detector.nearest([tiny / OTHER, tiny / "long.wav#t=0.512"], "00") == [added, added]
    whole = enrolled(tiny, "long.wav")[0].added
    assert whole == ("long.wav#t=0", "long.wav#t=1.024")[: len(whole)]
    with pytest.raises(JobError, match=r"long\.wav#t=9: the recording ends at 1\.536 s"):
        read(tiny, "long.wav#t=9")


def test_windows_of_a_long_recording_are_named_after_it(tiny):
    waves = [soundfile.read(tiny / file)[0] for file in (ODD, OTHER)]
    for folder in ("one", "other"):
        (tiny / folder).mkdir()
        soundfile.write(tiny / folder / "long.wav", np.concatenate(waves), 8000, "PCM_16")
        waves.reverse()
    added = enrolled(tiny, "one/long.wav", "other/long.wav")[0].added
    clips = Detector.load(tiny, "pump").bank.clips
    first, second = dict.fromkeys(clips.recording[-4:])
    assert (first, second) == ("long.wav", "other_long.wav")
    assert clips.recording[-4:] == (first, first, second, second)
    assert added == clips.name[-4:]
    assert added == (f"{first}#t=0", f"{first}#t=0.512", f"{second}#t=0", f"{second}#t=0.512")
    assert clips.start[-4:].tolist() == [0, 4096, 0, 4096]
    assert len(set(clips.content[-4:])) == 4
    # Left out together, they do not stand for each other.
    assert Detector.load(tiny, "pump").nearest([tiny / ODD], "00") in (
        [f"{first}#t=0"],
        [f"{second}#t=0.512"],
    )


def test_sections(tiny_template):
    sections = enrolment_of(tiny_template).sections
    assert sections == ("00", "02")
    with pytest.raises(UsageError, match=r"00, 02.*--section"):
        choose_section(sections, None)
    with pytest.raises(UsageError, match="unknown section '07'"):
        choose_section(sections, "07")
    assert choose_section(sections, "02") == "02"
    assert choose_section(("02",), None) == "02"


def test_nothing_scored(tiny):
    shutil.rmtree(tiny / "data" / "scores")
    for use in (enrolment_of, lambda root: versions(Workspace.at(root), "pump")):
        with pytest.raises(UsageError, match="nothing is scored yet.*asd score"):
            use(tiny)
    assert undo(Workspace.at(tiny), "pump") == {}


def test_refuses_detectors_of_other_params(tiny):
    path = tiny / "pipeline" / "params.yaml"
    replace_in(path, "false_alarm_rate: 0.2", "false_alarm_rate: 0.1")
    with pytest.raises(UsageError, match="scored with other settings"):
        enrolment_of(tiny)


def test_two_at_once_are_both_enrolled(tiny):
    """Each was loaded before the other wrote; the second learns of the first."""
    workspace = Workspace.at(tiny)
    first, second = Enrolment(workspace, "pump"), Enrolment(workspace, "pump")
    sounds = read(tiny, ODD, OTHER)
    with ThreadPoolExecutor(2) as pool:
        done = [
            pool.submit(one.enroll, [sound], "00", force=True)
            for one, sound in zip((first, second), sounds, strict=True)
        ]
        numbers = {one.result()[0].version for one in done}
    assert numbers == {1, 2}
    assert [len(version.added) for version in versions(workspace, "pump")["both"]] == [0, 1, 1]
    for sound in sounds:
        assert Detector(tiny, "pump").score([sound], "00") < 1e-6

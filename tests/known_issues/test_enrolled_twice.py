"""A recording that was named twice without --force ended in an error of zip()."""

from asd.detection import Detector


def test_a_recording_named_twice_is_enrolled_once(tiny):
    normal = tiny / "raw/pump/id_00/test/normal/00_09.wav"
    found = Detector(tiny, "pump").enroll([normal, normal], "00")
    assert [one.added for one in found] == [("00_09.wav",)] * 2

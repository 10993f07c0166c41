"""What enrolling says of thresholds: before and after it were both those of after."""

import soundfile

from asd.detection import Detector


def test_thresholds_before_and_after(tiny):
    """Four sounds that are unlike all others raise the threshold."""
    detector = Detector(tiny, "pump")
    before = detector.thresholds["00"].value
    odd = [tiny / f"raw/pump/id_00/test/anomaly/00_{number}.wav" for number in (11, 12)]
    waves = [soundfile.read(path, dtype="int16") for path in odd]
    backwards = [(wave[::-1].copy(), rate) for wave, rate in waves]
    found = detector.enroll([*odd, *backwards], "00", force=True)
    after = detector.thresholds["00"].value
    assert found[0].thresholds["cosine"] == (before, after)
    assert before != after

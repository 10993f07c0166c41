"""What a picture says of a recording whose odd part is known."""

import shutil

import numpy as np
import pytest

from asd.detection import Detector
from asd.errors import JobError, UsageError
from asd.scoring.system import FittedSystem


def explained(root, file, system=None):
    return Detector.load(root, "pump", system).explain(file, "00")


@pytest.mark.parametrize("system", ["posterior", "cosine", "spread"])
def test_the_odd_part_is_found(tiny_template, burst, tmp_path, monkeypatch, system):
    """The recording is the other clip but for a tone in one place, where the map lights up."""
    monkeypatch.setattr(
        FittedSystem,
        "by_distance",
        lambda self, *_: np.array([self.bank.clips.name.index("00_03.wav")]),
    )
    found = explained(tiny_template, burst(tmp_path / "burst.wav"), system)
    grid = found.grid
    assert found.nearest == "00_03.wav"
    drops = np.abs(found.drops)
    band, span = np.unravel_index(drops.argmax(), drops.shape)
    assert grid.hertz[grid.bands[band]] < 3300
    assert grid.hertz[grid.bands[band + 1]] > 3000
    middle = (grid.spans[span] + grid.spans[span + 1]) / 2 / grid.spans[-1]
    assert 0.5 < middle < 0.75


def test_a_training_clip_is_its_own_nearest(tiny_template):
    found = explained(tiny_template, tiny_template / "raw/pump/id_00/train/00_05.wav")
    assert found.nearest == "00_05.wav"
    assert found.nearest_score == found.prediction.score
    np.testing.assert_array_equal(found.clip, found.normal)
    np.testing.assert_allclose(found.drops, 0, atol=1e-6)


def test_the_store_stands_in_for_lost_recordings(tiny, tmp_path):
    file = shutil.copy(tiny / "raw/pump/id_00/test/anomaly/00_11.wav", tmp_path / "odd.wav")
    expected = explained(tiny, file)
    shutil.rmtree(tiny / "raw")
    found = explained(tiny, file)
    assert found.nearest == expected.nearest
    np.testing.assert_array_equal(found.normal, expected.normal)
    np.testing.assert_array_equal(found.drops, expected.drops)
    shutil.rmtree(tiny / "data" / "features")
    with pytest.raises(JobError, match="restore"):
        explained(tiny, file)


def test_the_next_nearest_stands_in_for_a_lost_clip(tiny, tmp_path):
    file = shutil.copy(tiny / "raw/pump/id_00/test/anomaly/00_11.wav", tmp_path / "odd.wav")
    nearest = explained(tiny, file).nearest
    shutil.rmtree(tiny / "data" / "features")
    (tiny / "raw" / "pump" / "id_00" / "train" / nearest).unlink()
    found = explained(tiny, file)
    assert found.passed_over == 1
    assert found.nearest != nearest


def test_the_picture(tiny_template, tmp_path):
    import matplotlib.image

    found = explained(tiny_template, tiny_template / "raw/pump/id_00/test/anomaly/00_11.wav")
    found.write(tmp_path / "a.png")
    found.write(tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    pixels = matplotlib.image.imread(tmp_path / "a.png")
    assert pixels.shape[:2] == (960, 1500)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 200


def test_a_model_that_gives_nothing_to_replace(tiny_template, monkeypatch):
    monkeypatch.setattr("asd.detection.explanation.is_replaced", lambda extractor: False)
    with pytest.raises(UsageError, match="heard alone"):
        explained(tiny_template, tiny_template / "raw/pump/id_00/train/00_05.wav")

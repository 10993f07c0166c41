"""Embeddings: of every clip, independent of the others."""

import numpy as np
import pytest

from asd.artifact import RECORD
from asd.config import EmbedConfig
from asd.errors import JobError
from asd.training.artifact import load_model
from asd.training.embedding import embed

SECTIONS = {"00": 12, "01": 9}
CONFIG = EmbedConfig(batch_size=8, precision="float32")


@pytest.fixture
def trained(fill, fit, tmp_path):
    fit(fill(SECTIONS))
    return load_model(tmp_path / "model" / RECORD)


def test_training_clips(fill, trained):
    store = fill(SECTIONS)
    outputs = embed(store, "fan", trained, "train", CONFIG)
    assert outputs.arrays["embedding"].shape == (21, 6)
    assert outputs.arrays["logits"].shape == (21, 2)
    assert outputs.arrays["embedding"].dtype == np.float32
    assert outputs.clips.section == ("00",) * 12 + ("01",) * 9
    assert outputs.classes.tolist() == [0] * 12 + [1] * 9
    again = embed(store, "fan", trained, "train", CONFIG)
    np.testing.assert_array_equal(outputs.arrays["embedding"], again.arrays["embedding"])


def test_a_clip_does_not_depend_on_the_others(fill, trained):
    alone = fill({"00": 3}, split="test", root="alone")
    more = fill({"00": 3, "01": 11}, split="test", root="more")
    few = embed(alone, "fan", trained, "test", CONFIG)
    many = embed(more, "fan", trained, "test", CONFIG)
    assert few.clips == many.clips.only(np.arange(3))
    np.testing.assert_array_equal(few.arrays["embedding"], many.arrays["embedding"][:3])
    assert few.classes.tolist() == [-1, -1, -1]


def test_a_store_that_changed_since_training_is_refused(fill, trained):
    changed = fill({**SECTIONS, "01": 10}, root="changed")
    with pytest.raises(JobError, match="store changed since training.*asd train"):
        embed(changed, "fan", trained, "train", CONFIG)

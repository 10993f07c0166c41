"""Fine-tuning on windows of long recordings: each is read where it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from asd.clips.index import index_recordings
from asd.config import IndexConfig
from asd.training.data import Recordings
from asd.training.finetune import inputs_digest, training_clips


def test_windows_are_training_clips(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 10_000, np.int16)
    (tmp_path / "fan" / "train").mkdir(parents=True)
    soundfile.write(tmp_path / "fan" / "train" / "long.wav", noise, 4000)
    clips = index_recordings(tmp_path, "fan", IndexConfig(sample_rate=4000, seconds=0.5)).clips
    training = training_clips(clips)
    recordings = Recordings(tmp_path, training, 4000, 0)
    starts = [clip.start for clip in training]
    assert sorted(starts) == [0, 2000, 4000, 6000, 8000]
    for number, start in enumerate(starts):
        # But for the constant offset, which is taken off.
        offset = recordings.read(number) - noise[start : start + 2000]
        assert np.ptp(offset) <= 1
        assert abs(recordings.read(number).mean()) < 1
    moved = [*training[:-1], replace(training[-1], start=training[-1].start - 1)]
    assert inputs_digest(moved) != inputs_digest(training)

"""Fine-tuning on windows of long recordings: each is read where it begins."""

from dataclasses import replace

import numpy as np
import soundfile

from asd.clips.index import index_recordings
from asd.config import FinetuneConfig, IndexConfig
from asd.training.finetune import request_of, training_recordings


def test_windows_are_training_clips(tmp_path):
    noise = np.random.default_rng(0).integers(-9000, 9000, 10_000, np.int16)
    (tmp_path / "fan" / "train").mkdir(parents=True)
    soundfile.write(tmp_path / "fan" / "train" / "long.wav", noise, 4000)
    clips = index_recordings(tmp_path, "fan", IndexConfig(sample_rate=4000, seconds=0.5)).clips
    recordings = training_recordings(tmp_path, clips, 4000, 0)
    starts = [clip.start for clip in recordings.clips]
    assert sorted(starts) == [0, 2000, 4000, 6000, 8000]
    for number, start in enumerate(starts):
        # But for the constant offset, which is taken off.
        offset = recordings.read(number) - noise[start : start + 2000]
        assert np.ptp(offset) <= 1
        assert abs(recordings.read(number).mean()) < 1
    last = recordings.clips[-1]
    moved = [*recordings.clips[:-1], replace(last, start=last.start - 1)]
    requests = [
        request_of(one, FinetuneConfig(base="builtin:tiny"), "digest").inputs
        for one in (recordings, replace(recordings, clips=moved))
    ]
    assert requests[0] != requests[1]

"""Batches: every clip in turn, and the same ones whenever a run goes on."""

from dataclasses import replace

import numpy as np
import soundfile

from asd.training.data import Cuts, Recordings
from asd.training.finetune import training_recordings
from asd.training.labels import UNKNOWN, kinds_of_classes


def test_every_clip_once_in_each_pass(raw, clips):
    recordings = Recordings(raw, clips[:10], 16000, 0)
    cuts, other = Cuts(recordings, 3000, 4, (0, 0)), Cuts(recordings, 3000, 5, (1, 0))
    drawn = np.concatenate([cuts.chosen(batch) for batch in range(15)])
    passes = drawn.reshape(6, 10)
    assert (np.sort(passes, axis=1) == np.arange(10)).all()
    assert (passes[0] != passes[1]).any()
    assert (drawn[:10] != np.concatenate([other.chosen(b) for b in (0, 1)])).any()


def test_a_batch_is_the_same_whatever_came_before(raw, clips):
    recordings = training_recordings(raw, clips, 16000, 0)
    whole = [Cuts(recordings, 3000, 5, (7, 0)).batch(number) for number in range(8)]
    for number in (5, 7):
        chosen, waves = Cuts(recordings, 3000, 5, (7, 0)).batch(number)
        assert (chosen == whole[number][0]).all()
        assert (waves == whole[number][1]).all()


def test_cuts_lie_anywhere_in_the_clip(raw, clips):
    recordings = training_recordings(raw, clips, 16000, 0)
    starts = []
    for batch in range(4):
        chosen, waves = Cuts(recordings, 3000, 24, (0, 0)).batch(batch)
        assert waves.shape == (24, 3000)
        assert waves.dtype == np.int16
        for number, wave in zip(chosen, waves, strict=True):
            samples, _ = soundfile.read(raw / recordings.clips[number].path, dtype="float64")
            # A constant offset is taken off before anything else.
            whole = np.rint((samples - samples.mean()) * 2**15).astype(np.int16)
            windows = np.lib.stride_tricks.sliding_window_view(whole, 3000)
            found = np.flatnonzero((windows == wave).all(axis=1))
            assert len(found) == 1
            starts.append(found[0])
    assert min(starts) < 500
    assert max(starts) > 3700


def test_classes_belong_to_their_machine(clips):
    labels = kinds_of_classes(clips)
    assert {kind: list(one.names) for kind, one in labels.items()} == {
        "machine": ["fan", "valve"],
        "section": ["fan/00", "fan/01", "valve/00", "valve/01"],
        "attributes": [f"{m}/speed={s}" for m in ("fan", "valve") for s in range(3)],
    }
    for kind, (names, targets) in labels.items():
        for clip, target in zip(clips, targets, strict=True):
            value = {
                "machine": clip.machine,
                "section": f"{clip.machine}/{clip.section}",
                "attributes": f"{clip.machine}/{clip.attributes}",
            }[kind]
            assert names[target] == value


def test_what_is_unknown_or_single_is_left_out(clips):
    one = [replace(c, attributes="") if i < 2 else c for i, c in enumerate(clips[:13])]
    labels = kinds_of_classes(one)
    assert set(labels) == {"section", "attributes"}
    assert list(labels["attributes"].numbers[:3]) == [UNKNOWN, UNKNOWN, 2]

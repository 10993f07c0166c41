"""Batches: every clip in turn, and the same ones whenever a run goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from asd.clips.record import Clip
from asd.finetuning.batches import UNKNOWN, Recordings, batches, chosen_clips, label_clips
from asd.finetuning.plan import training_clips


def test_every_clip_once_in_each_pass() -> None:
    drawn = np.concatenate([chosen_clips(10, 4, 0, 0, batch) for batch in range(15)])
    passes = drawn.reshape(6, 10)
    assert (np.sort(passes, axis=1) == np.arange(10)).all()
    assert (passes[0] != passes[1]).any()
    assert (drawn[:10] != np.concatenate([chosen_clips(10, 5, 1, 0, b) for b in (0, 1)])).any()


def test_batches_go_on_where_they_stopped(raw: Path, clips: list[Clip]) -> None:
    recordings = Recordings(raw, training_clips(clips), 16000, 0)
    whole = list(batches(recordings, 3000, 5, 7, 0, range(8)))
    rest = list(batches(recordings, 3000, 5, 7, 0, range(5, 8)))
    assert len(whole) == 8
    for a, b in zip(whole[5:], rest, strict=True):
        assert (a.clips == b.clips).all()
        assert (a.waves == b.waves).all()


def test_cuts_lie_anywhere_in_the_clip(raw: Path, clips: list[Clip]) -> None:
    recordings = Recordings(raw, training_clips(clips), 16000, 0)
    starts = []
    for batch in batches(recordings, 3000, 24, 0, 0, range(4)):
        assert batch.waves.shape == (24, 3000)
        assert batch.waves.dtype == np.int16
        for number, wave in zip(batch.clips, batch.waves, strict=True):
            whole, _ = soundfile.read(raw / recordings.clips[number].path, dtype="int16")
            windows = np.lib.stride_tricks.sliding_window_view(whole, 3000)
            found = np.flatnonzero((windows == wave).all(axis=1))
            assert len(found) == 1
            starts.append(found[0])
    assert min(starts) < 500
    assert max(starts) > 3700


def test_classes_belong_to_their_machine(clips: list[Clip]) -> None:
    labels = label_clips(clips)
    assert labels.classes == {
        "machine": ["fan", "valve"],
        "section": ["fan/00", "fan/01", "valve/00", "valve/01"],
        "attributes": [f"{m}/speed={s}" for m in ("fan", "valve") for s in range(3)],
    }
    for kind, targets in labels.targets.items():
        for clip, target in zip(clips, targets, strict=True):
            value = {
                "machine": clip.machine,
                "section": f"{clip.machine}/{clip.section}",
                "attributes": f"{clip.machine}/{clip.attributes}",
            }[kind]
            assert labels.classes[kind][target] == value


def test_what_is_unknown_or_single_is_left_out(clips: list[Clip]) -> None:
    one = [replace(c, attributes="") if i < 2 else c for i, c in enumerate(clips[:13])]
    labels = label_clips(one)
    assert set(labels.classes) == {"section", "attributes"}
    assert list(labels.targets["attributes"][:3]) == [UNKNOWN, UNKNOWN, 2]

"""Classes of the training clips."""

from __future__ import annotations

from dataclasses import replace

from asd.clips.record import Clip
from asd.finetuning.labels import UNKNOWN, label_clips


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

"""Whole trees of 2025 and 2026: every form of names and attribute tables, two microphones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from asd.clips.index import detect_layout, index_recordings, rejected
from asd.clips.record import Clip
from asd.clips.scan import find_recordings
from asd.config import IndexConfig

Record = Callable[..., bytes]


def places(tail: str, clips: int = 3) -> list[str]:
    """Return the places of labelled clips of section 00, whose names end with ``tail``."""
    return [
        f"{split}/section_00_{domain}_{split}_{label}_{number:04d}{tail}.wav"
        for split, labels in (("train", ["normal"]), ("test", ["normal", "anomaly"]))
        for domain in ("source", "target")
        for label in labels
        for number in range(clips)
    ]


def index(root: Path, machine: str, **config: object) -> dict[str, Clip]:
    clips = index_recordings(root, machine, IndexConfig(**config)).clips
    return {clip.path.partition("/")[2]: clip for clip in clips}


@pytest.mark.parametrize(
    ("supplement", "label", "domain"),
    [
        ("section_00_machine_{:04d}_", "normal", ""),
        ("section_00_noise_{:04d}_", "noise", ""),
        ("section_00_noise_supplemental_normal_{:04d}", "noise", ""),
        ("section_00_source_supplemental_machine_{:04d}", "normal", "source"),
        ("section_00_source_supplemental_machine_{:04d}_noAttributes", "normal", "source"),
    ],
)
def test_2025_with_its_supplement(
    tmp_path: Path, record: Record, supplement: str, label: str, domain: str
) -> None:
    for place in places("_m-n_W"):
        record(place, samples=3_200)
    for number in range(4):
        record(f"supplemental/{supplement.format(number)}.wav")
    record("supplemental/readme_0000.wav")
    record("test/section_00_0000.wav")
    assert detect_layout(find_recordings(tmp_path / "fan")) == "dcase2022"
    found = index(tmp_path, "fan")
    assert Counter(clip.split for clip in found.values() if clip.usable) == {
        "train": 6,
        "test": 13,
        "supplemental": 4,
    }
    for place, clip in found.items():
        if clip.split == "supplemental":
            assert (clip.section, clip.label, clip.domain) == ("00", label, domain)
            assert clip.attributes == ""
            # Training clips say how long a clip is.
            assert (clip.length, clip.treatment) == (3_200, "looped from 0.10 s"), place
    assert found["test/section_00_0000.wav"].label == ""
    assert rejected(found.values()) == {"name fits no grammar": 1}


STEM = "section_00_source_train_normal_0000"
TABLES = {
    "as in 2022": (f"file_name,d1p,d1v,d2p,d2v\nToyCar/train/{STEM}.wav,car,C1,spd,28V\n"),
    "bare stems": (f"file_name,d1p,d1v,d2p,d2v\n{STEM},car,C1,spd,28V\n"),
    "another heading": (f"filename,d1p,d1v,d2p,d2v\ntrain/{STEM}.wav,car,C1,spd,28V\n"),
    "byte order mark": (f"\ufefffile_name,d1p,d1v,d2p,d2v\r\n{STEM}.wav,car,C1,spd,28V\r\n"),
}
HIDDEN = {
    "no columns": f"file_name\nToyCar/train/{STEM}.wav\n",
    "a word": f"file_name,d1p\nToyCar/train/{STEM}.wav,noAttribute\n",
    "another word": "file_name,d1p,d1v\n" + f"{STEM},noAttributes,noAttributes\n",
    "another file": "place;attributes\n1;2\n",
    "nothing": "",
}


@pytest.mark.parametrize("table", [*TABLES, *HIDDEN])
def test_attribute_tables_in_all_their_forms(tmp_path: Path, record: Record, table: str) -> None:
    for place in places(""):
        record(place, machine="ToyCar")
    (tmp_path / "ToyCar/attributes_00.csv").write_text((TABLES | HIDDEN)[table], encoding="utf-8")
    found = index(tmp_path, "ToyCar")
    spelt = "car=C1;spd=28V" if table in TABLES else ""
    assert found[f"train/{STEM}.wav"].attributes == spelt
    assert all(clip.usable for clip in found.values())
    assert {clip.attributes for clip in found.values()} == {spelt, ""}


# Machine: samples of a clip, how its names end, and whether the test clips are without labels.
YEAR_2026 = {
    "ToyCar": (12_000, "_noAttribute", False),
    "bearingEmu": (10_000, "_noAttributes", False),
    "fan": (10_000, "_m-n_W", False),
    "ToyDrone": (16_000, "_car_A1_spd_2", True),
    "SewingMachine": (6_000, "_noAttributes", True),
}


@pytest.mark.parametrize("channel", ["near", "far", "residual"])
@pytest.mark.parametrize("machine", YEAR_2026)
def test_2026_with_two_microphones(
    tmp_path: Path, record: Record, machine: str, channel: str
) -> None:
    samples, tail, bare = YEAR_2026[machine]
    listed = [place for place in places(tail) if not bare or place.startswith("train/")]
    listed += [f"test/section_00_{number:04d}.wav" for number in range(4)] if bare else []
    for place in listed:
        record(place, samples, channels=2, machine=machine)
    found = index(tmp_path, machine, channel=channel)
    assert len(found) == len(listed)
    assert {clip.length for clip in found.values()} == {samples}
    assert {clip.channels for clip in found.values()} == {2}
    assert all(clip.usable for clip in found.values())
    used = {"near": "channel 0", "far": "channel 1"}.get(channel, "residual of channels 0 and 1")
    assert {clip.treatment for clip in found.values()} == {f"{used} of 2"}
    hidden = "noAttribute" in tail
    trained = {clip.attributes for clip in found.values() if clip.split == "train"}
    assert (trained == {""}) == hidden
    labels = {clip.label for clip in found.values() if clip.split == "test"}
    assert labels == ({""} if bare else {"normal", "anomaly"})

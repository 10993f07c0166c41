"""Which recordings there are, and how they are read: the sections dataset, synth and index."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from asd.config.base import Name, Positive, Settings

Rules = Literal["2020", "2021", "2022", "2023", "2024", "2025"]


class DatasetConfig(Settings):
    """What is worked on. ``rules`` names the challenge year whose official score is computed."""

    name: str
    rules: Rules = "2022"
    raw: str
    machines: tuple[Name, ...]


class SynthConfig(Settings):
    """The demo data; ``machines`` is empty where recordings are given."""

    machines: tuple[Name, ...] = ()
    seed: int = 0
    seconds: float = Field(10.0, gt=0, le=60)
    sections: Positive = 3
    train_source: Positive = 54
    train_target: Annotated[int, Field(ge=0)] = 6
    test_clips: Positive = 10
    snr_db: float = 6.0


class IndexConfig(Settings):
    """How a raw folder is read; see :mod:`asd.clips.index`.

    Attributes:
        layout: how the names are read; ``"auto"`` looks at them.
        sample_rate: rate of the clips in Hz.
        seconds: length of a clip; ``"auto"`` takes the most common one of a machine's training
            clips, and 10 s in a plain folder where that is 30 s or more.
        windows: ``"auto"`` cuts recordings of plain folders that are at least twice as long as a
            clip into consecutive clips; ``"off"`` takes their beginning.
        channel: of recordings with several, the one that is used.
        train_share: share of the normal recordings that is for training, where no folder says it.
        max_seconds: longest recording.
        max_channels: most channels of a recording.
    """

    layout: Literal["auto", "dcase2020", "dcase2021", "dcase2022", "folder"] = "auto"
    sample_rate: Positive = 16000
    seconds: float | Literal["auto"] = "auto"
    windows: Literal["auto", "off"] = "auto"
    channel: Annotated[int, Field(ge=0)] = 0
    train_share: float = Field(0.8, gt=0, lt=1)
    max_seconds: float = Field(1800.0, gt=0)
    max_channels: Positive = 32

"""Recordings of two made-up machines, on which a small wav2vec 2.0 learns within seconds."""

import hashlib

import numpy as np
import pytest
import soundfile

from asd.config import FinetuneConfig
from asd.training import loop
from asd.training.finetune import finetune, training_recordings
from tests.made import a_clip

RATE = 16000
LENGTHS = {"fan": 8000, "valve": 7200}


@pytest.fixture
def killed_at(monkeypatch):
    """Let fine-tuning be interrupted, from now on, at its updates of the given numbers.

    A state is written after every update.
    """

    def at(*numbers):
        update, made = loop._round, [0]

        def killed(*arguments):
            made[0] += 1
            if made[0] in numbers:
                raise KeyboardInterrupt
            return update(*arguments)

        monkeypatch.setattr(loop, "_round", killed)
        monkeypatch.setattr(loop, "_ROUNDS_PER_STATE", 0.0)

    return at


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def clips(raw):
    """Per machine 12 training clips, each class a tone of its own, and a test clip with no file."""
    random = np.random.default_rng(0)
    made = []
    for number, (machine, length) in enumerate(LENGTHS.items()):
        (raw / machine).mkdir(parents=True)
        for i in range(13):
            section, speed, split = i % 2, i % 3, "test" if i == 12 else "train"
            # No multiple of 50 Hz, the rate of the frames, which would make all frames alike.
            pitch = 213 * (number + 1) + 807 * section + 159 * speed
            tone = 0.2 * np.sin(2 * np.pi * pitch / RATE * np.arange(length))
            path = raw / machine / f"{i:02d}.wav"
            soundfile.write(path, tone + 0.03 * random.normal(size=length), RATE, subtype="PCM_16")
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if split == "test":
                path.unlink()
            made.append(
                a_clip(
                    f"{machine}/{path.name}",
                    RATE,
                    length,
                    machine=machine,
                    section=f"{section:02d}",
                    split=split,
                    attributes=f"speed={speed}",
                    digest=digest,
                )
            )
    return made


@pytest.fixture
def config():
    """Return a function that gives quick parameters, changed as it is told."""

    def make(**changes):
        quick = {
            "steps": 12,
            "batch_size": 6,
            "accumulate": 1,
            "learning_rate": 3e-4,
            "head_learning_rate": 5e-3,
            "pca_clips": 6,
            "rows": 16,
            "device": "cpu",
        }
        return FinetuneConfig(**quick | changes)

    return make


@pytest.fixture
def run(raw, clips, tmp_path):
    """Fine-tunes on the clips, into ``checkpoints/<name>``."""

    def go(config, name="ptm"):
        folder = tmp_path / "checkpoints"
        return finetune(
            training_recordings(raw, clips, RATE, 0), config, folder / name, folder / "train" / name
        )

    return go


@pytest.fixture
def folder(tmp_path):
    """Return where :func:`run` leaves its checkpoint."""
    return tmp_path / "checkpoints" / "ptm"

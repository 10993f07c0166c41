"""What the benchmarks work on: recordings, shards, banks and score files, made from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from asd.store import Shard, ShardSpec

MACHINES = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
SECTIONS = 6  # of each machine, as in the challenge of 2022
RATE = 16_000


def waves(count: int, samples: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield clips (L,) int16 that all differ: a machine's hum in factory noise."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / RATE
    noise = random.normal(scale=600, size=samples)
    for _ in range(count):
        hum = sum(
            random.uniform(200, 2000) * np.sin(2 * np.pi * pitch * time)
            for pitch in random.uniform(40, 4000, size=3)
        )
        # Another noise for each clip would cost more than all that is measured.
        yield (hum + np.roll(noise, random.integers(samples))).astype(np.int16)


def write_recordings(folder: Path, count: int, samples: int, seed: int = 0) -> list[Path]:
    """Write WAV files of 16 bit at 16 kHz with the challenge's names, of one section."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, wave in enumerate(waves(count, samples, seed)):
        path = folder / f"section_00_source_train_normal_{number:04d}_speed_{number % 3}.wav"
        soundfile.write(path, wave, RATE, "PCM_16")
        paths.append(path)
    return paths


def write_shard(path: Path, spec: ShardSpec, rows: Iterator[np.ndarray], count: int) -> Shard:
    """Write a shard of ``count`` clips through the store's own writer.

    Args:
        path: where it goes.
        spec: what it holds.
        rows: blocks of rows (n, ...), in order.
        count: how many rows they are in all.
    """
    from asd.clip_table import ClipTable
    from asd.store import Shard, ShardWriter

    names = [f"section_{spec.section}_source_{spec.split}_{row:04d}.wav" for row in range(count)]
    clips = ClipTable.of_columns(
        {
            "name": names,
            "recording": names,
            "section": [spec.section] * count,
            "split": [spec.split] * count,
            "domain": ["source"] * count,
            "label": ["normal"] * count,
            "attributes": [f"speed={row % 3}" for row in range(count)],
            "content": [hashlib.sha256(name.encode()).hexdigest() for name in names],
        }
    )
    done = 0
    with ShardWriter(path, spec, clips) as writer:
        for block in rows:
            writer.write(np.arange(done, done + len(block)), block)
            done += len(block)
        writer.finish()
    return Shard.open(path)


def section_keys(count: int) -> list[tuple[str, str]]:
    """Return the machine and the section of each of ``count`` sections."""
    return [(MACHINES[one // SECTIONS], f"{one % SECTIONS:02d}") for one in range(count)]


def scored_sections(sections: int, clips: int) -> list[Any]:
    """Return sections of ``clips`` clips of both domains, half of them anomalous."""
    from asd.metrics.rules import Section

    random = np.random.default_rng(0)
    found = []
    for machine, section in section_keys(sections):
        labels = np.arange(clips) % 2 == 1
        domains = np.where(np.arange(clips) % 4 < 2, "source", "target")
        scores = random.normal(size=clips) + 0.8 * labels + 0.3 * (domains == "target")
        names = tuple(f"section_{section}_{number:04d}.wav" for number in range(clips))
        found.append(Section(machine, section, names, labels, domains, scores))
    return found


def write_results(folder: Path, sections: int, clips: int) -> None:
    """Write ``scores`` and ``truth`` of a system, as the official evaluator reads them."""
    for one in scored_sections(sections, clips):
        for place, kind, values in (
            ("scores", "anomaly_score", one.scores),
            ("truth/ground_truth_data", "ground_truth", one.labels.astype(int)),
            ("truth/ground_truth_domain", "ground_truth", (one.domains == "target").astype(int)),
        ):
            path = folder / place / f"{kind}_{one.machine}_section_{one.section}_test.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = (f"{name},{value}\n" for name, value in zip(one.names, values, strict=True))
            path.write_text("".join(lines))


def write_wav2vec2_base(folder: Path, rows: int = 128) -> Path:
    """Write a checkpoint of the size of wav2vec2-base with random weights, and its projection."""
    import json

    from safetensors.torch import save_file

    from asd.features.checkpoint import CONFIG, PREPROCESSOR, WEIGHTS, build_model
    from asd.features.projection import HEAD, Head, Projection

    config = {"model_type": "wav2vec2"}  # all else is the base model's by default
    model = build_model(config, CONFIG)
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps(config))
    (folder / PREPROCESSOR).write_text(json.dumps({"do_normalize": True, "sampling_rate": RATE}))
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    random = np.random.default_rng(0)
    hidden, layers = model.config.hidden_size, model.config.num_hidden_layers
    states = random.normal(scale=hidden**-0.5, size=(layers + 1, rows, hidden)).astype(np.float32)
    bias = np.zeros((layers + 1, rows), np.float32)
    Head(Projection(states[-1], bias[-1], layers), states, bias).write(folder / HEAD)
    return folder

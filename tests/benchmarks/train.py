"""One epoch of the paper's whole model from the store, against computing its features on the fly.

The model is ``ltp_aux`` (log-mel, Tgram of the wave, PTM; cross entropy, triplet and auxiliary
loss) at the paper's widths, over clips of 10 s, in batches of 6 classes x 8 clips. Ours: the loop
of ``asd train`` in the precision that it chooses by itself. Peers: the same loop in float32, and
the same epoch where the features of each batch are computed from WAV files before the step: read,
transformed, and sent through a frozen network of wav2vec2-base's size (random weights, up to the
layer at three quarters of its depth) by the package's own extractors in float32. Of that a part is
timed, 8 clips, and scaled to the clips of the epoch, to which the epoch's own time is added; its
values are compared with the stored ones. The epoch is short; the PTM rows of the other clips repeat
those of the first 8, which alters no time.

``data wait`` is the share of our epoch in which the loop had nothing to compute on: mostly the wait
for its first batch, which nothing hides, and an epoch has but two here. All threads that torch
takes by itself, for all sides; the first epoch of a run is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.benchmarks.base import Bound, Result, fastest, seconds
from tests.benchmarks.material import (
    RATE,
    waves,
    write_recordings,
    write_shard,
    write_wav2vec2_base,
)

BOUNDS = (
    Bound("features on the fly", at_least=10.0, aim=10.0),
    Bound("float32", at_least=2.0, aim=2.0),
    Bound("data wait", at_least=float("inf"), aim=0.03, lower_is_better=True),
)
SECTIONS, EACH, PART, LAYER, ROUNDS = 6, 16, 8, 9, 2
FEATURES = ("logmel", "wave", "ptm")


@dataclass
class Clock:
    """What a run of the loop took.

    Attributes:
        epochs: seconds of each epoch.
        waits: seconds of each epoch, from the end of the one before, in which the loop waited for a
            batch.
        waited: seconds in which it waited since the end of an epoch.
    """

    epochs: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    waited: float = 0.0


def run(scratch: Path) -> Result:
    """Extract, then train in turns."""
    from asd.device import choose_compute

    extractors = _extractors(write_wav2vec2_base(scratch / "ptm"))
    paths = write_recordings(scratch / "raw", PART, 10 * RATE)
    rows = _computed(extractors, paths)  # a warm-up as well
    _write_store(scratch / "features", extractors, rows)
    on_the_fly: list[float] = []
    clocks: dict[str, list[Clock]] = {"auto": [], "float32": []}
    for turn in range(ROUNDS):
        on_the_fly.append(seconds(lambda: _same(_computed(extractors, paths), rows)))
        for precision, runs in clocks.items():
            runs.append(_train(scratch, f"{precision}_{turn}", precision))
    epoch, wait = min((run.epochs[1], run.waits[1]) for run in clocks["auto"])
    plain = min(run.epochs[1] for run in clocks["float32"])
    clips = SECTIONS * EACH
    peers = {
        BOUNDS[0].peer: (min(on_the_fly) * clips / PART + epoch) / clips,
        BOUNDS[1].peer: plain / clips,
    }
    ours = epoch / clips
    chosen = choose_compute("auto", "auto", "train").describe()
    return Result(
        name="train",
        work="an epoch of ltp_aux at the paper's widths",
        unit="s/clip",
        ours=ours,
        peers=peers,
        ratios={name: value / ours for name, value in peers.items()} | {"data wait": wait / epoch},
        bounds=BOUNDS,
        notes=f"ours on {chosen['device']} in {chosen['precision']}; an epoch of {clips} clips,"
        f" features on the fly timed on {PART} clips and scaled; {_bfloat16_gain()}",
    )


def _bfloat16_gain() -> str:
    """Say how many times as fast as in float32 the CPU multiplies large matrices in bfloat16."""
    import torch

    from asd.device import cpu_is_fast_in_bfloat16

    if not cpu_is_fast_in_bfloat16():
        return "this CPU is not faster in bfloat16, so that both precisions are float32"
    full = torch.randn(2048, 2048)
    half = full.to(torch.bfloat16)
    taken = fastest({"float32": lambda: full @ full, "bfloat16": lambda: half @ half}, 7)
    gain = taken["float32"] / taken["bfloat16"]
    return (
        "large matrix products, the most that bfloat16 can gain, are"
        f" {gain:.1f} times as fast in it on this CPU"
    )


def _extractors(checkpoint: Path) -> dict[str, Any]:
    from asd.clips.audio import Signal
    from asd.features import EXTRACTORS, build_extractor

    signal = Signal(sample_rate=RATE, length=10 * RATE, channel=0)
    own = {"ptm": {"checkpoint": str(checkpoint), "layer": LAYER, "precision": "float32"}}
    return {name: build_extractor(EXTRACTORS, name, own.get(name, {}), signal) for name in FEATURES}


def _computed(extractors: dict[str, Any], paths: list[Path]) -> dict[str, np.ndarray]:
    """Compute the rows of recordings, as one must for a batch where nothing is stored."""
    from asd.clips.audio import read_clip

    signal = extractors["wave"].signal
    clips = np.stack([read_clip(path, signal) for path in paths])
    found = {}
    for name, extractor in extractors.items():
        size = extractor.batch_size
        parts = [extractor(clips[start : start + size]) for start in range(0, len(clips), size)]
        found[name] = np.concatenate(parts)
    return found


def _same(rows: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    assert all(np.array_equal(rows[name], others[name]) for name in FEATURES)


def _write_store(root: Path, extractors: dict[str, Any], rows: dict[str, np.ndarray]) -> None:
    """Write the shards of all sections; every section has clips of its own but for the PTM."""
    from asd.store import FeatureStore, ShardSpec

    made = waves(SECTIONS * EACH, 10 * RATE, seed=1)
    for section in range(SECTIONS):
        clips = np.stack([next(made) for _ in range(EACH)])
        values = {name: extractors[name](clips) for name in ("wave", "logmel")}
        values["ptm"] = np.resize(rows["ptm"], (EACH, *extractors["ptm"].row_shape))
        for name, extractor in extractors.items():
            number = f"{section:02d}"
            recipe, shape = extractor.recipe, extractor.row_shape
            spec = ShardSpec("fan", name, number, "train", recipe, shape, extractor.dtype.name)
            path = FeatureStore(root).path("fan", name, number, "train")
            write_shard(path, spec, iter([values[name]]), EACH)


def _train(scratch: Path, name: str, precision: str) -> Clock:
    """Train two epochs as ``asd train`` does, and return what each took."""
    from asd.artifact import RECORD
    from asd.config import ModelConfig, TrainConfig
    from asd.store import FeatureStore
    from asd.training import loop
    from asd.training.train import make_plan, train

    clock = Clock()
    epoch_of, ahead_of = loop._round, loop.ahead

    def epoch(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        row = epoch_of(*arguments, **named)
        clock.epochs.append(time.perf_counter() - started)
        clock.waits.append(clock.waited)
        clock.waited = 0.0
        return row

    def ahead(items: Iterable[Any]) -> Iterator[Any]:
        source = ahead_of(items)
        while True:
            started = time.perf_counter()
            item = next(source, None)
            clock.waited += time.perf_counter() - started
            if item is None:
                return
            yield item

    losses = {"cross_entropy": 1, "triplet": 1, "auxiliary": 1}
    with patch.object(loop, "_round", epoch), patch.object(loop, "ahead", ahead):
        plan = make_plan(
            FeatureStore(scratch / "features"),
            "fan",
            "ltp_aux",
            ModelConfig(features=FEATURES, losses=losses),
            TrainConfig(epochs=2, precision=precision),
        )
        train(
            plan,
            "ltp_aux",
            scratch / "models" / name / RECORD,
            scratch / "states" / f"{name}.safetensors",
        )
    return clock

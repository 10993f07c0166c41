"""Frames of a network of wav2vec2-base's size (random weights), against stock transformers.

Ours: the ``ptm`` extractor, from int16 clips of 10 s to float16 rows on the time axis of the
log-mel, in the fastest of its three precisions (int8 where nncf is installed); the others are told
apart. It reads the layer at three quarters of the depth, which is what fine-tuning chooses by
default, and computes none above it; ``last layer`` is all layers in that precision. Converting the
network, which is done once a checkpoint, is not counted. The peer: ``Wav2Vec2Model`` as the library
has it, float32, the same clips in one batch of 4, scaled before the clock starts, every hidden
layer returned; its frames of the same layer, projected and interpolated alike, must point where
ours do. Two threads on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.base import Bound, Result, fastest, torch_threads
from tests.benchmarks.material import RATE, waves, write_wav2vec2_base

BOUNDS = (
    Bound("transformers float32", at_least=4.0, aim=7.0),
    Bound("last layer", at_least=0.0, aim=7.0),
    Bound("in bfloat16", at_least=0.0, aim=5.0),
    Bound("in float32", at_least=0.0, aim=2.6),
)
CLIPS, LENGTH, LAYER, LAST, ROUNDS, THREADS = 4, 10 * RATE, 9, 12, 2, 2
FASTEST = "int8" if find_spec("nncf") else "bfloat16"
KINDS = tuple(
    dict.fromkeys(
        (("float32", LAYER), ("bfloat16", LAYER), (FASTEST, LAYER), (FASTEST, LAST)),
    )
)
LEAST_COSINE = 0.999


def run(scratch: Path) -> Result:
    """Compute the same clips in turns, and compare the frames."""
    checkpoint = write_wav2vec2_base(scratch / "ptm")
    clips = np.stack(list(waves(CLIPS, LENGTH)))
    with torch_threads(THREADS):
        extractors = {kind: _extractor(checkpoint, *kind) for kind in KINDS}
        for extract in extractors.values():
            extract(clips[:1])  # loads the model, and compares its first batch with float32
        computed: dict[Any, Any] = {}
        ours = {
            str(kind): partial(_keep, computed, kind, extract, clips)
            for kind, extract in extractors.items()
        }
        peer = partial(_keep, computed, "peer", _stock(checkpoint, clips))
        taken = fastest({"peer": peer, **ours}, ROUNDS)
    frames = computed["peer"]
    expected = {layer: _expected(checkpoint, frames[layer], layer) for layer in (LAYER, LAST)}
    cosines = {kind: _cosine(computed[kind], expected[kind[1]]) for kind in KINDS}
    assert min(cosines.values()) >= LEAST_COSINE, cosines
    each = {kind: taken[str(kind)] / CLIPS for kind in KINDS}
    stock = taken["peer"] / CLIPS
    best, _ = min((kind for kind in KINDS if kind[1] == LAYER), key=lambda kind: each[kind])
    said = ", ".join(
        f"{precision} layer {layer} {each[precision, layer]:.3g} s/clip"
        f" (cosine {cosines[precision, layer]:.5f})"
        for precision, layer in KINDS
    )
    return Result(
        name="ptm",
        work=f"frames of wav2vec2-base, layer {LAYER}, of 10 s clips",
        unit="s/clip",
        ours=each[best, LAYER],
        peers={BOUNDS[0].peer: stock},
        ratios={
            BOUNDS[0].peer: stock / each[best, LAYER],
            BOUNDS[1].peer: stock / each[FASTEST, LAST],
            BOUNDS[2].peer: stock / each["bfloat16", LAYER],
            BOUNDS[3].peer: stock / each["float32", LAYER],
        },
        bounds=BOUNDS,
        notes=f"ours in {best}; {said}",
    )


def _extractor(checkpoint: Path, precision: str, layer: int) -> Any:
    from asd.clips.audio import Signal
    from asd.features import EXTRACTORS, build_extractor

    settings = {"checkpoint": str(checkpoint), "layer": layer, "precision": precision}
    signal = Signal(sample_rate=RATE, length=LENGTH, channel=0)
    return build_extractor(EXTRACTORS, "ptm", settings, signal)


def _keep(computed: dict[Any, Any], kind: Any, compute: Callable[..., Any], *given: Any) -> None:
    """Compute, and keep what came out for the comparison."""
    computed[kind] = compute(*given)


def _stock(checkpoint: Path, clips: np.ndarray) -> Any:
    """Return a function that computes all hidden layers of the clips (n + 1 arrays (B, J, H))."""
    from asd.native import import_torchaudio

    import_torchaudio()
    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    model = Wav2Vec2Model.from_pretrained(checkpoint).eval()
    scaled = Wav2Vec2FeatureExtractor.from_pretrained(checkpoint)(
        list(clips / 32768), sampling_rate=RATE, return_tensors="pt"
    )["input_values"].float()

    def compute() -> Any:
        with torch.inference_mode():
            return model(scaled, output_hidden_states=True).hidden_states

    return compute


def _expected(checkpoint: Path, frames: Any, layer: int) -> np.ndarray:
    """Project frames (B, J, H) of a layer and interpolate them: rows (B, F, T)."""
    from asd.features.projection import read_projection

    projection = read_projection(checkpoint, layer, pca=False)
    rows = frames.numpy() @ projection.weight.T + projection.bias
    centres = 200 + 320 * np.arange(rows.shape[1])
    times = 512 * np.arange(1 + LENGTH // 512)
    return np.stack([[np.interp(times, centres, row) for row in clip.T] for clip in rows])


def _cosine(rows: np.ndarray, expected: np.ndarray) -> float:
    """Return the mean cosine of the frames of two features (B, F, T)."""
    ours = rows.astype(np.float64)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(expected, axis=1)
    return float(np.mean((ours * expected).sum(axis=1) / lengths))

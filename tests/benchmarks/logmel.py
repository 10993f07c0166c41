"""Log-mels of 10 s WAV files, from the files to stored rows, against librosa.

Ours: :func:`asd.extraction.extract` over a given index into an empty store: every file is read,
compared with the digest of its index, transformed, and written durably with the digest of its row,
on two threads. The peer does what people write: ``librosa.load``, ``melspectrogram`` and
``power_to_db`` one file after another, each saved with ``numpy.save``; like ours it takes a
constant offset off, in steps of 16 bits, and keeps float16.
The same files (in the page cache), settings and disk; the rows of both are compared.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.base import Bound, Result, fastest, torch_threads
from tests.benchmarks.material import RATE, write_recordings

BOUNDS = (Bound("librosa", at_least=5.0, aim=8.0),)
CLIPS, SECONDS, ROUNDS, THREADS = 480, 10, 5, 2
# Half a step of float16 below 128 dB is 0.031 dB.
MOST_ERROR_DB = 0.05


def run(scratch: Path) -> Result:
    """Extract in turns, each time into an empty folder."""
    paths = write_recordings(scratch / "raw", CLIPS, SECONDS * RATE)
    clips = _index(paths)
    stored, saved = scratch / "features", scratch / "saved"
    with torch_threads(THREADS):
        taken = fastest(
            {
                "ours": lambda: _ours(scratch / "raw", clips, stored),
                BOUNDS[0].peer: lambda: _librosa(paths, saved),
            },
            ROUNDS,
        )
    error = _error_db(stored, saved, clips)
    assert error < MOST_ERROR_DB, error
    each = {name: 1000 * value / CLIPS for name, value in taken.items()}
    ours = each.pop("ours")
    return Result(
        name="logmel",
        work=f"{CLIPS} WAV files of {SECONDS} s to stored log-mels",
        unit="ms/clip",
        ours=ours,
        peers=each,
        ratios={name: value / ours for name, value in each.items()},
        bounds=BOUNDS,
        notes=f"rows of both differ by {error:.3f} dB at most",
    )


def _index(paths: list[Path]) -> list[Any]:
    from tests.made import a_clip

    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return [
        a_clip(path.name, RATE, SECONDS * RATE, digest=digest)
        for path, digest in zip(paths, digests, strict=True)
    ]


def _ours(raw: Path, clips: list[Any], folder: Path) -> None:
    from asd.extraction import compute_here, extract, machine_signal
    from asd.features.logmel import LogMel, LogMelConfig
    from asd.store import FeatureStore

    shutil.rmtree(folder, ignore_errors=True)
    extractor = LogMel(LogMelConfig(), machine_signal(clips, RATE, channel=0))
    compute = compute_here(raw, extractor)
    account = extract(clips, extractor, "logmel", FeatureStore(folder), compute)
    assert account.computed == CLIPS


def _librosa(paths: list[Path], folder: Path) -> None:
    import librosa

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in paths:
        wave, rate = librosa.load(path, sr=None)
        wave -= np.round(32768 * wave.mean()) / 32768
        mel = librosa.feature.melspectrogram(
            y=wave, sr=rate, n_fft=1024, hop_length=512, n_mels=128, pad_mode="reflect"
        )
        row = librosa.power_to_db(mel, amin=1e-10, top_db=None)
        np.save(folder / path.with_suffix(".npy").name, row.astype(np.float16))


def _error_db(stored: Path, saved: Path, clips: list[Any]) -> float:
    """Return the largest difference of a stored value from the peer's, in dB."""
    from asd.store import FeatureStore

    shard = FeatureStore(stored).open("fan", "logmel", "00", "train")
    names = [Path(clip.name).with_suffix(".npy") for clip in clips]  # in the order of the rows
    theirs = np.stack([np.load(saved / name) for name in names])
    return float(np.abs(np.asarray(shard.features, np.float32) - theirs).max())

"""The folder that fine-tuning writes: a Hugging Face checkpoint with the projection beside it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asd.errors import JobError
from asd.features.projection import HEAD, Head
from asd.features.wav2vec2 import CONFIG, PREPROCESSOR, WEIGHTS, Checkpoint, files_digest
from asd.finetuning.state import sync

RECORD = "finetune.json"
HISTORY = "history.csv"
MEANINGFUL = (CONFIG, PREPROCESSOR, WEIGHTS, HEAD)


def is_current(folder: Path, identity: str) -> bool:
    """Return whether ``folder`` holds, unharmed, what the run ``identity`` gives."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return record["identity"] == identity and record["digest"] == files_digest(
            folder, MEANINGFUL
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_checkpoint(
    folder: Path,
    beside: Path,
    checkpoint: Checkpoint,
    model: Any,
    head: Head,
    record: dict[str, Any],
    history: Sequence[dict[str, Any]],
) -> None:
    """Write a checkpoint folder whole, in the place of an older one.

    Args:
        folder: the folder.
        beside: a folder on the same disk to write in before.
        checkpoint: what the run began with.
        model: the whole body.
        head: its projection.
        record: what made it, for finetune.json.
        history: one row an update.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        config = checkpoint.config | {"architectures": [type(model).__name__]}
        config.pop("_name_or_path", None)  # may be a path of this machine
        config.pop("add_adapter", None)
        _write_json(beside / CONFIG, config)
        front = {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "do_normalize": checkpoint.normalize,
            "feature_size": 1,
            "padding_value": 0.0,
            "return_attention_mask": False,
            "sampling_rate": checkpoint.sample_rate,
        }
        _write_json(beside / PREPROCESSOR, front)
        weights = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
        save_file(weights, beside / WEIGHTS, metadata={"format": "pt"})
        head.write(beside / HEAD)
        _write_history(beside / HISTORY, history)
        _write_json(beside / RECORD, record | {"digest": files_digest(beside, MEANINGFUL)})
        for path in sorted(beside.iterdir()):
            sync(path)
        _swap(folder, beside)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise JobError(f"{folder}: cannot be written: {why}") from error


def _swap(folder: Path, beside: Path) -> None:
    old = beside.with_name(f"{beside.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        folder.replace(old)
    beside.replace(folder)
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _write_history(path: Path, history: Sequence[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(key for row in history for key in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns or ["objective", "step", "loss"], lineterminator="\n")
        writer.writeheader()
        for row in history:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})

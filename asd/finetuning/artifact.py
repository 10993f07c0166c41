"""The folder that fine-tuning writes: a Hugging Face checkpoint with the projection beside it.

Its record (:mod:`asd.artifact`) says what made it, and vouches for every file.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from asd.artifact import RECORD, Record, Request, read_record, write_record
from asd.atomic import refusals, replace_folder, restore, sync
from asd.config import Channel
from asd.features.checkpoint import CONFIG, PREPROCESSOR, WEIGHTS
from asd.features.projection import HEAD, Head
from asd.features.wav2vec2 import Checkpoint

HISTORY = "history.csv"
_LIBRARIES = ("numpy", "safetensors", "torch", "transformers")


class CheckpointRequest(Request):
    """Everything that decides a fine-tuned checkpoint.

    Attributes:
        version: of the fine-tuning; raised whenever the same request would give other weights.
        base: ``name`` of what it begins with, and ``digest`` of its weights.
        params: the parameters that decide something (:func:`asd.finetuning.plan.meant`).
        inputs: the digest of the training clips' content and labels.
        sample_rate, channel: how clips are read.
    """

    kind: ClassVar[str] = "checkpoint"
    verb: ClassVar[str] = "finetune"

    version: int
    base: dict[str, str]
    params: dict[str, Any]
    inputs: str
    sample_rate: int
    channel: Channel


def read_checkpoint_record(folder: Path) -> Record:
    """Read the record of a checkpoint; its files are not looked at.

    Raises:
        UsageError: there is none.
        JobError: it is damaged or of another schema.
    """
    restore(folder)
    return read_record(folder / RECORD, CheckpointRequest)


def write_checkpoint(
    folder: Path,
    beside: Path,
    checkpoint: Checkpoint,
    model: Any,
    head: Head,
    request: CheckpointRequest,
    facts: dict[str, Any],
    history: Sequence[dict[str, Any]],
) -> None:
    """Write a checkpoint folder whole, in the place of an older one.

    Args:
        folder: the folder.
        beside: a folder on the same disk to write in before.
        checkpoint: what the run began with.
        model: the whole body.
        head: its projection.
        request: what made it.
        facts: what came of it, for the record.
        history: one row an update.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save_file

    with refusals(folder):
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
        names = [CONFIG, PREPROCESSOR, WEIGHTS, HEAD, HISTORY]
        for name in names:
            sync(beside / name)
        write_record(beside / RECORD, request, names, facts, *_LIBRARIES)
        replace_folder(folder, beside)


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

"""The folder that fine-tuning writes: a Hugging Face checkpoint with the projection beside it.

``finetune.json`` says what made it. It holds three digests: ``digest`` of the files that a feature
is computed with, ``history`` of the table of losses, and ``record`` of everything else in it. Of
schema 1, which had the first alone, only that is checked.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asd.atomic import refusals, replace_folder, restore, sync
from asd.errors import AsdError, JobError, UsageError
from asd.features.checkpoint import CONFIG, PREPROCESSOR, WEIGHTS, files_digest
from asd.features.projection import HEAD, Head
from asd.features.wav2vec2 import Checkpoint

RECORD = "finetune.json"
HISTORY = "history.csv"
SCHEMA = 2
MEANINGFUL = (CONFIG, PREPROCESSOR, WEIGHTS, HEAD)


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``finetune.json`` and check that it and the files beside it are what was written.

    Raises:
        UsageError: there is none.
        JobError: something is damaged or of another schema.
    """
    restore(folder)
    path = folder / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] not in (1, SCHEMA):
            raise ValueError(f"schema {record['schema']}, this version reads {SCHEMA}")
        if record["digest"] != files_digest(folder, MEANINGFUL):
            raise ValueError("its files are not what was written")
        if record["schema"] == SCHEMA or {"history", "record"} & record.keys():
            if record["record"] != _digest_of(record):
                raise ValueError("its contents do not have the digest that was recorded")
            if record["history"] != _sha256(folder / HISTORY):
                raise ValueError(f"{HISTORY} is not what was written")
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: no such file; run 'asd finetune' first") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise JobError(
            f"{path}: not a readable checkpoint ({reason}); delete it and run 'asd finetune'"
        ) from None
    return record


def is_current(folder: Path, identity: str) -> bool:
    """Return whether ``folder`` holds, unharmed, what the run ``identity`` gives."""
    try:
        return bool(read_record(folder).get("identity") == identity)
    except AsdError:
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
        files = {
            "schema": SCHEMA,
            "digest": files_digest(beside, MEANINGFUL),
            "history": _sha256(beside / HISTORY),
        }
        _write_json(beside / RECORD, record | files | {"record": _digest_of(record | files)})
        for path in sorted(beside.iterdir()):
            sync(path)
        replace_folder(folder, beside)


def _digest_of(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record but for this digest itself, hexadecimal."""
    rest = {key: value for key, value in record.items() if key != "record"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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

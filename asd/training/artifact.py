"""A trained model on disk: weights, what it is and what made it, and the history of its training.

``weights.safetensors`` holds the tensors, ``model.json`` everything else: the request (all that
decides the result), the digest of the weights, and the versions it was made with.
"""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd import __version__
from asd.config import settings
from asd.errors import JobError, UsageError
from asd.models import NETWORKS
from asd.store.atomic import remove, replacing
from asd.store.digest import canonical_json, sha256_bytes, sha256_json

if TYPE_CHECKING:
    import torch
    from torch import nn

SCHEMA = 1
WEIGHTS, RECORD, HISTORY = "weights.safetensors", "model.json", "history.csv"
_LIBRARIES = ("numpy", "safetensors", "torch")


@dataclass(frozen=True)
class Trained:
    """A model read back.

    Attributes:
        network: the network with its weights, in evaluation mode.
        record: the content of ``model.json``.
    """

    network: nn.Module
    record: dict[str, Any]

    @property
    def digest(self) -> str:
        """The digest that a bank made with this model names."""
        return str(self.record["digest"])


def build_network(request: Mapping[str, Any]) -> nn.Module:
    """Build the network that a request describes, with fresh weights."""
    kind = NETWORKS[request["model"]["network"]]
    network: nn.Module = kind(
        shapes={name: tuple(shape) for name, shape in request["shapes"].items()},
        classes=len(request["classes"]),
        attributes=len(request["attribute_classes"]) if request["attribute_head"] else 0,
        settings=settings(kind.Settings, request["model"]["settings"], "models: settings"),
    )
    return network


def write_model(
    folder: Path,
    network: nn.Module,
    request: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> None:
    """Write a trained model; ``model.json`` comes last and vouches for the rest."""
    # A half-replaced model must not look whole.
    remove(folder / RECORD)
    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    with replacing(folder / WEIGHTS) as beside:
        save_tensors(tensors, beside)
    with replacing(folder / HISTORY) as beside:
        beside.write_text(_table(history), encoding="utf-8")
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "request": dict(request),
        "weights": sha256_bytes((folder / WEIGHTS).read_bytes()),
        "last": dict(history[-1]) if history else {},
        "versions": {
            "asd": __version__,
            "python": platform.python_version(),
            **{library: version(library) for library in _LIBRARIES},
        },
    }
    record["digest"] = sha256_json(record)
    with replacing(folder / RECORD) as beside:
        beside.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def save_tensors(
    tensors: Mapping[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None
) -> None:
    """Write tensors as safetensors; a full disk is an OSError as everywhere else."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path, metadata=metadata)
    except SafetensorError as error:
        raise OSError(" ".join(str(error).split())) from error


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``model.json`` and check that it and the weights are what was written.

    Raises:
        UsageError: there is no model.
        JobError: the model is damaged or of another schema.
    """
    path = folder / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            raise ValueError(f"schema {record['schema']}, this version reads {SCHEMA}")
        rest = {key: value for key, value in record.items() if key != "digest"}
        if sha256_json(rest) != record["digest"]:
            raise ValueError("its contents do not have the digest that was recorded")
        if sha256_bytes((folder / WEIGHTS).read_bytes()) != record["weights"]:
            raise ValueError(f"{WEIGHTS} are not the ones that were written")
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: no such model; run 'asd train' first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise JobError(
            f"{path}: not a readable model ({reason}); delete it and run 'asd train'"
        ) from None
    return record


def load_model(folder: Path) -> Trained:
    """Read a trained model; see :func:`read_record` for the errors."""
    from safetensors.torch import load_file

    record = read_record(folder)
    network = build_network(record["request"])
    try:
        network.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise JobError(f"{folder / WEIGHTS}: does not fit its network ({reason})") from None
    return Trained(network.eval(), record)


def is_current(folder: Path, request: Mapping[str, Any]) -> bool:
    """Return whether the folder holds the whole model of exactly this request."""
    try:
        record = read_record(folder)
    except (UsageError, JobError):
        return False
    whole = (folder / HISTORY).exists()
    return whole and canonical_json(record["request"]) == canonical_json(request)


def _table(history: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    if history:
        writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    return text.getvalue()

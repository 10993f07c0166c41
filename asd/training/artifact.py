"""A trained model on disk: weights, what it is and what made it, and the history of its training.

``weights.safetensors`` holds the tensors, ``model.json`` everything else: the request (all that
decides the result), the digests of the weights and of the history (which models of before it was
recorded do not name), the versions it was made with, and the digest of all of this.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.atomic import remove, replacing
from asd.config import settings
from asd.errors import JobError, UsageError
from asd.models import NETWORKS
from asd.store.digest import canonical_json, sha256_bytes, sha256_json
from asd.versions import tell_drift, versions

if TYPE_CHECKING:
    from torch import nn

SCHEMA = 1
WEIGHTS, RECORD, HISTORY = "weights.safetensors", "model.json", "history.csv"
_NO_HISTORY = ("epoch", "loss")
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
    """Build the network that a request describes, with fresh weights.

    Raises:
        UsageError: its settings or its head are impossible, or it has no head to choose.
    """
    kind = NETWORKS[request["model"]["network"]]
    head = request["model"].get("head", {})
    only: dict[str, Any] = {}
    if kind.kind == "classifier":
        recipes = request.get("recipes", {}).items()
        origins = {name: recipe["extractor"] for name, recipe in recipes if "extractor" in recipe}
        only = {"head": head, "extractors": origins}
    elif head:
        raise UsageError(
            f"models: head: the network '{request['model']['network']}' has no head to choose;"
            " leave it out"
        )
    # The order decides what each weight is for; a record that was read back has its keys sorted.
    order = request["model"].get("features", request["shapes"])
    network: nn.Module = kind(
        shapes={name: tuple(request["shapes"][name]) for name in order},
        classes=len(request["classes"]),
        attributes=len(request["attribute_classes"]) if request["attribute_head"] else 0,
        settings=settings(kind.Settings, request["model"]["settings"], "models: settings"),
        **only,
    )
    return network


def write_model(
    folder: Path,
    network: nn.Module,
    request: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> None:
    """Write a trained model; ``model.json`` comes last and vouches for the rest."""
    from safetensors.torch import save_file

    # A half-replaced model must not look whole.
    remove(folder / RECORD)
    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    with replacing(folder / WEIGHTS) as beside:
        save_file(tensors, beside)
    with replacing(folder / HISTORY) as beside:
        beside.write_text(_table(history), encoding="utf-8")
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "request": dict(request),
        "weights": sha256_bytes((folder / WEIGHTS).read_bytes()),
        "history": sha256_bytes((folder / HISTORY).read_bytes()),
        "last": dict(history[-1]) if history else {},
        "versions": versions(*_LIBRARIES),
    }
    record["digest"] = sha256_json(record)
    with replacing(folder / RECORD) as beside:
        beside.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``model.json`` and check that it and the weights are what was written.

    The history is not looked at (see :func:`is_history_whole`): nothing is computed from it.

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
    """Read a trained model; see :func:`read_record` for the errors.

    Versions that differ from those that it was trained with are said on standard error.

    Example:
        >>> trained = load_model(Path("data/models/both/pump"))
        >>> trained.record["request"]["classes"], trained.network.training
        (['00', '02'], False)
    """
    from safetensors.torch import load_file

    record = read_record(folder)
    tell_drift("model", record.get("versions"))
    network = build_network(record["request"])
    try:
        network.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise JobError(f"{folder / WEIGHTS}: does not fit its network ({reason})") from None
    return Trained(network.eval(), record)


def is_history_whole(folder: Path, record: Mapping[str, Any]) -> bool:
    """Return whether the history is there, and what was written with the record of its model."""
    try:
        data = (folder / HISTORY).read_bytes()
    except FileNotFoundError:
        return False
    return "history" not in record or sha256_bytes(data) == record["history"]


def is_current(folder: Path, request: Mapping[str, Any]) -> bool:
    """Return whether the folder holds the whole model of exactly this request."""
    try:
        record = read_record(folder)
    except (UsageError, JobError):
        return False
    whole = is_history_whole(folder, record)
    return whole and canonical_json(record["request"]) == canonical_json(request)


def _table(history: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]) if history else _NO_HISTORY, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()

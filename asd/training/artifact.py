"""What training writes: models, and fine-tuned checkpoints.

A model is ``weights.safetensors``; a checkpoint is a folder as Hugging Face has it, with the
projection beside it. Both have a ``history.csv`` with a row a round, and a record
(:mod:`asd.artifact`) with the request, which is all that decides the weights.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from asd.artifact import RECORD, Record, Request, making, read_record, tell_drift
from asd.atomic import refusals, replace_folder, restore
from asd.config import Channel, PseudoLabels, settings
from asd.errors import JobError, UsageError, one_line
from asd.models import NETWORKS, kind_of

if TYPE_CHECKING:
    from torch import nn

    from asd.features.checkpoint import Checkpoint
    from asd.features.projection import Head

WEIGHTS, HISTORY = "weights.safetensors", "history.csv"
_LIBRARIES = ("numpy", "safetensors", "torch")


class ModelRequest(Request):
    """Everything that decides a model.

    Attributes:
        version: of the training; raised whenever the same request would give other weights.
        machine: the machine type, ``"all"`` for a joint model.
        machines: those of a joint model, in their order; ``()`` otherwise.
        model: features, network, head, losses and classes, as in the params.
        train: the settings of training that the objective reads, the precision as asked for;
            ``{}`` where nothing is learned.
        inputs: by feature and section, the identities of the shards.
        further: of what is read beside, ``"supplemental"`` clips or what makes ``"pseudo"`` labels,
            the identities likewise.
        shapes: the shape of one row of each feature.
        recipes: of each feature; with these a clip can be scored where there is no store.
        task: what the primary classes are.
        classes, attribute_classes: their names.
        attribute_head: whether there is one.
        plugins: by name, whose the network and the head are, if they are not of this package.
        lengths: of a joint model the samples of a clip of each machine, where they differ; shapes
            and recipes are those of the shortest and of the first.
    """

    kind: ClassVar[str] = "model"
    verb: ClassVar[str] = "train"

    version: int
    machine: str
    machines: tuple[str, ...]
    model: dict[str, Any]
    train: dict[str, Any]
    inputs: dict[str, dict[str, str]]
    shapes: dict[str, tuple[int, ...]]
    recipes: dict[str, dict[str, Any]]
    task: str
    classes: tuple[str, ...]
    attribute_classes: tuple[str, ...]
    attribute_head: bool
    plugins: dict[str, str] = Field({})
    further: dict[str, dict[str, dict[str, str]]] = Field({})
    lengths: dict[str, int] = Field({})

    def to_json(self) -> dict[str, Any]:
        """Return the request as the record holds it; lengths only where they differ."""
        values = super().to_json()
        if not self.lengths:
            del values["lengths"]
        return values

    @property
    def features(self) -> tuple[str, ...]:
        """The features that are read, in the order that decides what each weight is for."""
        return tuple(self.model["features"])

    @property
    def pseudo(self) -> PseudoLabels | None:
        """What makes pseudo-labels for it, if anything does."""
        given = self.model.get("pseudo")
        return PseudoLabels.model_validate(given) if given else None

    def recipes_of(self, machine: str) -> dict[str, dict[str, Any]]:
        """Return the recipe of each feature for the clips of a machine, which have a length."""
        if machine not in self.lengths:
            return self.recipes
        length = {"length": self.lengths[machine]}
        return {
            feature: {**recipe, "signal": {**recipe["signal"], **length}}
            for feature, recipe in self.recipes.items()
        }

    def inputs_of(self, machine: str) -> dict[str, dict[str, str]]:
        """Return the identities of a machine's shards, by feature and section."""
        if not self.machines:
            return self.inputs
        prefix = f"{machine}/"
        return {
            feature: {
                section.removeprefix(prefix): identity
                for section, identity in of.items()
                if section.startswith(prefix)
            }
            for feature, of in self.inputs.items()
        }


@dataclass(frozen=True)
class Trained:
    """A model read back.

    Attributes:
        network: the network with its weights, in evaluation mode.
        request: what made it.
        record: the record that vouches for it.
    """

    network: nn.Module
    request: ModelRequest
    record: Record

    @property
    def digest(self) -> str:
        """What is made with this model names it by this."""
        return self.record.digest


def build_network(request: ModelRequest) -> nn.Module:
    """Build the network that a request describes, with fresh weights.

    Raises:
        UsageError: its settings or its head are impossible, or it has no head to choose.
    """
    name = request.model["network"]
    kind = NETWORKS[name]
    head = request.model["head"]
    only: dict[str, Any] = {}
    if kind_of(name) == "classifier":
        origins = {
            feature: recipe["extractor"]
            for feature, recipe in request.recipes.items()
            if "extractor" in recipe
        }
        only = {"head": head, "extractors": origins}
    elif head:
        raise UsageError(f"models: head: the network '{name}' has no head to choose; leave it out")
    return kind(
        shapes={feature: request.shapes[feature] for feature in request.features},
        classes=len(request.classes),
        attributes=len(request.attribute_classes) if request.attribute_head else 0,
        settings=settings(kind.Settings, request.model["settings"], "models: settings"),
        **only,
    )


def write_model(
    path: Path,
    network: nn.Module,
    request: ModelRequest,
    history: Sequence[Mapping[str, Any]],
    computed: Mapping[str, str],
) -> None:
    """Write a trained model and its record at ``path``, which comes last and vouches for it.

    ``computed`` says on which device it was trained and in which precision, if it was.
    """
    from safetensors.torch import save_file

    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    with making(path, request, *_LIBRARIES) as made:
        with made.file(WEIGHTS) as beside:
            save_file(tensors, beside)
        made.text(HISTORY, _table(history))
        made.facts["computed"] = dict(computed)
        made.facts["last"] = dict(history[-1]) if history else {}


def load_model(path: Path) -> Trained:
    """Read a trained model by its record.

    Versions that differ from those that it was trained with are said on standard error.

    Raises:
        UsageError: there is no model.
        JobError: it is damaged or of another schema.

    Example:
        >>> trained = load_model(Path("data/models/both/pump/record.json"))
        >>> trained.request.classes, trained.network.training
        (('00', '02'), False)
    """
    from safetensors.torch import load_file

    record = read_record(path, ModelRequest)
    request = record.asked(ModelRequest)
    weights = record.file(WEIGHTS)
    tell_drift("model", record.versions)
    network = build_network(request)
    try:
        network.load_state_dict(load_file(weights), strict=True)
    except RuntimeError as error:
        raise JobError(f"{weights}: does not fit its network ({one_line(error)})") from None
    return Trained(network.eval(), request, record)


class CheckpointRequest(Request):
    """Everything that decides a fine-tuned checkpoint.

    Attributes:
        version: of the fine-tuning; raised whenever the same request would give other weights.
        base: ``name`` of what it begins with, and ``digest`` of its weights.
        params: the parameters that decide something (:func:`asd.training.finetune.meant`).
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
        history: a row an update.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save_file

    from asd.features.checkpoint import CONFIG, PREPROCESSOR
    from asd.features.checkpoint import WEIGHTS as BODY
    from asd.features.projection import HEAD

    config = checkpoint.config | {"architectures": [type(model).__name__]}
    config.pop("_name_or_path", None)  # may be a path of this machine
    config.pop("add_adapter", None)
    kind = checkpoint.kind
    weights = {
        kind.stored_as(key): value.cpu().contiguous() for key, value in model.state_dict().items()
    }
    with making(beside / RECORD, request, *_LIBRARIES, "transformers") as made:
        for name, values in ((CONFIG, config), (PREPROCESSOR, kind.front)):
            text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
            made.text(name, text + "\n")
        with made.file(BODY) as part:
            save_file(weights, part, metadata={"format": "pt"})
        with made.file(HEAD) as part:
            head.write(part)
        made.text(HISTORY, _table(history))
        made.facts |= facts
    with refusals(folder):
        replace_folder(folder, beside)


def _table(history: Sequence[Mapping[str, Any]]) -> str:
    columns = dict.fromkeys(key for row in history for key in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns) or ["epoch", "loss"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()

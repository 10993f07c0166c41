"""The file beside a checkpoint that says how its hidden frames become a feature of F rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asd.errors import UsageError

HEAD = "asd_head.safetensors"
SCHEMA = 1


@dataclass(frozen=True)
class Projection:
    """A linear map from a hidden layer (H wide), or a mix of layers, to F rows.

    Attributes:
        weight: (F, H) float32.
        bias: (F,) float32.
        layer: the hidden layer that is read, or None for a mix of all.
        mix: logits (n + 1,) float32 of the mix; None where one layer is read.
    """

    weight: np.ndarray
    bias: np.ndarray
    layer: int | None
    mix: np.ndarray | None = None


@dataclass(frozen=True)
class HeadInfo:
    """What the header of the file says.

    Attributes:
        layer: the layer that fine-tuning chose, or None where it learned a mix.
        layers: transformer layers n of the checkpoint.
        hidden: width of the transformer, H.
        rows: rows of the feature, F.
    """

    layer: int | None
    layers: int
    hidden: int
    rows: int


@dataclass(frozen=True)
class Head:
    """All that the file holds.

    Attributes:
        tuned: the projection that fine-tuning chose.
        pca_weight: principal components of every layer, (n + 1, F, H) float32.
        pca_bias: (n + 1, F) float32.
        extra: what fine-tuning needed besides, such as its classifiers.
    """

    tuned: Projection
    pca_weight: np.ndarray
    pca_bias: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the file."""
        from safetensors.numpy import save_file

        tensors = {f"extra.{name}": value for name, value in self.extra.items()}
        tensors |= {"projection.weight": self.tuned.weight, "projection.bias": self.tuned.bias}
        tensors |= {"pca.weight": self.pca_weight, "pca.bias": self.pca_bias}
        if self.tuned.mix is not None:
            tensors["mix"] = self.tuned.mix
        # One entry: safetensors writes several in an order that changes from run to run.
        header = {"schema": SCHEMA, "layer": self.tuned.layer}
        ordered = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
        save_file(ordered, path, metadata={"asd": json.dumps(header)})


def read_head_info(folder: Path) -> HeadInfo:
    """Read the header of a checkpoint's projection file; no array is read.

    Raises:
        UsageError: it is missing, damaged or of another version.
    """
    with _opened(folder) as file:
        layer = _header(file)["layer"]
        states, rows, hidden = file.get_slice("pca.weight").get_shape()
        return HeadInfo(layer, states - 1, hidden, rows)


def read_projection(folder: Path, layer: int | None, pca: bool) -> Projection:
    """Read the projection of a checkpoint.

    Args:
        folder: the checkpoint.
        layer: the hidden layer to read; None for what fine-tuning chose.
        pca: take the principal components of the layer even where fine-tuning trained another map
            of it. A layer that fine-tuning did not choose has its principal components alone.

    Raises:
        UsageError: as for :func:`read_head_info`, or principal components of a mix are wanted.
    """
    info = read_head_info(folder)
    if layer is None:
        layer = info.layer
    with _opened(folder) as file:
        if layer == info.layer and not pca:
            mix = file.get_tensor("mix") if layer is None else None
            weight, bias = (file.get_tensor(f"projection.{name}") for name in ("weight", "bias"))
            return Projection(weight, bias, layer, mix)
        if layer is None:
            raise UsageError(f"{folder}: a mix has no principal components; name one layer")
        weight, bias = (file.get_slice(f"pca.{name}")[layer] for name in ("weight", "bias"))
        return Projection(weight, bias, layer)


@contextmanager
def _opened(folder: Path) -> Iterator[Any]:
    """Open the projection file of a checkpoint for reading."""
    from safetensors import SafetensorError, safe_open

    path = folder / HEAD
    if not path.is_file():
        raise UsageError(
            f"{path}: no projection for this checkpoint; run 'asd finetune' with it as"
            " finetune.base, and finetune.objectives: none to leave its weights as they are"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            if _header(file).get("schema") != SCHEMA:
                raise UsageError(f"{path}: of another version; run 'asd finetune' again")
            yield file
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path}: damaged ({error}); run 'asd finetune' again") from None


def _header(file: Any) -> dict[str, Any]:
    return json.loads((file.metadata() or {}).get("asd", "{}"))

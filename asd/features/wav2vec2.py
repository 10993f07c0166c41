"""Checkpoints of the wav2vec 2.0 family: described, digested, and loaded without a silent gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asd.atomic import restore
from asd.errors import UsageError
from asd.features.checkpoint import (
    CONFIG,
    OPTIONAL,
    PICKLED_WEIGHTS,
    PREPROCESSOR,
    WEIGHTS,
    WEIGHTS_INDEX,
    check_layer,
    check_signal,
    check_weights,
    read_json,
)
from asd.features.timing import FrameGrid
from asd.native import import_torchaudio

if TYPE_CHECKING:
    import torch

FAMILY = ("data2vec-audio", "hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm")

# Older files name the two parts of a weight-normalised convolution this way. transformers warns at
# most when it does not find the new names, and goes on with random positions.
_RENAMED = {
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a checkpoint folder before any weight is read.

    Attributes:
        folder: where it lies.
        config: the content of config.json.
        model_type: one of :data:`FAMILY`.
        layers: transformer layers, n.
        hidden: width of the transformer, H.
        grid: the frames of the convolutional encoder.
        sample_rate: rate in Hz that the model was trained at.
        normalize: whether each clip is brought to mean 0 and variance 1 first.
    """

    folder: Path
    config: dict[str, Any]
    model_type: str
    layers: int
    hidden: int
    grid: FrameGrid
    sample_rate: int
    normalize: bool

    @classmethod
    def of(cls, folder: Path, config: dict[str, Any], front: Mapping[str, Any]) -> Checkpoint:
        """Return what config.json and preprocessor_config.json (empty if there is none) say.

        A value that is left out is the family's default, that of the base model.

        Raises:
            TypeError, ValueError: a value is impossible.
        """
        return cls(
            folder=folder,
            config=config,
            model_type=config["model_type"],
            layers=int(config.get("num_hidden_layers", 12)),
            hidden=int(config.get("hidden_size", 768)),
            grid=FrameGrid.of(
                config.get("conv_kernel", (10, 3, 3, 3, 3, 2, 2)),
                config.get("conv_stride", (5, 2, 2, 2, 2, 2, 2)),
            ),
            sample_rate=int(front.get("sampling_rate", 16000)),
            normalize=bool(front.get("do_normalize", True)),
        )

    def check_signal(self, sample_rate: int, length: int) -> None:
        """Check that the model can read clips of ``length`` samples at ``sample_rate``.

        Raises:
            UsageError: another sample rate, or clips shorter than one frame.
        """
        check_signal(self.folder, "checkpoint", self.grid, self.sample_rate, sample_rate, length)

    def check_layer(self, layer: int) -> None:
        """Check that a hidden layer exists: 0 is the input of the transformer, n its output.

        Raises:
            UsageError: it does not.
        """
        check_layer(self.folder, layer, self.layers)


def describe(folder: Path) -> Checkpoint:
    """Read what a checkpoint folder says of itself; imports no torch.

    Raises:
        UsageError: there is no such checkpoint, it is damaged, or it is of another family.
    """
    restore(folder)
    if not (folder / CONFIG).is_file():
        raise UsageError(
            f"{folder}: no checkpoint ({CONFIG} is missing); 'asd finetune' writes one"
        )
    config = read_json(folder / CONFIG)
    preprocessor = folder / PREPROCESSOR
    front = read_json(preprocessor) if preprocessor.is_file() else {}
    model_type = config.get("model_type")
    if model_type not in FAMILY:
        raise UsageError(
            f"{folder}: model_type {model_type!r} is not of the wav2vec 2.0 family;"
            f" known: {', '.join(FAMILY)}"
        )
    try:
        return Checkpoint.of(folder, config, front)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{folder / CONFIG}: not a wav2vec 2.0 configuration ({error})") from None


def read_weights(checkpoint: Checkpoint, allow_pickle: bool = False) -> dict[str, torch.Tensor]:
    """Read all weights of a checkpoint by name.

    Args:
        checkpoint: where they lie.
        allow_pickle: whether weights that exist as a pickle alone may be read.

    Raises:
        UsageError: there are no weights, they are damaged, or they are a pickle that is not wanted.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = checkpoint.folder
    try:
        if (folder / WEIGHTS).is_file():
            return load_file(folder / WEIGHTS)
        if (folder / WEIGHTS_INDEX).is_file():
            parts = sorted(set(read_json(folder / WEIGHTS_INDEX)["weight_map"].values()))
            return {key: value for p in parts for key, value in load_file(folder / p).items()}
    except (SafetensorError, OSError, KeyError) as error:
        raise UsageError(f"{folder}: damaged weights ({error}); fetch them again") from None
    return _read_pickle(folder, allow_pickle)


def _read_pickle(folder: Path, allow_pickle: bool) -> dict[str, torch.Tensor]:
    import torch

    check_weights(folder, allow_pickle, "finetune.allow_pickle")
    path = folder / PICKLED_WEIGHTS
    try:
        weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path}: not a file of plain weights ({reason})") from None
    return weights


def load_model(checkpoint: Checkpoint, weights: dict[str, torch.Tensor]) -> Any:
    """Build the body of the model (no head) with ``weights`` in float32, in evaluation mode.

    LayerDrop and the library's own masking are switched off: both are random, and whoever trains
    passes a mask.

    Raises:
        UsageError: a weight of the body is missing, unexpected or of another shape, or the
            configuration is impossible.
    """
    import torch

    where = str(checkpoint.folder / CONFIG)
    model = build_model(checkpoint.config, where, device="meta")
    body, _ = split_weights(model.base_model_prefix, weights)
    _check_keys(checkpoint.folder, model, body)
    if set(model.state_dict()) <= set(body):
        # Copies, since a file that is mapped into memory puts them at any address, and the last bit
        # of a product depends on that.
        own = {key: value.to(torch.float32, copy=True) for key, value in body.items()}
        model.load_state_dict(own, strict=False, assign=True)
        return model
    # Something optional is missing: it has the fresh value.
    model = build_model(checkpoint.config, where)
    model.load_state_dict(body, strict=False)
    return model


def build_model(
    config: dict[str, Any], where: str, seed: int = 0, device: Literal["cpu", "meta"] = "cpu"
) -> Any:
    """Build the body of a model from ``config`` with fresh weights drawn from ``seed``.

    Args:
        config: what ``config.json`` of a checkpoint says.
        where: the place of the configuration, for the message.
        seed: of the weights.
        device: ``"meta"`` draws none, which takes a hundredth of the time: the model has shapes
            alone until weights are assigned to it.

    Raises:
        UsageError: the configuration, which lies at ``where``, is impossible.
    """
    import_torchaudio()
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING, AutoModel

    own = {key: value for key, value in config.items() if key not in ("model_type", "add_adapter")}
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        try:
            typed = CONFIG_MAPPING[config["model_type"]](**own)
            # The mask embedding exists where this is positive, and masked training needs it.
            typed.mask_time_prob = 0.05
            model = AutoModel.from_config(typed, dtype=torch.float32)
        except (StrictDataclassError, TypeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"{where}: not a configuration that can be built ({reason})") from None
    model.config.layerdrop = 0.0
    model.config.mask_time_prob = model.config.mask_feature_prob = 0.0
    model.config.apply_spec_augment = True
    return model.eval()


def split_weights(
    prefix: str, weights: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Split weights into body and head, under the names that today's library uses.

    A file of a model with a head names the weights of the body ``<prefix>.<name>``; a file of a
    body alone has no prefix anywhere.
    """
    renamed = {}
    for name, value in weights.items():
        ending = next((old for old in _RENAMED if name.endswith(old)), None)
        renamed[name.removesuffix(ending) + _RENAMED[ending] if ending else name] = value
    inside = f"{prefix}."
    if not any(name.startswith(inside) for name in renamed):
        body, head = renamed, {}
    else:
        body = {k.removeprefix(inside): v for k, v in renamed.items() if k.startswith(inside)}
        head = {k: v for k, v in renamed.items() if not k.startswith(inside)}
    # An adapter comes after the last layer and is never read here.
    return {k: v for k, v in body.items() if not k.startswith("adapter.")}, head


def _check_keys(folder: Path, model: Any, body: dict[str, torch.Tensor]) -> None:
    wanted = model.state_dict()
    faults = {
        "missing": sorted(set(wanted) - set(body) - OPTIONAL),
        "unexpected": sorted(set(body) - set(wanted) - OPTIONAL),
        "of another shape": sorted(
            key for key in set(wanted) & set(body) if wanted[key].shape != body[key].shape
        ),
    }
    said = []
    for fault, keys in faults.items():
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            said.append(f"{fault}: {', '.join(keys[:3])}{more}")
    if said:
        raise UsageError(
            f"{folder}: the weights do not fit {CONFIG} ({'; '.join(said)});"
            " take a checkpoint that save_pretrained wrote"
        )

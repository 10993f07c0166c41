"""Checkpoints of any audio encoder: found by name, and their weights read without a silent gap.

A name is that of a local folder, or of a repository of the Hugging Face hub.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asd.atomic import restore
from asd.errors import UsageError
from asd.features.timing import FrameGrid
from asd.native import import_torchaudio

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
PICKLED_WEIGHTS = "pytorch_model.bin"
# Read during masked training alone; many published checkpoints leave it out.
OPTIONAL = frozenset({"masked_spec_embed"})
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_PATTERNS = (CONFIG, PREPROCESSOR, WEIGHTS, WEIGHTS_INDEX, "model-*.safetensors")


def find_folder(name: str, revision: str, allow_pickle: bool, ways_out: str) -> Path:
    """Return the folder of a checkpoint; from the hub it is fetched, unless it was before.

    Args:
        name: a local folder, or a name on the hub.
        revision: branch, tag or commit on the hub.
        allow_pickle: whether to fetch weights that exist as a pickle alone.
        ways_out: what the user can do instead, for error messages.

    Raises:
        UsageError: there is no such checkpoint, or it is on the hub and neither there nor in the
            local cache can it be reached.
    """
    restore(Path(name))
    if Path(name).is_dir():
        return Path(name)
    if not _HUB_NAME.fullmatch(name):
        raise UsageError(f"{name}: no such checkpoint folder; {ways_out}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    patterns = [*_PATTERNS, PICKLED_WEIGHTS] if allow_pickle else list(_PATTERNS)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except RepositoryNotFoundError:
        raise UsageError(f"{name}: no local folder and no model on the hub; {ways_out}") from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise UsageError(
            f"{name}: no local folder, not in the local cache, and the hub cannot be reached"
            f" ({type(error).__name__}); {ways_out}"
        ) from None


def weight_files(folder: Path) -> list[str]:
    """Return the names of the files of a checkpoint that decide what it computes."""
    parts = [path.name for path in folder.glob("*.safetensors")]
    return sorted({CONFIG, PREPROCESSOR, WEIGHTS_INDEX, PICKLED_WEIGHTS, *parts})


def files_digest(folder: Path, names: Iterable[str]) -> str:
    """Return the SHA-256 over the names and bytes of those of the files that exist."""
    digest = hashlib.sha256()
    for name in sorted(names):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(
                    f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
                )
    return digest.hexdigest()


def has_safetensors(folder: Path) -> bool:
    """Return whether the weights of a checkpoint are there in the form that holds no code."""
    return (folder / WEIGHTS).is_file() or (folder / WEIGHTS_INDEX).is_file()


def check_weights(folder: Path, allow_pickle: bool, setting: str) -> None:
    """Check that there are weights, and that they may be read.

    Args:
        folder: the checkpoint.
        allow_pickle: whether weights that exist as a pickle alone may be read.
        setting: what says so, for error messages.

    Raises:
        UsageError: there are none, or they are a pickle that is not wanted.
    """
    if has_safetensors(folder):
        return
    path = folder / PICKLED_WEIGHTS
    if not path.is_file():
        raise UsageError(
            f"{folder}: no weights ({WEIGHTS} is missing); where they are published as a pickle"
            f" alone, set {setting} to true"
        )
    if not allow_pickle:
        raise UsageError(
            f"{path}: the weights are a pickle; set {setting} to true to read them"
            f" all the same, or put {WEIGHTS} beside it"
        )


def check_signal(
    folder: Path, called: str, grid: FrameGrid, wanted: int, sample_rate: int, length: int
) -> None:
    """Check that a network can read clips of ``length`` samples at ``sample_rate``.

    Args:
        folder: where it lies.
        called: what errors call it.
        grid: its frames.
        wanted: the rate in Hz that it was trained at.
        sample_rate: that of the clips.
        length: samples of a clip.

    Raises:
        UsageError: another sample rate, or clips shorter than one frame.
    """
    if sample_rate != wanted:
        raise UsageError(
            f"{folder}: the {called} wants {wanted} Hz and the clips have"
            f" {sample_rate} Hz; set index.sample_rate to {wanted}"
        )
    if grid.count(length) < 1:
        raise UsageError(
            f"{folder}: clips of {length} samples are shorter than the receptive field of"
            f" {grid.receptive_field} samples; set index.seconds to longer clips"
        )


def check_layer(folder: Path, layer: int, layers: int) -> None:
    """Check that a hidden layer exists: 0 is the input of the transformer, n its output.

    Raises:
        UsageError: it does not.
    """
    if not 0 <= layer <= layers:
        raise UsageError(f"{folder}: no layer {layer}; layers are 0 to {layers}")


def load_encoder(folder: Path) -> Any:
    """Load a model in float32 and evaluation mode by the library's own loader.

    The library knows the names that weights had in older files of each kind. What a file holds
    beside the model, such as a classifier, is left out.

    Raises:
        UsageError: weights are damaged, missing, of another shape, or left over.
    """
    import_torchaudio()
    import pickle

    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel

    try:
        with _quiet():
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            if getattr(config, "add_adapter", False):
                config.add_adapter = False  # it comes after the last layer
            model, found = AutoModel.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=has_safetensors(folder),
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        pickle.UnpicklingError,
        SafetensorError,
        StrictDataclassError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{folder}: not a checkpoint that can be read ({reason})") from None
    _check_found(folder, model, found)
    return model.eval()


def _check_found(folder: Path, model: Any, found: dict[str, Any]) -> None:
    """Refuse weights that the library made up, and those of the body that it had no place for."""
    parts = {name for name, _ in model.named_children()}
    prefix = f"{model.base_model_prefix}."
    faults = {
        "missing": sorted(set(found["missing_keys"]) - OPTIONAL),
        "unexpected": sorted(
            key
            for key in found["unexpected_keys"]
            if key.removeprefix(prefix).partition(".")[0] in parts
        ),
    }
    said = [f"{fault}: {', '.join(keys[:3])}" for fault, keys in faults.items() if keys]
    if said:
        raise UsageError(
            f"{folder}: the weights do not fit {CONFIG} ({'; '.join(said)});"
            " take a checkpoint that save_pretrained wrote"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from drawing bars and from reporting the heads that are left out."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: no JSON object in it")
    return values

"""Checkpoints of audio encoders: found by name, described, and read without a silent gap.

A name is that of a local folder, or of a repository of the Hugging Face hub. Weights are read by
the library, which knows the names that they had in older files of each kind.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.atomic import restore
from asd.errors import UsageError, one_line
from asd.features.kinds import KINDS, Kind
from asd.native import import_torchaudio

if TYPE_CHECKING:
    import torch

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
    parts = [path.name for path in (*folder.glob("*.safetensors"), *folder.glob("*.pt"))]
    return sorted({CONFIG, PREPROCESSOR, WEIGHTS_INDEX, PICKLED_WEIGHTS, *parts})


def files_digest(folder: Path, names: Iterable[str]) -> str:
    """Return the SHA-256 over the names and bytes of those of the files that exist."""
    digest = hashlib.sha256()
    for name in sorted(names):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


def has_safetensors(folder: Path) -> bool:
    """Return whether the weights of a checkpoint are there in the form that holds no code."""
    return (folder / WEIGHTS).is_file() or (folder / WEIGHTS_INDEX).is_file()


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a checkpoint before any weight is read.

    Attributes:
        folder: where it lies.
        config: the content of config.json.
        kind: of its encoder.
    """

    folder: Path
    config: dict[str, Any]
    kind: Kind

    @classmethod
    def of(cls, folder: Path, config: dict[str, Any], front: Mapping[str, Any]) -> Checkpoint:
        """Return what config.json and preprocessor_config.json (empty if there is none) say.

        Raises:
            UsageError: a value is impossible.
        """
        model_type = config["model_type"]
        try:
            kind = KINDS[model_type](config, front)
            assert kind.grid.stride > 0
        except (AssertionError, TypeError, ValueError, ArithmeticError) as error:
            raise UsageError(
                f"{folder / CONFIG}: not a configuration of {model_type} ({error})"
            ) from None
        return cls(folder, config, kind)

    def check_signal(self, sample_rate: int, length: int) -> None:
        """Check that the encoder can read clips of ``length`` samples at ``sample_rate``.

        Raises:
            UsageError: another sample rate, or clips shorter than one frame.
        """
        wanted, grid = self.kind.sample_rate, self.kind.grid
        if sample_rate != wanted:
            raise UsageError(
                f"{self.folder}: the checkpoint wants {wanted} Hz and the clips have"
                f" {sample_rate} Hz; set index.sample_rate to {wanted}"
            )
        if grid.count(length) < 1:
            raise UsageError(
                f"{self.folder}: clips of {length} samples are shorter than the receptive field of"
                f" {grid.receptive_field} samples; set index.seconds to longer clips"
            )

    def check_layer(self, layer: int) -> None:
        """Check that a hidden layer exists: 0 is the input of the transformer, n its output.

        Raises:
            UsageError: it does not.
        """
        last = self.kind.layers
        if not 0 <= layer <= last:
            raise UsageError(f"{self.folder}: no layer {layer}; layers are 0 to {last}")


def describe(folder: Path, ways_out: str, known: Collection[str] = KINDS) -> Checkpoint:
    """Read what a checkpoint folder says of itself; imports no torch where that is JSON.

    Args:
        folder: the checkpoint.
        ways_out: what the user can do where it is none, for error messages.
        known: the kinds that can be used.

    Raises:
        UsageError: there is no such checkpoint, it is damaged, or it is of another kind.
    """
    restore(folder)
    if not (folder / CONFIG).is_file() and _pickle_of(folder).suffix != ".pt":
        raise UsageError(f"{folder}: no checkpoint ({CONFIG} is missing); {ways_out}")
    config = _config(folder)
    front = read_json(folder / PREPROCESSOR) if (folder / PREPROCESSOR).is_file() else {}
    if config.get("model_type") not in known:
        raise UsageError(
            f"{folder}: model_type {config.get('model_type')!r} is no encoder that can be read"
            f" here; known: {', '.join(sorted(known))}"
        )
    return Checkpoint.of(folder, config, front)


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
    path = _pickle_of(folder)
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


def load_model(folder: Path, **settings: Any) -> tuple[Any, list[str]]:
    """Load the body of a model in float32 and evaluation mode by the library's own loader.

    LayerDrop and the library's own masking are switched off: both are random, and whoever trains
    passes a mask.

    Args:
        folder: the checkpoint.
        settings: more for the library, such as ``attn_implementation``.

    Returns:
        The model, and the names of what the file holds beside it, such as a classifier.

    Raises:
        UsageError: weights are damaged, missing, of another shape, or left over.
    """
    import_torchaudio()
    import torch
    from transformers import AutoConfig, AutoModel

    local = {"local_files_only": True, "trust_remote_code": False}
    with _library(str(folder)):
        config = AutoConfig.from_pretrained(folder, **local)
        _switch_off(config)
        model, found = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=has_safetensors(folder),
            ignore_mismatched_sizes=True,  # they are told below
            output_loading_info=True,
            **local,
            **settings,
        )
    own = {name for name, _ in model.named_children()}
    prefix = f"{model.base_model_prefix}."
    beside = {
        key
        for key in found["unexpected_keys"]
        if key.removeprefix(prefix).partition(".")[0] not in own
    }
    faults = {
        "missing": set(found["missing_keys"]) - OPTIONAL,
        "unexpected": set(found["unexpected_keys"]) - beside,
        "of another shape": {key for key, *_ in found["mismatched_keys"]},
    }
    check_fit(folder, CONFIG, faults, "take a checkpoint that save_pretrained wrote")
    for weight in (*model.parameters(), *model.buffers()):
        # A file that is mapped into memory puts them at any address, and the last bit of a product
        # depends on that.
        weight.data = weight.data.clone()
    model.config.mask_time_prob = 0.0
    return model.eval(), sorted(beside)


def check_fit(
    folder: Path, where: str, faults: Mapping[str, Collection[str]], way_out: str
) -> None:
    """Refuse weights of which some are at fault: what is wrong, and the tensors it is wrong with.

    Raises:
        UsageError: there is such a tensor.
    """
    said = [f"{fault}: {', '.join(sorted(keys)[:3])}" for fault, keys in faults.items() if keys]
    if said:
        raise UsageError(f"{folder}: the weights do not fit {where} ({'; '.join(said)}); {way_out}")


def build_model(config: Mapping[str, Any], where: str, seed: int = 0) -> Any:
    """Build the body of a model with fresh weights drawn from ``seed``.

    Args:
        config: what ``config.json`` of a checkpoint says.
        where: the place of the configuration, for the message.
        seed: of the weights.

    Raises:
        UsageError: the configuration is impossible.
    """
    import_torchaudio()
    import torch
    from transformers import CONFIG_MAPPING, AutoModel

    own = {key: value for key, value in config.items() if key != "model_type"}
    with _library(where, seed):
        typed = CONFIG_MAPPING[config["model_type"]](**own)
        _switch_off(typed)
        model = AutoModel.from_config(typed, dtype=torch.float32)
    model.config.mask_time_prob = 0.0
    return model.eval()


def read_tensors(folder: Path, names: Collection[str] | None = None) -> dict[str, torch.Tensor]:
    """Read tensors of a checkpoint, under the names that they have in its files.

    Args:
        folder: the checkpoint.
        names: which tensors; nothing for all.

    Raises:
        UsageError: the weights cannot be read.
    """
    from safetensors import safe_open

    found: dict[str, torch.Tensor] = {}
    with _library(str(folder)):
        for path in sorted(folder.glob("model*.safetensors")):
            with safe_open(path, framework="pt") as file:
                found |= {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if not has_safetensors(folder):
            weights = _unpickled(folder)
            found = weights.get("model", weights)
    return {key: value for key, value in found.items() if names is None or key in names}


def _pickle_of(folder: Path) -> Path:
    """Return where a pickle of weights would be: of the library's name, or the only ``.pt``."""
    others = [] if (folder / CONFIG).is_file() else list(folder.glob("*.pt"))
    return others[0] if len(others) == 1 else folder / PICKLED_WEIGHTS


def _unpickled(folder: Path) -> Any:
    import torch

    return torch.load(_pickle_of(folder), map_location="cpu", weights_only=True, mmap=True)


def _config(folder: Path) -> dict[str, Any]:
    """Read config.json, or what BEATs keeps beside its weights; no code of a pickle is run."""
    if (folder / CONFIG).is_file():
        return read_json(folder / CONFIG)
    with _library(str(folder)):
        return {"model_type": "beats", **_unpickled(folder)["cfg"]}


def _switch_off(config: Any) -> None:
    """Switch off what is random in training, and what comes after the last layer."""
    for key in ("layerdrop", "encoder_layerdrop", "mask_feature_prob"):
        if hasattr(config, key):
            setattr(config, key, 0.0)
    if hasattr(config, "mask_time_prob"):
        # The mask embedding exists where this is positive, and masked training needs it.
        config.mask_time_prob, config.apply_spec_augment = 0.05, True
    if getattr(config, "add_adapter", False):
        config.add_adapter = False


@contextmanager
def _library(where: str, seed: int = 0) -> Iterator[None]:
    """Let the library work without a word, with what it draws from ``seed``, and tell its errors.

    Raises:
        UsageError: the configuration or the weights at ``where`` cannot be read.
    """
    import pickle

    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    except (
        *(OSError, KeyError, TypeError, ValueError, RuntimeError),
        *(pickle.UnpicklingError, SafetensorError, StrictDataclassError),
    ) as error:
        reason = one_line(error)[:200]
        raise UsageError(f"{where}: not a checkpoint that can be read ({reason})") from None
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

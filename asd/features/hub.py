"""Checkpoints by name: a local folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from asd.atomic import restore
from asd.errors import UsageError
from asd.features.wav2vec2 import CONFIG, PICKLED_WEIGHTS, PREPROCESSOR, WEIGHTS, WEIGHTS_INDEX

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

"""Where the weights of a feature lie: the settings that no recipe tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asd.features.base import Extractor


def placement(kind: type[Extractor], values: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return the settings that say where an extractor's weights lie, as seen from here.

    Args:
        kind: the extractor.
        values: the feature's section of the params.
        root: the project's folder, which paths in the params are relative to.
    """
    fields, found = kind.Config.model_fields, {}
    if "checkpoint" in fields:
        place = values.get("checkpoint", fields["checkpoint"].default)
        found["checkpoint"] = str((root / str(place)).resolve())
    if "base" in fields:
        found = {key: values[key] for key in ("base", "revision", "allow_pickle") if key in values}
        folder = root / str(values.get("base", ""))
        if "base" in values and folder.is_dir():  # else a name on the hub
            found["base"] = str(folder.resolve())
    return found

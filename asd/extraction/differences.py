"""How what made an artifact differs from what would make it now, in a few words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def differences(was: Mapping[str, Any], now: Mapping[str, Any], shown: int = 3) -> str:
    """Say how two nested mappings differ, such as ``"config.hop 512 -> 256"``; ``""`` if not.

    Digests are named and not shown. A key that one of them has not counts as null.
    """
    before, after = _flat(was), _flat(now)
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    said = [
        f"another {key}"
        if any(_is_digest(values.get(key)) for values in (before, after))
        else f"{key} {_short(before.get(key))} -> {_short(after.get(key))}"
        for key in changed[:shown]
    ]
    more = [f"{len(changed) - shown} more"] if len(changed) > shown else []
    return ", ".join([*said, *more])


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and value.isalnum()


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."

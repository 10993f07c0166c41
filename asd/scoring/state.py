"""What a scorer has fitted, as JSON and named arrays, and back: no pickle, and no type from a file.

A fitted model is a frozen dataclass of numpy arrays, numbers, texts, settings, tuples and further
such dataclasses. What is read back takes its types from the annotations of the code alone.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from asd.config import Settings

_PLAIN = (str, int, float, bool, NoneType)


class Arrays(dict[str, np.ndarray]):
    """Named arrays, each kept once however often it is put in."""

    def put(self, values: np.ndarray) -> str:
        """Put an array in, and return the name that it has."""
        whole = np.ascontiguousarray(values)
        header = f"{whole.dtype.str}{whole.shape}".encode()
        name = hashlib.sha256(header + whole.tobytes()).hexdigest()[:32]
        self[name] = whole
        return name


def packed(value: Any, arrays: Arrays) -> Any:
    """Return a value as JSON, its arrays put into ``arrays``.

    Raises:
        TypeError: it holds something that is none of the above.
    """
    if isinstance(value, np.ndarray):
        return arrays.put(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Settings):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        return {f.name: packed(getattr(value, f.name), arrays) for f in fields(value)}
    if isinstance(value, tuple):
        return [packed(one, arrays) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"{type(value).__name__} cannot be kept in a detector")


def unpacked(kind: Any, value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return what :func:`packed` was given, of the annotated type ``kind``.

    Raises:
        LookupError, TypeError, ValueError: it is not of that type.
    """
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        if value is None:
            return None
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
        return unpacked(kind, value, arrays)
    if origin is tuple:
        return tuple(unpacked(get_args(kind)[0], one, arrays) for one in value)
    if origin is Literal or kind in _PLAIN:
        return float(value) if kind is float else value
    if kind is np.ndarray or origin is np.ndarray:
        return arrays[value]
    if isinstance(kind, type) and issubclass(kind, Settings):
        return kind.model_validate(value)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: unpacked(hints[name], one, arrays) for name, one in value.items()})  # type: ignore[operator]
    raise TypeError(f"{kind} cannot be read from a detector")

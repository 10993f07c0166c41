"""The base of every typed parameter set, types that several share, and their one-line errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asd.errors import UsageError, unknown_name

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")]


class Settings(BaseModel):
    """Base of every typed parameter set: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def settings(kind: type[Settings], values: Mapping[str, Any], where: str) -> Any:
    """Return ``kind(**values)``, with a one-line error naming ``where`` and the known keys.

    Raises:
        UsageError: an unknown key or an impossible value.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise _explain(kind, error, where) from None


def _explain(kind: type[Settings], error: ValidationError, where: str) -> UsageError:
    # A misspelt key is also a missing one; the misspelling is what the user can see.
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    location = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        owner = _model_at(kind, location[:-1])
        found = unknown_name("key", location[-1], owner.model_fields if owner else ())
        above = ".".join(location[:-1])
        return UsageError(f"{where}: {above + ': ' if above else ''}{found}")
    value = first.get("input")
    given = "" if first["type"] == "missing" else f", not {value!r}"
    return UsageError(f"{where}: {'.'.join(location)}: {first['msg']}{given}")


def _model_at(kind: type[Settings], location: list[str]) -> type[Settings] | None:
    """Return the model that holds the key below ``location``."""
    current: Any = kind
    for part in location:
        fields = getattr(current, "model_fields", None)
        if fields is not None:
            current = fields[part].annotation if part in fields else None
        else:  # a mapping of names to models
            current = next((a for a in get_args(current) if hasattr(a, "model_fields")), None)
    return current if hasattr(current, "model_fields") else None

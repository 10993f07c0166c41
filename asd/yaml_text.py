"""YAML text to plain values, and one error for text that is none."""

from __future__ import annotations

from typing import Any


def read_yaml(content: bytes) -> Any:
    """Return the values of a YAML document in UTF-8: mappings, lists, texts, numbers, dates.

    No tag makes an object of another kind.

    Raises:
        ValueError: it is not YAML; the message is one line of 200 characters or fewer.

    Example:
        >>> read_yaml(b"hop: 512")
        {'hop': 512}
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(content.decode("utf-8"))
    except (
        # A tag or a form that promises a number or a date fails in the library's and Python's own
        # parsers, in their own ways.
        *(YAMLError, ArithmeticError, AttributeError, LookupError),
        *(RecursionError, TypeError, ValueError),
    ) as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())[:190]}") from None

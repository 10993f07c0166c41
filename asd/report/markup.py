"""HTML and SVG built from elements, so that text from names and files is always escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

_VOID = frozenset({"br", "col", "hr", "img", "link", "meta"})


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"
Value = str | int | float | bool | None


def element(name: str, /, *children: Child, **attributes: Value) -> Markup:
    """Return one element.

    Args:
        name: the tag.
        children: text, which is escaped; :class:`Markup`, which is not; lists of both; or None.
        attributes: a trailing underscore is dropped (``class_``), other underscores become
            hyphens; True gives the bare attribute, None and False none.

    Example:
        >>> element("td", "a < b", class_="score", colspan=2)
        '<td class="score" colspan="2">a &lt; b</td>'
    """
    opened = f"<{name}{''.join(_attribute(k, v) for k, v in attributes.items())}>"
    return Markup(opened if name in _VOID else f"{opened}{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Return children one after another, escaped where they are not markup.

    Example:
        >>> joined("R&D ", element("b", "now"))
        'R&amp;D <b>now</b>'
    """
    return Markup("".join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str):
            yield html.escape(child, quote=False)
        elif child is not None:
            yield from _flat(child)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    # viewBox and its like are the only names with capitals, and keep them.
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'

"""YAML text to plain values, or to a document that is written back as a person laid it out.

:func:`read_round_trip` and :func:`write_round_trip` keep comments, order, quotes and the way that
nulls are written; :func:`set_value` changes one value and leaves what stands around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from io import StringIO
from typing import Any

from asd.errors import one_line

_MOST = 1_000_000
NULL = "!!null"  # how a null is written that nobody has written before

# The library takes the tag for one without a value, and loses the place of a comment behind it. A
# word of the same length, of characters for private use, stands in for it meanwhile.
_STAND_IN = "\ue000null\ue001"
_TAGGED_NULL = re.compile(rf"{NULL}(?=[ \t]+[#,}}\]]|[ \t]*(?:[\r\n]|\Z))")
_BEFORE_A_MARK = re.compile(rf"{_STAND_IN}(?=[,}}\]])")


class Null:
    """A null of a round trip: false, equal to None, and written as it was read."""

    def __init__(self, text: str = _STAND_IN) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Null)

    def __hash__(self) -> int:
        return hash(None)

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True)
class _Layout:
    """How a document is laid out: indents in characters, its first line and its line ends."""

    mapping: int = 2
    sequence: int = 4
    offset: int = 2
    explicit_start: bool = False
    braces: bool = False  # [{a: 1}], which may be written [a: 1]
    line_end: bytes = b"\n"


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

    values = _loaded(content, YAML(typ="safe", pure=True).load)
    # An alias costs nothing here, but what is made of the values has each of them written out.
    left, count = [values], 0
    while left and count <= _MOST:
        one, count = left.pop(), count + 1
        if isinstance(one, Mapping | list):
            left += one.values() if isinstance(one, Mapping) else one
    if left:
        raise ValueError(
            f"its aliases stand for more than {_MOST:,} values; write out what is meant"
        )
    return values


def read_round_trip(content: bytes) -> Any:
    r"""Return a YAML document in UTF-8 with its comments and layout, to be changed and written.

    Mappings, lists, texts and numbers are used like those of :func:`read_yaml`; a null is a
    :class:`Null`.

    Raises:
        ValueError: it is not YAML; the message is one line of 200 characters or fewer.

    Example:
        >>> document = read_round_trip(b"hop: 512  # samples\nname: !!null\n")
        >>> set_value(document, "hop", 256)
        >>> write_round_trip(document)
        b'hop: 256  # samples\nname: !!null\n'
    """
    load = _yaml(_Layout()).load
    document = _loaded(content, lambda text: load(_TAGGED_NULL.sub(_STAND_IN, text)))
    nests = isinstance(document, Mapping | list)
    if nests:
        document.asd_layout = _layout(document, content)
    return document


def write_round_trip(document: Any) -> bytes:
    """Return a document of :func:`read_round_trip` as YAML in UTF-8, laid out as it was read."""
    layout = getattr(document, "asd_layout", _Layout())
    written = StringIO()
    _yaml(layout).dump(document, written)
    # The tag takes a comma or bracket that follows for a part of itself.
    text = _BEFORE_A_MARK.sub(f"{NULL} ", written.getvalue()).replace(_STAND_IN, NULL)
    return text.encode().replace(b"\r\n", b"\n").replace(b"\n", layout.line_end)


def set_value(parent: Any, key: Any, value: Any) -> None:
    """Set a value in a mapping of a round trip; the comments before, beside and after it stay.

    Where a mapping takes the place of a mapping, only what differs is changed: entries that are no
    longer in it go, with the comments beside them, and new ones are added below.

    Args:
        parent: a mapping of a document of :func:`read_round_trip`.
        key: a key, new or there already.
        value: plain mappings, lists, texts and numbers. None is written as ``!!null``; a text that
            YAML 1.1 or 1.2 takes for something else, such as ``1``, ``no`` or ``null``, is quoted.
    """
    kept = parent.get(key)
    if key in parent and _same(kept, value):
        return
    following = _cut_following(parent, key) if key in parent else ""
    both_nest = isinstance(kept, Mapping) and isinstance(value, Mapping)
    if both_nest and kept and value:
        for gone in [name for name in kept if name not in value]:
            del kept[gone]
        for name, of_name in value.items():
            set_value(kept, name, of_name)
    else:
        new, nests = _to_round_trip(value), Mapping | list
        beside = _comment(parent, key)
        if beside is not None and not isinstance(kept, nests) and not isinstance(new, nests):
            # It stays as far from the value as it was.
            beside.start_mark.column += len(str(new)) - len(str(kept))
        parent[_to_round_trip(key)] = new
    if following:
        _add_following(parent, key, following)


def on_one_line(value: Any) -> Any:
    r"""Return a mapping or list that :func:`set_value` writes in braces or brackets.

    Example:
        >>> document = read_round_trip(b"members: []\n")
        >>> set_value(document, "members", {"fan": [on_one_line({"model": "1", "scorer": "gmm"})]})
        >>> write_round_trip(document)
        b"members:\n  fan:\n    - {model: '1', scorer: gmm}\n"
    """
    new = _to_round_trip(value)
    new.fa.set_flow_style()
    return new


def _loaded(content: bytes, load: Callable[[str], Any]) -> Any:
    from ruamel.yaml.error import YAMLError

    try:
        return load(content.decode("utf-8"))
    except (
        # A tag or a form that promises a number or a date fails in the library's and Python's own
        # parsers, in their own ways.
        *(YAMLError, ArithmeticError, AttributeError, LookupError),
        *(RecursionError, TypeError, ValueError),
    ) as error:
        raise ValueError(f"not YAML: {one_line(error)[:190]}") from None


def _yaml(layout: _Layout) -> Any:
    """Return the library's round trip, in which a null is a :class:`Null`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import RoundTripConstructor
    from ruamel.yaml.representer import RoundTripRepresenter
    from ruamel.yaml.resolver import VersionedResolver
    from ruamel.yaml.tag import Tag

    null = "tag:yaml.org,2002:null"

    class Constructor(RoundTripConstructor):
        pass

    class Representer(RoundTripRepresenter):
        pass

    class Resolver(VersionedResolver):
        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            stands_in = value == _STAND_IN and implicit[0]
            return Tag(suffix=null) if stands_in else super().resolve(kind, value, implicit)

    Constructor.add_constructor(null, lambda _, node: Null(node.value))
    Representer.add_representer(Null, lambda self, value: self.represent_scalar(null, value.text))
    yaml = YAML()
    yaml.Constructor, yaml.Representer, yaml.Resolver = Constructor, Representer, Resolver
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.brace_single_entry_mapping_in_flow_sequence = layout.braces
    yaml.explicit_start = layout.explicit_start
    yaml.indent(mapping=layout.mapping, sequence=layout.sequence, offset=layout.offset)
    return yaml


def _layout(document: Any, content: bytes) -> _Layout:
    """Return the layout of a document: the indents of its first nested mapping and list."""
    indents: dict[str, int] = {}
    for parent, child in _nested(document):
        of_list, is_list = isinstance(parent, list), isinstance(child, list)
        if of_list or parent.yaml_anchor() or child.yaml_anchor():
            continue  # what has an anchor begins where that stands
        if is_list:
            dash = child.lc.col
            _, item = (child.lc.data or {}).get(0, (0, dash + 2))
            indents.setdefault("offset", dash - parent.lc.col)
            indents.setdefault("sequence", item - parent.lc.col)
        else:
            indents.setdefault("mapping", child.lc.col - parent.lc.col)
    return _Layout(
        **indents,
        explicit_start=re.search(rb"^---", content, re.MULTILINE) is not None,
        braces=re.search(rb"[\[,]\s*\{[^{},]+\}", content) is not None,
        line_end=b"\r\n" if b"\r\n" in content else b"\n",
    )


def _nested(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each mapping and list in block style that lies in another, with that other."""
    parents, seen = [document], {id(document)}
    for parent in parents:
        for child in parent.values() if isinstance(parent, Mapping) else parent:
            # An alias may lead back to where it stands.
            if _is_block(child) and id(child) not in seen:
                yield parent, child
                parents.append(child)
                seen.add(id(child))


def _same(kept: Any, value: Any) -> bool:
    """Whether two values are equal, and none of them is a truth value that equals a number."""
    if isinstance(kept, Mapping) and isinstance(value, Mapping):
        return kept.keys() == value.keys() and all(_same(kept[key], value[key]) for key in kept)
    if isinstance(kept, list) and isinstance(value, list | tuple):
        return len(kept) == len(value) and all(map(_same, kept, value))
    return bool(kept == value) and isinstance(kept, bool) == isinstance(value, bool)


def _is_block(value: Any) -> bool:
    nests = isinstance(value, Mapping | list) and hasattr(value, "fa")
    return nests and bool(value) and not value.fa.flow_style()


def _to_round_trip(value: Any) -> Any:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.nodes import ScalarNode
    from ruamel.yaml.resolver import VersionedResolver
    from ruamel.yaml.scalarstring import SingleQuotedScalarString

    if hasattr(value, "fa"):
        return deepcopy(value)  # one object in two places would be written as an alias
    if value is None:
        return Null()
    if isinstance(value, Mapping):
        pairs = [(_to_round_trip(key), _to_round_trip(of_key)) for key, of_key in value.items()]
        return CommentedMap(pairs)
    if isinstance(value, list | tuple):
        return CommentedSeq(map(_to_round_trip, value))
    if isinstance(value, str):
        old = VersionedResolver(version=(1, 1))
        if old.resolve(ScalarNode, value, (True, False)) != old.DEFAULT_SCALAR_TAG:
            return SingleQuotedScalarString(value)  # the library quotes by the rules of YAML 1.2
    return value


def _last(parent: Any, key: Any) -> tuple[Any, Any]:
    """Return where the last line of a value stands: a mapping or list, and the key in it."""
    value = parent[key]
    if not _is_block(value):
        return parent, key
    return _last(value, len(value) - 1 if isinstance(value, list) else next(reversed(value)))


def _comment(parent: Any, key: Any) -> Any:
    """Return the comment that begins on the line of a key; None without."""
    return (parent.ca.items.get(key) or [None] * 4)[2 if isinstance(parent, Mapping) else 0]


def _cut_following(parent: Any, key: Any) -> str:
    """Cut off and return the blank lines and comments below a value, which the library keeps in it.

    They begin with the line feed of its last line.
    """
    from ruamel.yaml.scalarstring import FoldedScalarString, LiteralScalarString

    holder, last = _last(parent, key)
    comment = _comment(holder, last)
    if comment is None:
        return ""
    beside, _, following = comment.value.partition("\n")
    if isinstance(holder[last], FoldedScalarString | LiteralScalarString):
        beside, following = "", comment.value  # its last line feed is of the text
    if not following:
        return ""
    if beside:
        comment.value = f"{beside}\n"
    else:
        holder.ca.items[last][2 if isinstance(holder, Mapping) else 0] = None
    return f"\n{following}"


def _add_following(parent: Any, key: Any, following: str) -> None:
    """Put below a value what :func:`_cut_following` cut off."""
    from ruamel.yaml.error import CommentMark
    from ruamel.yaml.tokens import CommentToken

    holder, last = _last(parent, key)
    comment = _comment(holder, last)
    if comment is not None:
        comment.value += following.removeprefix("\n")
        return
    place = 2 if isinstance(holder, Mapping) else 0
    slots = holder.ca.items.setdefault(last, [None] * 4)
    slots[place] = CommentToken(following, CommentMark(0))

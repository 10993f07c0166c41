"""The last parts of the page: what the store holds, and what made all this."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from asd.report.markup import Child, Markup, element
from asd.report.material import Material
from asd.report.page.pieces import folded, note, table

_LONGEST = 160  # characters of a value that are shown


def store_part(material: Material) -> Markup:
    """Return what the feature store holds."""
    title = element("h2", "Feature store", id="store-title")
    body = note("No shard was found in the feature store: its contents are not listed.")
    if material.store:
        rows: list[list[Child]] = [
            [
                f"{one.machine} / {one.feature}",
                str(one.shards),
                f"{one.clips:,}",
                one.row,
                size(one.bytes),
                element("code", one.digest[:12]),
            ]
            for one in material.store
        ]
        total = sum(one.bytes for one in material.store)
        shards = sum(one.shards for one in material.store)
        clips = sum(one.clips for one in material.store)
        foot: list[Child] = ["Total", str(shards), f"{clips:,}", "", size(total), ""]
        header = ["Machine / feature", "Shards", "Rows", "A row", "Size", "Recipe"]
        body = table("Features by machine, and the digest of their recipe", header, rows, foot)
    return element("section", title, body, id="store", aria_labelledby="store-title")


def provenance_part(material: Material) -> Markup:
    """Return what made the results: parameters, versions, seeds and data."""
    shown: list[Child] = [element("h2", "Provenance", id="provenance-title")]
    shown.append(
        table("What made this report", ["What", "Value"], _rows(material.provenance), words=True)
    )
    records = [
        table(f"Model {model} of {machine}", ["What", "Value"], _rows(flattened(one)), words=True)
        for machine, of_machine in material.records.items()
        for model, one in of_machine.items()
    ]
    if records:
        shown.append(folded(f"What each model says of its making ({len(records)})", *records))
    return element("section", shown, id="provenance", aria_labelledby="provenance-title")


def size(count: int) -> str:
    """Return a number of bytes for people.

    Example:
        >>> size(0), size(1_500_000)
        ('0.0 kB', '1.5 MB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"


def flattened(record: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of nested mappings under names joined by dots; long ones are cut.

    Example:
        >>> list(flattened({"seed": 0, "versions": {"torch": "2.13.0"}}))
        [('seed', '0'), ('versions.torch', '2.13.0')]
    """
    for key, value in record.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from flattened(value, f"{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield name, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _rows(pairs: Iterable[tuple[str, str]]) -> list[list[Child]]:
    return [[name, element("code", value)] for name, value in pairs]

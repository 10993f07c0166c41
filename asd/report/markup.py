"""What the page is built from: elements of HTML and SVG, tables and figures, pictures and sounds.

Text from names and files is always escaped. Pictures and sounds are data URIs, so that the report
is one file.
"""

from __future__ import annotations

import base64
import html
import io
import struct
import wave
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from asd.report.style import series

_VOID = frozenset({"br", "col", "hr", "img", "link", "meta"})
_FRAMES = 640  # of a picture: more than a screen shows of it


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


def scrolling(table: Markup, label: str) -> Markup:
    """Return a table in a box of its own that scrolls, by keyboard too, where it is too wide."""
    return element("div", table, class_="scroll", role="region", aria_label=label, tabindex=0)


def table(
    caption: str,
    header: Sequence[Child],
    rows: Sequence[Sequence[Child]],
    foot: Sequence[Child] = (),
    words: bool = False,
) -> Markup:
    """Return a table in its box; the first cell of each row is its heading.

    Args:
        caption: what the table shows.
        header: the headings of the columns.
        rows: cells, or whole ``td`` elements.
        foot: a last row that sums up.
        words: whether the cells hold words, which may be broken, and not figures.
    """
    head = element("tr", [element("th", cell, scope="col") for cell in header])
    parts = [
        element("caption", element("span", caption)),
        element("thead", head),
        element("tbody", [_row(row) for row in rows]),
        element("tfoot", _row(foot)) if foot else None,
    ]
    return scrolling(element("table", parts, class_="words" if words else None), caption)


def figure(heading: str, chart: Child, caption: Child = None) -> Markup:
    """Return a figure with its heading above and its caption below."""
    below = element("figcaption", caption) if caption else None
    return element("figure", element("h4", heading), chart, below)


def grid(*figures: Child) -> Markup:
    """Return figures side by side, as many as there is room for."""
    return element("div", *figures, class_="grid")


def folded(summary: str, *children: Child) -> Markup:
    """Return a part that opens on demand."""
    return element("details", element("summary", summary), *children)


def note(text: Child) -> Markup:
    """Return a remark on what is not there."""
    return element("p", text, class_="note")


def line_legend(names: Sequence[str], order: Sequence[str], notes: Mapping[str, str]) -> Markup:
    """Return the legend of lines: each with a note, such as its area."""
    entries = []
    for name in names:
        stroke = element(
            "line", x1=0, y1=6, x2=28, y2=6, class_=f"line {series(order.index(name))}"
        )
        swatch = element("svg", stroke, viewBox="0 0 28 12", aria_hidden="true")
        words = element("span", name, f" ({notes[name]})" if notes.get(name) else "")
        entries.append(element("li", swatch, words))
    return element("ul", entries, class_="legend")


def mark_legend(marks: Sequence[tuple[Markup, str]]) -> Markup:
    """Return the legend of marks: each as a piece of SVG 12 wide and high, and its meaning."""
    entries = [
        element(
            "li",
            element("svg", mark, viewBox="-6 0 24 12", aria_hidden="true"),
            element("span", words),
        )
        for mark, words in marks
    ]
    return element("ul", entries, class_="legend")


def _row(cells: Sequence[Child]) -> Markup:
    first, *rest = cells
    return element("tr", element("th", first, scope="row"), [_cell(cell) for cell in rest])


def _cell(cell: Child) -> Markup:
    if isinstance(cell, Markup) and cell.startswith("<td"):
        return cell
    return element("td", cell)


def wav_uri(samples: np.ndarray, sample_rate: int) -> str:
    """Return a clip, int16 (L,), as the data URI of a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(samples, "<i2").tobytes())
    return _uri("audio/wav", buffer.getvalue())


def png_uri(picture: bytes) -> str:
    """Return a PNG file as a data URI."""
    return _uri("image/png", picture)


def wav_uri_size(samples: int) -> int:
    """Return how many characters :func:`wav_uri` makes of so many samples, to within a few."""
    return (44 + 2 * samples) * 4 // 3


def spectrogram_uris(pictures: Sequence[np.ndarray]) -> list[str]:
    """Return log-mel spectrograms (F, T) as data URIs of PNG pictures, low frequencies below.

    All share one scale of colours, so that they can be compared by eye.
    """
    if not pictures:
        return []
    values = [_narrowed(np.nan_to_num(picture.astype(np.float32))) for picture in pictures]
    low, high = np.percentile(np.concatenate([v.ravel() for v in values]), [1.0, 99.9])
    span = max(float(high - low), 1e-6)
    levels = [np.clip((v[::-1] - low) / span * 255, 0, 255).astype(np.uint8) for v in values]
    palette = _palette()
    return [_uri("image/png", _png(level, palette)) for level in levels]


def _narrowed(picture: np.ndarray) -> np.ndarray:
    """Return (F, T) with neighbouring frames averaged where there are more than are shown."""
    together = -(-picture.shape[1] // _FRAMES)
    whole = picture.shape[1] // together * together
    return picture[:, :whole].reshape(len(picture), -1, together).mean(axis=2)


def _palette() -> bytes:
    """Return 256 colours, dark to bright, of equal steps to the eye."""
    from matplotlib import colormaps

    return bytes(colormaps["magma"](np.arange(256), bytes=True)[:, :3].tobytes())


def _png(levels: np.ndarray, palette: bytes) -> bytes:
    """Return a PNG of indices (H, W) into a palette: a third of the size of one with colours."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    height, width = levels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"PLTE", palette),
            chunk(b"IDAT", zlib.compress(rows, 9)),
            chunk(b"IEND", b""),
        )
    )


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

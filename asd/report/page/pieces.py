"""The pieces that every part of the page is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asd.report.markup import Child, Markup, element
from asd.report.style import series


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

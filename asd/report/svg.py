"""A small chart as inline SVG: it takes its colours from the page, and so suits light and dark.

Every mark carries a class of :mod:`asd.report.style` and no colour of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from asd.report.axes import Scale, short
from asd.report.markup import Markup, element

WIDTH = 360  # of every chart, in units that are pixels on a phone: texts keep a readable size
_MARK = 3.2  # half the size of a mark


@dataclass
class Chart:
    """A chart that is drawn into piece by piece.

    Attributes:
        height: its height, where its width is :data:`WIDTH`.
        left, right, top, bottom: margins around the area that is drawn into.
    """

    height: int
    left: int = 44
    right: int = 12
    top: int = 12
    bottom: int = 36
    parts: list[Markup] = field(default_factory=list)

    def across(self, low: float, high: float) -> Scale:
        """Return the horizontal scale of values ``low`` to ``high``."""
        return Scale(low, high, self.left, WIDTH - self.right)

    def upward(self, low: float, high: float) -> Scale:
        """Return the vertical scale of values ``low`` to ``high``."""
        return Scale(low, high, self.height - self.bottom, self.top)

    def grid_across(
        self, scale: Scale, at: Sequence[float], title: str = "", labels: Sequence[str] = ()
    ) -> None:
        """Draw vertical grid lines with their labels below, and the axis's title."""
        base = self.height - self.bottom
        for value, label in zip(at, labels or [short(value) for value in at], strict=True):
            self.segment(scale(value), self.top, scale(value), base, "grid")
            self.text(scale(value), base + 14, label, "tick middle")
        if title:
            centre = (self.left + WIDTH - self.right) / 2
            self.text(centre, self.height - 4, title, "axis middle")

    def grid_upward(self, scale: Scale, at: Sequence[float], title: str = "") -> None:
        """Draw horizontal grid lines with their values at the left, and the axis's title."""
        for value in at:
            self.segment(self.left, scale(value), WIDTH - self.right, scale(value), "grid")
            self.text(self.left - 6, scale(value) + 3.5, short(value), "tick end")
        if title:
            middle = (self.top + self.height - self.bottom) / 2
            turned = f"rotate(-90 11 {_n(middle)})"
            self._add("text", title, x=11, y=_n(middle), class_="axis middle", transform=turned)

    def segment(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a straight line."""
        self._add("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), class_=kind)

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through places."""
        if points:
            steps = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
            self._add("path", d=f"M{steps}", class_=f"line {kind}")

    def bar(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a filled rectangle between two corners."""
        left, top = min(x1, x2), min(y1, y2)
        size = {"width": _n(abs(x2 - x1)), "height": _n(abs(y2 - y1))}
        self._add("rect", x=_n(left), y=_n(top), **size, class_=kind)

    def dots(self, places: Sequence[tuple[float, float]], kind: str, radius: float = _MARK) -> None:
        """Draw circles."""
        for x, y in places:
            self._add("circle", cx=_n(x), cy=_n(y), r=_n(radius), class_=kind)

    def crosses(self, places: Sequence[tuple[float, float]], kind: str, upright: bool) -> None:
        """Draw crosses: upright (+) or slanted (x), all as one path."""
        s = _MARK
        arms = [(0, -s, 0, s), (-s, 0, s, 0)] if upright else [(-s, -s, s, s), (-s, s, s, -s)]
        steps = [
            f"M{_n(x + a)} {_n(y + b)}L{_n(x + c)} {_n(y + d)}"
            for x, y in places
            for a, b, c, d in arms
        ]
        if steps:
            self._add("path", d="".join(steps), class_=f"cross {kind}")

    def text(self, x: float, y: float, words: str, kind: str) -> None:
        """Write words; ``kind`` holds ``middle`` or ``end`` where they do not start at ``x``."""
        self._add("text", words, x=_n(x), y=_n(y), class_=kind)

    def svg(self, label: str) -> Markup:
        """Return the chart; ``label`` says in words what it shows."""
        box = f"0 0 {WIDTH} {self.height}"
        return element("svg", self.parts, viewBox=box, role="img", aria_label=label)

    def _add(self, name: str, *children: str, **attributes: str | int) -> None:
        self.parts.append(element(name, *children, **attributes))


def _n(value: float) -> str:
    """Return a place with one decimal, which is finer than a pixel, and without a trailing zero."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text

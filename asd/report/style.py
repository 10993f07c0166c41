"""The look of the report: one style sheet for desktop, phone, paper, light and dark.

Colours are tokens, so that a test can hold every pair to the contrast of WCAG 2.2 AA: text 4.5,
lines and marks 3.
"""

from __future__ import annotations

from pathlib import Path

LIGHT = {
    "page": "#fbfbf9",
    "card": "#ffffff",
    "ink": "#1b2024",
    "quiet": "#565e66",
    "hair": "#dedfda",
    "edge": "#82898f",
    "accent": "#0b5f66",
    "wash": "#eef4f3",
    "normal": "#2f6ca8",
    "anomaly": "#bd4518",
    "s0": "#1c4f82",
    "s1": "#b8471f",
    "s2": "#2c7a4b",
    "s3": "#7d4ba3",
    "s4": "#8f6500",
    "s5": "#00768a",
    "s6": "#ad3568",
    "s7": "#5b6067",
}
DARK = {
    "page": "#14181b",
    "card": "#1b2024",
    "ink": "#e7e8e4",
    "quiet": "#a6aeb5",
    "hair": "#31383e",
    "edge": "#7c858d",
    "accent": "#6fc3c6",
    "wash": "#1d2a2c",
    "normal": "#79b1ea",
    "anomaly": "#f28e52",
    "s0": "#7fb2e8",
    "s1": "#f09468",
    "s2": "#6fc48d",
    "s3": "#c39be6",
    "s4": "#d9ad4a",
    "s5": "#55c3d4",
    "s6": "#ee8bb5",
    "s7": "#aeb5bb",
}
TEXT = ("ink", "quiet", "accent")
LINES = ("edge", "normal", "anomaly", *(f"s{i}" for i in range(8)))
SURFACES = ("page", "card", "wash")

# Lines differ by their dashes as well as by colour.
DASHES = ("none", "7 3", "2 2.5", "9 3 2 3", "4 2", "12 3", "1 3", "6 2 1 2 1 2")
_PLACE_OF_LINES = "/* lines of systems */\n"


def series(number: int) -> str:
    """Return the class of the line of one system or model among several."""
    return f"s{number % len(DASHES)}"


def sheet() -> str:
    """Return the style sheet: ``page.css`` beside this file, with the colours and lines above."""
    lines = "".join(
        f".s{i}{{stroke:var(--s{i});stroke-dasharray:{dash}}}.f{i}{{fill:var(--s{i})}}\n"
        for i, dash in enumerate(DASHES)
    )
    rules = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        f":root{{color-scheme:light dark;{_tokens(LIGHT)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{_tokens(DARK)}}}}}\n"
        f"\n{rules.replace(_PLACE_OF_LINES, lines)}"
    )


def _tokens(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())

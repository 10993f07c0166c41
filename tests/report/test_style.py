"""Every colour can be read, in light and in dark (WCAG 2.2 AA)."""

from __future__ import annotations

import re

import pytest

from asd.report import style

THEMES = {"light": style.LIGHT, "dark": style.DARK}


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` as WCAG defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("surface", style.SURFACES)
def test_texts_and_lines_stand_out(theme: str, surface: str) -> None:
    colours = THEMES[theme]
    # Labels of clips are small texts in the colours of normal and anomalous.
    for name in (*style.TEXT, "normal", "anomaly"):
        assert contrast(colours[name], colours[surface]) >= 4.5, name
    for name in style.LINES:
        assert contrast(colours[name], colours[surface]) >= 3.0, name


def test_both_themes_have_every_colour_that_is_used() -> None:
    used = set(re.findall(r"var\(--([a-z0-9]+)\)", style.sheet()))
    assert used <= set(style.LIGHT)
    assert set(style.LIGHT) == set(style.DARK)


def test_lines_of_eight_systems_all_differ_by_more_than_colour() -> None:
    assert len(set(style.DASHES)) == len(style.DASHES) == 8
    assert [style.series(i) for i in (0, 7, 8)] == ["s0", "s7", "s0"]

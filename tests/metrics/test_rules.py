"""A section's columns fit together, and clips come in one order only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from asd.metrics.rules import Section

Make = Callable[..., Section]


def test_columns_of_another_length_are_refused(make_section: Make) -> None:
    section = make_section()
    for column in ("labels", "domains", "scores", "decisions"):
        with pytest.raises(ValueError, match="fan section 00: the columns differ in length"):
            replace(section, **{column: getattr(section, column)[1:]})


def test_another_order_is_refused(make_section: Make) -> None:
    section = make_section()
    for names in (section.names[::-1], (section.names[0], *section.names[:-1])):
        with pytest.raises(ValueError, match="do not ascend"):
            replace(section, names=names)


def test_clips_of_a_domain(make_section: Make) -> None:
    section = make_section(domains=["source", "target", ""] * 8)
    assert section.of_domain("source").tolist() == [True, False, False] * 8
    assert section.of_domain("").all()

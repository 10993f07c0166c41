"""What both pages are made with: templates, one style sheet, and charts that are drawn once."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asd.report.charts import DARK, LIGHT, Chart, picture_file, svg
from asd.report.scores import ANOMALY, NORMAL


def rendered(
    template: str, functions: Sequence[Callable[..., Any]] = (), script: str = "", **values: Any
) -> tuple[str, dict[str, str]]:
    """Return a page as one HTML file, and its charts as SVG files by name.

    Args:
        template: ``<template>.html.j2`` beside this file.
        functions: what the template calls, under their own names.
        script: the file of the one script that the page has, beside this one; ``""`` for none.
        values: what the template shows.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {function.__name__: function for function in functions}
    pictures: dict[str, str] = {}

    def chart(one: Chart) -> Markup:
        drawn = svg(one, f"chart{len(pictures) + 1}")
        pictures[one.name or f"chart_{len(pictures) + 1}"] = picture_file(drawn, one)
        return Markup(drawn)

    text = here.joinpath(script).read_text(encoding="utf-8") if script else ""
    page = environment.get_template(f"{template}.html.j2").render(
        chart=chart,
        tokens=(LIGHT, DARK),
        words={NORMAL: "normal", ANOMALY: "fault", "": "not labelled"},
        script=Markup(text),
        # The page's policy lets nothing else run.
        script_digest=base64.b64encode(hashlib.sha256(text.encode()).digest()).decode(),
        **values,
    )
    return page, pictures

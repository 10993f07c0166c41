"""The page as a whole: head, landmarks, navigation and parts."""

from __future__ import annotations

from asd.report.markup import Markup, element
from asd.report.material import Material
from asd.report.page.machine import machine_part
from asd.report.page.results import results_part
from asd.report.page.sources import provenance_part, store_part
from asd.report.style import sheet

# No script runs and nothing is fetched, whatever a name in the data may hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"


def document(material: Material) -> str:
    """Return the report as one HTML file."""
    anchors = {machine: f"machine-{i}" for i, machine in enumerate(material.machines, start=1)}
    title = f"Anomalous sound detection: {material.dataset}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(sheet())),
    )
    links = [("Results", "results"), *anchors.items(), ("Store", "store")]
    links.append(("Provenance", "provenance"))
    items = [element("li", element("a", name, href=f"#{target}")) for name, target in links]
    body = element(
        "body",
        element("a", "Skip to the results", href="#results", class_="skip"),
        element(
            "div",
            _header(material),
            element("nav", element("ul", items), aria_label="Parts of this report"),
            element(
                "main",
                results_part(material),
                [machine_part(material, machine, anchor) for machine, anchor in anchors.items()],
                store_part(material),
                provenance_part(material),
            ),
            element("footer", element("p", "Made by asd report from the files of the pipeline.")),
            class_="frame",
        ),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _header(material: Material) -> Markup:
    facts = [element("li", element("strong", value), f" {what}") for what, value in material.counts]
    return element(
        "header",
        element("p", "Machine anomalous sound detection", class_="eyebrow"),
        element("h1", f"Report on {material.dataset}"),
        element("ul", facts, class_="facts"),
    )

"""The page: complete, self-contained, accessible, escaped, and laid out well in a browser."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from asd.report.challenge import alarms
from asd.report.challenge import document as pictured
from asd.report.charts import DARK, LIGHT
from asd.report.material import Material
from asd.report.results import Figure, Results

RANKED = ("2_cosine", "2", "1")
_VOID = {"br", "hr", "img", "link", "meta"}


def document(material: Material) -> str:
    """The page alone."""
    return pictured(material)[0]


class Page(HTMLParser):
    """What a test asks about a page; checks that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


@pytest.fixture(scope="module")
def page(material: Material) -> Page:
    return Page(document(material))


def test_the_same_material_gives_the_same_page(material: Material) -> None:
    assert document(material) == document(material)


def test_all_parts_are_there(page: Page) -> None:
    for words in ("Results", "System 2_cosine is best", "fan, section 00", "valve, section 01"):
        assert words in page.text
    for words in (
        "Scores of system 2_cosine",
        "ROC",
        "Embeddings",
        "valve, training",
        "Feature store",
    ):
        assert words in page.text
    assert len(page.all("audio")) == len(page.all("img")) == 2 * 2 * 3
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [str(attributes["href"]) for attributes in page.all("a")]
    assert {"#content", "#results", "#machine-1", "#machine-2", "#store", "#provenance"} <= set(
        links
    )
    assert {link.removeprefix("#") for link in links} <= targets


def test_nothing_is_fetched_and_nothing_runs(page: Page) -> None:
    assert not page.all("script", "link", "iframe", "object", "base", "form")
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "action", "srcset"):
                assert str(value).startswith(("data:", "#")), (tag, value)
    (policy,) = (a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert str(policy).startswith("default-src 'none'")
    assert "url(" not in page.text
    assert "@import" not in page.text


def test_it_can_be_used_without_seeing_it(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert [len(page.all(tag)) for tag in ("main", "header", "nav", "footer", "h1")] == [1] * 5
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert all(attributes.get("aria-label") for attributes in page.all("audio", "nav"))
    assert all(attributes.get("scope") for attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    for attributes in page.all("svg"):
        assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
    for attributes in page.all("div"):
        if attributes.get("class") == "scroll":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert set(ids.values()) == {1}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_one_page_suits_light_and_dark(material: Material, page: Page) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", document(material), re.DOTALL)
    light, dark = style.index(f"--ink:{LIGHT['ink']};"), style.index(f"--ink:{DARK['ink']};")
    assert light < style.index("@media (prefers-color-scheme:dark)") < dark
    # Outside of the style sheet there is no colour, so that none suits one of them alone.
    assert not [tag for tag, attributes in page.tags if "#" in (attributes.get("style") or "")]
    # The systems; of each section ROC, scores and embeddings; and two training curves.
    assert len(page.all("svg")) == 1 + 2 * (2 * 3 + 2)


def test_names_are_escaped(material: Material) -> None:
    evil = "<script>alert('a')</script>\"&"
    results = replace(material.results, systems={evil: material.results.systems["1"]})
    renamed = replace(
        material,
        dataset=evil,
        results=results,
        scores={evil: material.scores["1"]},
        curves={evil: material.curves["1"]},
        systems={},
        provenance=[(evil, evil)],
        records={evil: {evil: {evil: evil}}},
        clips_of=dict.fromkeys(material.clips_of, evil),
    )
    page = Page(document(renamed))
    assert not page.all("script")
    assert page.text.count(evil) > 7


def test_what_is_missing_is_said(material: Material) -> None:
    bare = replace(material, curves={}, histories={}, maps={}, clips={}, store=())
    text = Page(document(bare)).text
    assert "No training history of this machine's models was found." in text
    assert "No shard was found in the feature store" in text
    assert "No ROC curve of fan section 00" in text
    assert "Clips that stand out" not in text


def test_without_labels_there_are_scores_and_no_table_of_results(material: Material) -> None:
    systems = {
        name: replace(system, score=Figure(math.nan), machines={}, sections={})
        for name, system in material.results.systems.items()
    }
    results = Results("2022", systems)
    page = Page(document(replace(material, results=results, curves={})))
    assert "The test clips have no labels" in page.text
    assert "Scores of system 1" in page.text
    assert "is best" not in page.text


def test_the_paper_stands_beside_on_its_own_data_set(material: Material) -> None:
    text = Page(document(replace(material, dataset="dcase2022"))).text
    assert "paper 57.83" in text
    assert "Table III: different features" in text
    assert "paper" not in Page(document(material)).text


def test_systems_are_rows_best_first(material: Material, page: Page) -> None:
    """Each with its interval, and its paired difference to the best."""
    text = " ".join(page.text.split())
    rows = [text.index(f" {name}{material.systems[name].features[0]}") for name in RANKED]
    assert material.results.ranked() == RANKED
    assert rows == sorted(rows)
    for name in material.systems:
        for machine in (None, "fan", "valve"):
            figure = material.results.figure(name, machine)
            assert f"{100 * figure.low:.1f}–{100 * figure.high:.1f}" in text
            if figure.behind:
                assert f"{100 * figure.behind.value:+.1f}" in text


def test_lines_are_those_of_the_best_the_first_and_the_chosen(material: Material) -> None:
    assert material.lines == ("2_cosine", "1")
    assert replace(material, chosen=("2",)).lines == ("2_cosine", "1", "2")
    many = {f"s{i}": material.scores["1"] for i in range(20)}
    assert len(replace(material, scores=many, chosen=tuple(many)).lines) == 8
    page = document(replace(material, chosen=("2",)))
    assert page.count("Scores of system 2</h4>") == 4
    assert "system 2 AUC" in page
    assert "system 2 AUC" not in document(material)


def test_alarms_are_counted(material: Material) -> None:
    sections = [one for key, one in material.scores["2_cosine"].items() if key[0] == "fan"]
    normals = [(s.labels == "normal") for s in sections]
    false = sum(int(s.decisions[n].sum()) for s, n in zip(sections, normals, strict=True))
    total = sum(int(n.sum()) for n in normals)
    share = round(100 * false / total)
    said = f"2_cosine calls {false} of {total} ({share} %) normal test clips anomalous"
    assert said in alarms(material, "fan")


def test_each_chart_is_a_file_too(material: Material) -> None:
    page, pictures = pictured(material)
    assert len(pictures) == page.count("<svg ")
    assert {"results", "roc_fan_00", "scores_fan_00_2_cosine", "tsne_fan_01_logmel"} <= set(
        pictures
    )
    for text in pictures.values():
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in text


_PROBE = """() => {
  const out = [];
  if (document.documentElement.scrollWidth > innerWidth) out.push("it scrolls sideways");
  for (const e of document.querySelectorAll("h1,h2,h3,h4,p,figure,summary,li,dd,audio,img,.bar")) {
    const box = e.getBoundingClientRect();
    if (box.width && !e.closest("nav") && (box.right > innerWidth + 1 || box.left < -1))
      out.push(e.tagName + " " + e.textContent.slice(0, 40));
  }
  for (const e of document.querySelectorAll("figure svg text")) {
    const box = e.getBoundingClientRect(), frame = e.closest("figure").getBoundingClientRect();
    if (box.width && (box.left < frame.left - 1 || box.right > frame.right + 1))
      out.push("text " + e.textContent);
  }
  return out;
}"""


@pytest.mark.parametrize("width", [360, 1000, 1280])
def test_nothing_is_cut_or_scrolls_sideways(
    material: Material, tmp_path: Path, browser: Callable, width: int
) -> None:
    text = document(material).replace("<details>", "<details open>")
    page = browser(tmp_path, text, width)
    assert page.evaluate(_PROBE) == []


def test_twelve_systems_and_seven_machines_are_read_at_a_glance(
    wide_material: Material, tmp_path: Path, browser: Callable
) -> None:
    """No table is cut at 1,000 px, and a phone shows it in 12 screens with details closed."""
    text = document(wide_material)
    wide = browser(tmp_path, text, 1000)
    cut = "tables => tables.filter(one => one.scrollWidth > one.clientWidth).length"
    assert wide.eval_on_selector_all("#results .scroll", cut) == 0
    phone = browser(tmp_path, text, 390)
    assert phone.evaluate("document.documentElement.scrollHeight") <= 12 * 844

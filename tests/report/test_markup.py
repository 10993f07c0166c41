"""Elements escape all that is not markup."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from asd.report.markup import Markup, element, joined

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


class _Reader(HTMLParser):
    """Reads back what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXT, TEXT)
def test_any_text_comes_back_as_it_was(text: str, value: str) -> None:
    reader = _Reader()
    reader.feed(element("p", text, title=value))
    reader.close()
    assert reader.tags == [("p", {"title": value})]
    assert reader.text == text


def test_children_nest_and_markup_is_not_escaped_twice() -> None:
    inner = element("b", "a & b")
    assert element("p", ["x < ", [inner], None]) == "<p>x &lt; <b>a &amp; b</b></p>"
    assert isinstance(joined(inner, "<"), Markup)


def test_attributes() -> None:
    made = element(
        "img", class_="a", aria_label="b", viewBox="0 0", controls=True, alt=None, k=False
    )
    assert made == '<img class="a" aria-label="b" viewBox="0 0" controls>'

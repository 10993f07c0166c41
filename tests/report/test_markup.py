"""Elements escape all that is not markup; sounds and pictures inside the page can be read back."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.report.markup import Markup, element, joined, spectrogram_uris, wav_uri, wav_uri_size

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


def data_of(uri: str, kind: str) -> io.BytesIO:
    head, _, text = uri.partition(",")
    assert head == f"data:{kind};base64"
    return io.BytesIO(base64.b64decode(text))


def test_a_wav_holds_the_samples_bit_for_bit() -> None:
    soundfile = pytest.importorskip("soundfile")
    clip = np.random.default_rng(0).integers(-32768, 32768, 1001).astype(np.int16)
    uri = wav_uri(clip, 16000)
    samples, rate = soundfile.read(data_of(uri, "audio/wav"), dtype="int16")
    assert rate == 16000
    np.testing.assert_array_equal(samples, clip)
    assert abs(len(uri) - wav_uri_size(1001)) < 30


def test_a_picture_has_low_frequencies_below_and_one_scale() -> None:
    image = pytest.importorskip("matplotlib.image")
    rising = np.linspace(0, 1, 40)[:, np.newaxis] * np.ones((1, 30))
    uris = spectrogram_uris([rising, rising / 2])
    bright, dim = (image.imread(data_of(uri, "image/png"))[..., :3].sum(axis=2) for uri in uris)
    assert bright.shape == (40, 30)
    assert bright[0, 0] > bright[-1, 0]
    assert (np.diff(bright[:, 0]) <= 0.02).all()
    assert dim.max() < bright.max()


def test_a_long_picture_is_narrowed_and_odd_values_do_no_harm() -> None:
    image = pytest.importorskip("matplotlib.image")
    long = np.zeros((4, 2000), np.float16)
    long[0, 0], long[1, 0] = np.nan, np.inf
    shape = image.imread(data_of(spectrogram_uris([long])[0], "image/png")).shape
    assert shape[0] == 4
    assert shape[1] <= 640
    assert spectrogram_uris([]) == []

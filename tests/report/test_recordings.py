"""The page of one's own recordings: its words, its table without a script, and in a browser."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asd.report.media import encoded
from asd.report.recordings import (
    Heard,
    Listened,
    charts,
    document,
    outcome,
    recording_times,
    rows,
    sentence,
)

RATE = 16000


def make_heard(name: str, score: float, new: bool, label: str, begin: float = 2.0) -> Heard:
    rng = np.random.default_rng(len(name))
    tone = (8000 * np.sin(np.arange(RATE // 2) * (0.05 + 0.01 * score))).astype(np.int16)
    return Heard(
        path=f"pump/{'test' if new else 'train'}/{name}",
        name=name,
        section="00",
        is_new=new,
        label=label,
        score=score,
        threshold=2.0,
        time=None,
        begin=begin,
        end=begin + 0.5,
        reason="2.5 to 3.7 kHz, 8 dB above normal, at 2.2 s" if score > 2 else "",
        view="view_flux" if new else "",
        nearest="b.wav",
        picture=rng.normal(size=(64, 60)),
        box=(20.0, 30.0, 10.0, 10.0) if score > 2 else None,
        sound=encoded(tone, RATE),
    )


def make_machine(new: int = 6, training: int = 20) -> Listened:
    """New recordings of rising score, of which those above the threshold of 2 are faults."""
    scores = np.linspace(0, 5, new)
    heard = [
        make_heard(f'clip,{i} "x".wav', float(s), True, "anomaly" if s > 2 else "normal")
        for i, s in enumerate(scores[::-1])
    ]
    normal = np.linspace(-1.0, 2.2, training)
    heard += [make_heard(f"train{i}.wav", float(s), False, "normal") for i, s in enumerate(normal)]
    return Listened("pump", "selected", 0.1, heard, normal - 2.0, ["1 not used: too quiet."])


@pytest.fixture(scope="module")
def machine() -> Listened:
    return make_machine()


def page_of(*machines: Listened) -> str:
    return document("folder", machines)[0]


def test_the_first_sentence_says_what_to_expect(machine: Listened) -> None:
    assert sentence(machine) == (
        "20 normal recordings score -1 to 2.2, each scored as if it were new; above 2 is an alarm,"
        " which 10 of 100 normal recordings are expected to be (2 of these are)."
    )
    never = replace(machine, normal=np.full(3, -math.inf))
    assert sentence(never) == (
        "3 normal recordings are too few to say from which score on a sound is an alarm."
    )


def test_few_recordings_are_not_called_perfect(machine: Listened) -> None:
    text = outcome(machine)
    assert text.startswith("Of 6 new recordings 3 alarm")
    assert "3 of 3 faults found (29 to 100 % at 95 % confidence)" in text
    assert "0 of 3 normal ones alarm (0 to 71 % at 95 % confidence)" in text


def test_normals_only_are_of_use() -> None:
    machine = make_machine(new=0)
    assert outcome(machine).startswith("No new recordings were scored")
    page = page_of(machine)
    assert page.count("<tr data-machine") == 20
    assert page.count("would alarm") == 2
    (chart,) = charts(machine)
    assert chart.label == "Scores of pump: 20 normal, training; threshold 2"


def test_scores_over_time_where_names_tell_it(machine: Listened) -> None:
    heard = [replace(one, time=datetime(2024, 5, 1 + i, 12)) for i, one in enumerate(machine.heard)]
    assert [chart.name for chart in charts(replace(machine, heard=heard))] == [
        "scores_pump",
        "trend_pump",
    ]


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["a_2024-05-13_12-30-15.wav"], datetime(2024, 5, 13, 12, 30, 15)),
        (["20240513T1230.flac"], datetime(2024, 5, 13, 12, 30)),
        (["pump 2024.05.13.wav"], datetime(2024, 5, 13)),
        (["2024-13-13.wav"], None),
        (["normal_id_00_00000013.wav"], None),
    ],
)
def test_times_in_names(names: list[str], first: datetime | None) -> None:
    others = ["x_2024-05-14.wav", "x_2024-05-15.wav", "x_2024-05-16.wav", "2024-05-17.wav"]
    found = recording_times([*names, *others], [0.0] * 5)
    assert found[0] == first
    assert found[1] == datetime(2024, 5, 14)


def test_times_of_files_where_they_differ() -> None:
    day = 24 * 3600.0
    found = recording_times(["a", "b", "c"], [0.0, day, 2 * day])
    assert [(later - found[0]).days for later in found] == [0, 1, 2]
    assert recording_times(["a", "b"], [0.0, 60.0]) == [None, None]
    assert recording_times(["a", "b"], [0.0, math.nan]) == [None, None]


def test_bars_share_a_scale(machine: Listened) -> None:
    bars = [row.bar for row in rows(machine)]
    margins = [one.margin for one in machine.heard]
    by_margin = np.array(bars)[np.argsort(margins)]
    assert (np.diff(by_margin) >= 0).all()
    assert max(bars) == 100
    (at,) = {row.at for row in rows(machine)}
    for row in rows(machine):
        assert (row.bar > at) == row.one.alarms


def test_one_script_runs_and_nothing_is_fetched(machine: Listened) -> None:
    evil = replace(machine.heard[0], name="<script>alert(1)</script>", nearest="<b>")
    page = page_of(replace(machine, heard=[evil, *machine.heard[1:]]))
    assert page.count("<script>") == 1
    assert "default-src 'none'" in page
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", page)
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_two_hundred_recordings_stay_below_ten_megabytes() -> None:
    """With three seconds of noise each, which is the worst to encode."""
    noise = np.random.default_rng(0).normal(scale=4000, size=3 * RATE).astype(np.int16)
    sound = encoded(noise, RATE)
    machine = make_machine(new=200, training=10)
    heard = [replace(one, sound=sound) for one in machine.new]
    page = page_of(replace(machine, heard=heard))
    assert page.count("<audio") == 200
    assert len(page) < 10e6


class Shown:
    """The page in a browser."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def names(self) -> list[str]:
        visible = "tr => tr.filter(one => !one.hidden).map(one => one.dataset.recording)"
        return self.page.eval_on_selector_all("tr[data-recording]", visible)


@pytest.fixture
def shown(machine: Listened, tmp_path: Path, browser: Callable) -> Shown:
    return Shown(browser(tmp_path, page_of(machine), 1400, accept_downloads=True))


def test_it_lists_what_is_new_and_filters(shown: Shown) -> None:
    assert len(shown.names()) == 6
    shown.page.select_option("#show", "alarm")
    assert len(shown.names()) == 5
    shown.page.select_option("#show", "")
    assert len(shown.names()) == 26
    shown.page.fill("#find", "train1")
    assert len(shown.names()) == 11
    shown.page.fill("#find", "kHz above")
    assert len(shown.names()) == 5


def test_it_sorts_by_each_heading(shown: Shown) -> None:
    first = shown.names()
    head = shown.page.locator("th[data-sort=margin]")
    head.locator("button").click()
    assert shown.names() == first
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    assert shown.names() == first[::-1]
    assert head.get_attribute("aria-sort") == "ascending"
    for by in ("decision", "recording", "reason", "nearest"):
        shown.page.locator(f"th[data-sort={by}] button").click()
        assert sorted(shown.names()) == sorted(first)


def test_it_plays_the_deciding_seconds(shown: Shown) -> None:
    button = shown.page.locator(".play").first
    assert "2.0 to 2.5 s" in button.text_content()
    button.click()
    audio = "document.querySelector('tr[data-recording] audio')"
    for _ in range(100):  # the page's own policy forbids what waits inside of it
        if shown.page.evaluate(f"{audio}.played.length"):
            break
        shown.page.wait_for_timeout(100)
    assert shown.page.evaluate(f"{audio}.played.length") == 1
    assert shown.page.evaluate(f"{audio}.duration") == pytest.approx(0.5, abs=0.1)
    assert shown.page.evaluate(f"{audio}.error") is None


def test_marks_are_saved_as_a_list(shown: Shown, tmp_path: Path) -> None:
    page = shown.page
    assert page.locator("#save").is_disabled()
    names = shown.names()
    page.locator("tr[data-recording] [data-mark=fault]").nth(0).click()
    page.locator("tr[data-recording] [data-mark=normal]").nth(2).click()
    page.locator("tr[data-recording] [data-mark=normal]").nth(3).click()
    page.locator("tr[data-recording] [data-mark=normal]").nth(3).click()  # taken back
    assert page.locator("#saved").text_content() == "2 marked"
    with page.expect_download() as download:
        page.locator("#save").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "marks.csv"
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"machine": "pump", "recording": names[0], "mark": "fault"},
            {"machine": "pump", "recording": names[2], "mark": "normal"},
        ]
    page.reload()
    assert page.locator("#saved").text_content() == "2 marked"
    page.select_option("#show", "marked")
    assert shown.names() == [names[0], names[2]]


def test_without_a_script_the_table_stands(
    machine: Listened, tmp_path: Path, browser: Callable
) -> None:
    page = browser(tmp_path, page_of(machine), 1400, java_script_enabled=False)
    assert page.locator("tr[data-recording]").filter(visible=True).count() == 26
    assert page.locator("audio").filter(visible=True).count() == 26
    assert page.locator(".tools, .play, .marking").filter(visible=True).count() == 0


@pytest.mark.parametrize("width", [390, 1000, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_in_light_and_dark(
    machine: Listened, tmp_path: Path, browser: Callable, width: int, scheme: str
) -> None:
    page = browser(tmp_path, page_of(machine), width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = "rows => rows.filter(row => row.getBoundingClientRect().right > innerWidth + 1).length"
    assert page.eval_on_selector_all(".heard tr, .heard td, figure", cut) == 0
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(20, 24, 27)") == (scheme == "dark")

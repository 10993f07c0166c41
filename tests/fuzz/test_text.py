"""Damaged text files and odd names: the project's own errors on one line, and no others.

`ASD_LONG_TESTS=1` tries 5,000 of each kind instead of 60.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asd.artifact import Making, read_record, write_record
from asd.clip_table import ClipTable
from asd.clips.names import LAYOUTS, Facts, parse, place, read_attributes, why_not
from asd.clips.record import COLUMNS, read_index
from asd.config import ScoreConfig, SystemConfig
from asd.errors import AsdError
from asd.params import load_params
from asd.scoring.bank import Bank
from asd.scoring.scored import (
    ScoresRequest,
    ScoreTable,
    make_detector,
    read_scores_record,
    read_table,
    read_thresholds,
    write_scored,
)

LONG = bool(os.environ.get("ASD_LONG_TESTS"))
fuzzed = settings(
    max_examples=5_000 if LONG else 60,
    derandomize=not LONG,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

PARAMS = b"""
dataset: {name: x, raw: data/raw, machines: [fan]}
index: {layout: auto, seconds: auto}
features: {wave: {extractor: wave}, logmel: {n_fft: 1024, floor: 1.0e-10}}
models:
  a: {features: [wave], losses: {cross_entropy: 1}}
systems: {"1": {model: a, scorer: cosine}}
"""
CLIP = "fan/a.wav,a.wav,a.wav,fan,00,source,train,normal,speed=1,16000,1,9,9,,00,ok,0,1,"
INDEX = f"{','.join(COLUMNS)}\n{CLIP}\n{CLIP}\n".encode()
ATTRIBUTES = b"file_name,d1p,d1v\nfan/train/a.wav,speed,1\nfan/test/b.wav,speed,2\n"
WORDS = [
    *(b'"', b"'", b"\n", b"\r", b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b","),
    *(b"[", b"]", b"{", b"}", b": ", b"- ", b"? ", b"<<: ", b"&a ", b"*a", b"|", b">", b"@"),
    *(b"!!set ", b"!!int ", b"!!float ", b"!!bool ", b"!!python/object:os.system ", b"%YAML 9.9\n"),
    *(b"---\n", b"...\n", b"2001-99-99", b"1e999", b".nan", b"NaN", b"-Infinity", b"null", b"~"),
    *(b"9" * 5000, b"0x", b"1_0", b"1:99:99", b"\\ud800", b"\xe2\x80\xa8", b";", b"=", b"[" * 1200),
]


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw a file with a few bytes replaced, left out or doubled."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = start + draw(st.sampled_from([0, 0, 1, 1, 4, 30]))
        copied = bytes(data[start : start + 40])
        data[start:stop] = draw(
            st.sampled_from(WORDS) | st.binary(max_size=3) | st.just(copied) | st.just(b"")
        )
    return bytes(data)


REQUEST = ScoresRequest(
    system="some",
    machine="fan",
    members=(SystemConfig(model="a", scorer="cosine"),),
    join="mean",
    rule=ScoreConfig(threshold="quantile"),
    banks={"a": "0" * 64},
)


def _scored(folder: Path) -> Making:
    """Write scores of three test clips, with a system fitted to twenty training clips."""
    random, names = np.random.default_rng(0), tuple(f"{n}.wav" for n in range(20))
    clips = ClipTable.of_columns({"name": names, "recording": names, "section": ["00"] * 20})
    arrays = {"embedding": random.normal(size=(20, 3)).astype(np.float32)}
    bank = Bank(clips, np.zeros(20, np.int32), arrays)
    some = make_detector("some", "fan", REQUEST.members, "mean", REQUEST.rule, {"a": bank}, {})
    table = ScoreTable(
        ("00",) * 3,
        ("a.wav", "b.wav", '"c,d.wav'),
        ("0" * 64,) * 3,
        np.array([1, 2, 1]),
        np.array([1.5, -2e3, 0]),
        np.array([0.5, np.inf, 0.5]),
        np.array([True, False, False]),
    )
    made = Making(folder)
    write_scored(made, table, some, "fan")
    write_record(folder / "fan.json", REQUEST, made.names, made.facts)
    return made


def _table(folder: Path) -> bytes:
    _scored(folder)
    return (folder / "fan.csv").read_bytes()


def _record(folder: Path) -> bytes:
    _scored(folder)
    return (folder / "fan.json").read_bytes()


def _thresholds(folder: Path) -> bytes:
    return json.dumps(_scored(folder).facts["thresholds"]).encode()


def _read_table(path: Path) -> object:
    """Read a table for which a record vouches, whatever it is."""
    write_record(path.with_suffix(".json"), REQUEST, [path.name], {})
    return read_table(read_scores_record(path.with_suffix(".json")))


def _read_thresholds(path: Path) -> object:
    """Read the thresholds of a record that vouches for them, whatever they are."""
    try:
        facts = {"thresholds": json.loads(path.read_bytes())}
        write_record(path.with_name("fan.json"), REQUEST, [], facts)
    except (ValueError, RecursionError):
        return None  # it is no JSON, so no record has it
    return read_thresholds(read_scores_record(path.with_name("fan.json")))


READERS: dict[str, tuple[str, bytes | Callable[[Path], bytes], Callable[[Path], Any]]] = {
    "params": ("params.yaml", PARAMS, load_params),
    "index": ("fan.csv", INDEX, read_index),
    "scores": ("fan.csv", _table, _read_table),
    "thresholds": ("thresholds", _thresholds, _read_thresholds),
    "record": ("fan.json", _record, read_scores_record),
    "any record": ("fan.json", _record, read_record),
    "attributes": ("attributes_00.csv", ATTRIBUTES, lambda path: read_attributes(path.parent)),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_text_is_refused_on_one_line(tmp_path: Path, name: str) -> None:
    file, whole, read = READERS[name]
    whole = whole(tmp_path) if callable(whole) else whole
    (tmp_path / "input").mkdir()
    path = tmp_path / "input" / file
    refusals = []

    @fuzzed
    @given(damaged(whole) | st.binary(max_size=60))
    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path)
        except AsdError as error:
            refusals.append(str(error))

    path.write_bytes(whole)
    read(path)
    attempt()
    assert refusals or name == "attributes"  # which clips can do without
    if name == "params":  # a line for each fault, and each names the file
        refusals = [line for one in refusals for line in one.split("\n")]
        assert not [line for line in refusals if not line.startswith(str(path))]
    assert not [refusal for refusal in refusals if "\n" in refusal]


_PIECES = [
    *(
        "section_",
        "00",
        "id_",
        "_source",
        "_target",
        "_train",
        "_test",
        "_normal",
        "_anomaly",
        "_noise",
    ),
    *("_0000", "00000000", "_vel_1", "_noAttribute", ".wav", ".FLAC", "_", " ", "\n", "é", "١"),
]
names = st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=9).map("".join)


def _is_possible(facts: Facts) -> bool:
    pairs = facts.attributes.split(";") if facts.attributes else []
    return (
        re.fullmatch("[0-9]{2}", facts.section) is not None
        and facts.domain in ("", "source", "target")
        and facts.split in ("", "train", "test", "supplemental")
        and facts.label in ("", "normal", "anomaly", "noise")
        and all(pair.count("=") == 1 for pair in pairs)
        and "\n" not in repr(facts.attributes)
    )


@fuzzed
@given(
    st.sampled_from(["train", "test", "source_test", "target_test", "supplemental", "other"]), names
)
def test_any_name_is_read_whole_or_not_at_all(folder: str, name: str) -> None:
    for layout in LAYOUTS:
        facts = parse(layout, folder, name)
        if facts is None:
            assert ": " in why_not(layout, folder, name)
        else:
            assert _is_possible(facts)
            # A name says its section itself, and nothing but a name with that ending is read.
            assert facts.section in name
            assert name.lower().endswith((".wav", ".flac", ".ogg"))


@fuzzed
@given(st.lists(st.sampled_from(["train", "test", "Normal", "abnormal", "id_00"]) | names))
def test_any_folders_say_something_possible_or_why_not(folders: list[str]) -> None:
    found = place(folders)
    assert ": " in found if isinstance(found, str) else _is_possible(found)

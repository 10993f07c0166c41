"""The clip table: rows in, columns out, and nothing of a clip is lost or guessed on the way."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asd.clip_table import (
    COLUMNS,
    TEXTS,
    TRUTH,
    ClipTable,
    by_recording,
    content_digest,
    window_name,
)
from asd.hdf5 import read_arrays, write_arrays


@dataclass(frozen=True)
class Row:
    """A row as the index has it."""

    name: str
    recording: str
    section: str
    split: str
    domain: str
    label: str
    attributes: str
    content: str
    start: int


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_ROWS = st.builds(Row, **dict.fromkeys(TEXTS, _TEXT), start=st.integers(0, 2**31 - 1))
LISTS = st.lists(_ROWS, max_size=6)
few = settings(max_examples=50)


def rows_of(table: ClipTable) -> list[Row]:
    columns = [table.column(name) for name in TEXTS]
    return [Row(*texts, start=int(at)) for *texts, at in zip(*columns, table.start, strict=True)]  # type: ignore[arg-type, call-arg]


def widened(table: ClipTable) -> ClipTable:
    """Return the same texts in columns of 40 bytes more."""
    layout = [(name, f"S{table.rows.dtype[name].itemsize + 40}") for name in TEXTS]
    return ClipTable(table.rows.astype([*layout, ("start", "<i4")]))


def test_rows_are_clips() -> None:
    assert tuple(field.name for field in fields(Row)) == COLUMNS


@few
@given(LISTS)
def test_rows_round_trip(rows: list[Row]) -> None:
    table = ClipTable.of(rows)
    assert len(table) == len(rows)
    assert rows_of(table) == rows
    assert table.start.dtype == np.int32
    for name in TEXTS:
        texts = [getattr(row, name) for row in rows]
        assert getattr(table, name) == table.column(name) == tuple(texts)
        # A column takes the width that its longest text needs.
        widest = max((len(text.encode()) for text in texts), default=0)
        assert table.rows.dtype[name].itemsize == max(widest, 1)
    assert table.sections == tuple(sorted({row.section for row in rows}))
    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    assert ClipTable.of_columns(columns) == table
    assert ClipTable(table.rows) == table == pickle.loads(pickle.dumps(table))  # noqa: S301


@few
@given(LISTS)
def test_it_survives_a_file(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    table = ClipTable.of(rows)
    path = tmp_path_factory.mktemp("table", numbered=True) / "clips.h5"
    write_arrays(path, {"clips": table.rows})
    read = ClipTable(read_arrays(path)["clips"])
    assert read == table
    assert rows_of(read) == rows


@few
@given(LISTS, st.data())
def test_only_some(rows: list[Row], data: st.DataObject) -> None:
    table = ClipTable.of(rows)
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    chosen = np.array(mask, bool)
    expected = [row for row, kept in zip(rows, mask, strict=True) if kept]
    assert rows_of(table.only(chosen)) == expected
    assert table.only(np.flatnonzero(chosen)) == ClipTable.of(expected)
    order = np.array(data.draw(st.permutations(range(len(rows)))), int)
    assert rows_of(table.only(order)) == [rows[i] for i in order]


@few
@given(st.lists(LISTS, min_size=1, max_size=4))
def test_joined_follow_each_other(parts: list[list[Row]]) -> None:
    together = ClipTable.joined([ClipTable.of(rows) for rows in parts])
    whole = [row for rows in parts for row in rows]
    assert rows_of(together) == whole
    assert together == ClipTable.of(whole)


@few
@given(LISTS)
def test_truth_is_cut_off_and_nothing_else(rows: list[Row]) -> None:
    table = ClipTable.of(rows)
    blind = table.without_truth()
    for name in COLUMNS:
        expected = ("",) * len(rows) if name in TRUTH else table.column(name)
        np.testing.assert_array_equal(blind.column(name), expected)
    assert not any(any(blind.rows[name]) for name in TRUTH), "left in the bytes of the table"
    assert rows_of(table) == rows, "the table itself lost its truth"
    assert blind.without_truth() == blind


@few
@given(LISTS, LISTS)
def test_tables_are_equal_by_their_texts_whatever_the_widths(
    rows: list[Row], others: list[Row]
) -> None:
    table = ClipTable.of(rows)
    assert widened(table) == table == widened(widened(table))
    assert (ClipTable.of(others) == table) == (others == rows)
    assert table != rows


@pytest.mark.parametrize("column", COLUMNS)
def test_a_table_with_one_other_value_is_another(column: str) -> None:
    row = Row(*"abcdefgh", start=3)  # type: ignore[misc]
    other = Row(**{**row.__dict__, column: 4 if column == "start" else "gerät"})
    assert ClipTable.of([row, row]) != ClipTable.of([row, other])
    assert ClipTable.of([row]) != ClipTable.of([row, row])


def test_further_columns_are_left_out_and_a_missing_one_is_refused() -> None:
    table = ClipTable.of_columns({"name": ["a.wav", "ü.wav"], "start": [0, 7]})
    layout = [*table.rows.dtype.descr, ("row", "S64")]
    with_rows = np.zeros(2, layout)
    for column in COLUMNS:
        with_rows[column] = table.rows[column]
    wide = ClipTable(with_rows)
    assert wide == table
    assert wide.without_truth().rows.dtype.names == COLUMNS
    assert ClipTable.joined([wide, table]).rows.dtype.names == COLUMNS
    for column in COLUMNS:
        rest = [name for name in COLUMNS if name != column]
        with pytest.raises(ValueError, match="the clips table has the columns"):
            ClipTable(table.rows[rest])
    with pytest.raises(ValueError, match="the clips table has the columns None"):
        ClipTable(np.zeros(3))


def test_missing_columns_are_empty() -> None:
    table = ClipTable.of_columns({"name": ["a.wav", "b.wav"]})
    assert (table.recording, table.start.tolist()) == (("", ""), [0, 0])
    assert len(ClipTable.of_columns({})) == len(ClipTable.of([])) == 0
    assert ClipTable.of([]).sections == ()
    assert ClipTable.of_columns({}) == ClipTable.of([])


def test_it_cannot_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(ClipTable.of([]))


def test_recordings_are_told_by_section_and_column() -> None:
    table = ClipTable.of_columns(
        {
            "name": ["a#t=0", "b.wav", "a#t=10", "a#t=0", "b.wav#t=0"],
            "recording": ["a", "b.wav", "a", "a", "b.wav#t=0"],
            "section": ["00", "00", "00", "01", "00"],
        }
    )
    assert [rows.tolist() for rows in by_recording(table)] == [[0, 2], [1], [3], [4]]
    assert by_recording(table.only(np.zeros(5, bool))) == []


@given(st.integers(0, 10**9), st.sampled_from([8000, 11025, 16000, 44100, 48000, 192000]))
def test_windows_have_names_of_their_own(start: int, rate: int) -> None:
    name = window_name("a.b.WAV", start / rate)
    recording, _, seconds = name.partition("#t=")
    assert recording == "a.b.WAV"
    assert round(float(seconds) * rate) == start
    assert name != window_name("a.b.WAV", (start + 1) / rate)
    assert seconds == seconds.strip() != ""
    assert "." not in seconds or seconds[-1] not in "0."


def test_contents_of_windows() -> None:
    """The first one has the samples, and so the digest, of a recording that is cut to it."""
    digest = "ab" * 32
    assert content_digest(digest, 0, 5) == digest
    assert content_digest(digest, 3, 5) == hashlib.sha256(f"{digest} 3 5".encode()).hexdigest()
    assert (
        len({content_digest(digest, start, length) for start in (1, 2) for length in (3, 4)}) == 4
    )

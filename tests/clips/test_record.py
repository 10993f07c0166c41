"""The index as a table: what is written is what is read, and what is no index is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asd.clip_table import ClipTable
from asd.clips.record import COLUMNS, OK, Clip, index_text, read_index
from asd.errors import UsageError

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)
_NUMBER = st.integers(0, 2**40)
_CLIPS = st.builds(
    Clip,
    **dict.fromkeys(COLUMNS, _TEXT)
    | dict.fromkeys(("sample_rate", "channels", "samples", "length", "start"), _NUMBER)
    | {"full_scale": st.floats(1e-9, 1e9)},
)


def clip(**known: object) -> Clip:
    numbers = {"sample_rate": 16000, "channels": 1, "samples": 3, "length": 3, "start": 0}
    numbers["full_scale"] = 1
    return Clip(**(dict.fromkeys(COLUMNS, "") | numbers | known))


@given(st.lists(_CLIPS, max_size=5))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_index_reads_as_it_was_written(tmp_path: Path, clips: list[Clip]) -> None:
    path = tmp_path / "fan.csv"
    path.write_text(index_text(clips), encoding="utf-8", newline="")
    assert read_index(path) == clips


def test_the_table_is_plain_csv_with_a_heading() -> None:
    assert index_text([clip(path="fan/train/a,b.wav", status=OK)]) == (
        "path,name,recording,machine,section,domain,split,label,attributes,sample_rate,channels,"
        "samples,length,treatment,digest,status,start,full_scale,remarks\n"
        '"fan/train/a,b.wav",,,,,,,,,16000,1,3,3,,,ok,0,1,\n'
    )


def test_only_the_status_decides_what_is_usable() -> None:
    assert clip(status=OK).usable
    assert not clip(status="no samples").usable


def test_an_index_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fan.csv"
    lines = index_text([clip(path="fan/train/a.wav", status=OK)]).splitlines()
    path.write_text("".join(line.rpartition(",")[0] + "\n" for line in lines))
    with pytest.raises(UsageError, match=r"not an index of this version; run 'asd index' again"):
        read_index(path)


def test_windows_differ_in_content_and_share_a_recording() -> None:
    """The first one has the samples, and so the digest, of a recording that is cut to it."""
    digest = "ab" * 32
    windows = [
        clip(name=f"a.wav#t={n}", recording="a.wav", digest=digest, start=3 * n) for n in range(3)
    ]
    assert ClipTable.of(windows).recording == ("a.wav",) * 3
    assert ClipTable.of(windows).content == tuple(window.content for window in windows)
    assert [window.content for window in windows] == [
        digest,
        hashlib.sha256(f"{digest} 3 3".encode()).hexdigest(),
        hashlib.sha256(f"{digest} 6 3".encode()).hexdigest(),
    ]


def test_a_missing_index_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"fan\.csv: no such index; run 'asd index'"):
        read_index(tmp_path / "fan.csv")


_HEADING = ",".join(COLUMNS).encode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not an index of this version"),
        (b"path,name\n", "not an index of this version"),
        (b"\xff\xfe\x00", "not an index"),
        (_HEADING + b"\na,b\n", "line 2"),
        (_HEADING + b"\n" + b"a," * 9 + b"fast,1,1,1,,,ok,0,1,\n", "line 2.*fast"),
        (_HEADING + 3 * (b"\n" + b"a," * 9 + b"1,1,1,1,,,ok,0,1,") + b"\na,b\n", "line 5"),
    ],
    ids=["empty", "columns", "bytes", "short row", "no number", "one short row of several"],
)
def test_what_is_no_index_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "fan.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=complaint):
        read_index(path)


def test_an_index_of_no_clips_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "fan.csv"
    path.write_bytes(_HEADING + b"\n")
    assert read_index(path) == []

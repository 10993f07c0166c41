"""Attribute tables of the challenge."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.clips.attributes import read_attributes
from asd.errors import UsageError


def test_tables_of_all_sections_are_joined(tmp_path: Path) -> None:
    (tmp_path / "attributes_00.csv").write_bytes(
        b"\xef\xbb\xbffile_name,d1p,d1v,d2p,d2v\r\n"
        b"fan/train/a.wav,m-n,W,f,2\r\n"
        b"fan/test/a.wav,m-n, X ,,\r\n"
        b"\r\n"
    )
    (tmp_path / "attributes_01.csv").write_bytes(
        b"file_name,d1p,d1v\nfan/train/b.wav,noAttribute,\nfan/train/c.wav\n"
    )
    (tmp_path / "attributes.csv").write_text("not one of them")
    assert read_attributes(tmp_path) == {
        ("train", "a.wav"): "m-n=W;f=2",
        ("test", "a.wav"): "m-n=X",
        ("train", "b.wav"): "",
        ("train", "c.wav"): "",
    }


def test_no_table_is_no_error(tmp_path: Path) -> None:
    assert read_attributes(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "first column is not 'file_name'"),
        (b"name,d1p,d1v\n", "first column is not 'file_name'"),
        (b"file_name,d1p,d1v\na.wav,m,W\n", "line 2: 'a.wav' is not <machine>/<split>/<file>"),
        (b"file_name,d1p,d1v\nfan/train/a.wav,m,W=1\n", "line 2: attribute 'W=1'"),
        (b"file_name\xff", "cannot be read as CSV"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "attributes_00.csv").write_bytes(content)
    with pytest.raises(UsageError, match=f"attributes_00.csv.*{complaint}"):
        read_attributes(tmp_path)

"""Archives from outside: what a friendly one gives, and that a hostile one gives nothing."""

from __future__ import annotations

import shutil
import stat
import struct
import tempfile
import threading
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asd.download import archive as module
from asd.download.archive import Entry, extract
from asd.errors import JobError
from tests.made import tree


def pack(path: Path, *files: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    """Write an archive with entries as they are given, whatever their names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in files:
            info = name if isinstance(name, zipfile.ZipInfo) else raw_info(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(info, data)
    return path


def raw_info(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name  # the constructor would cut and turn the name
    info.external_attr = mode << 16
    return info


def take(archive: Path, into: Path) -> list[Entry]:
    return extract(archive, into, lambda files: None, lambda: None)


def test_files_and_their_entries(tmp_path: Path) -> None:
    archive = pack(
        tmp_path / "a.zip",
        ("fan/", b""),
        ("fan/train/a.wav", b"one"),
        ("./fan//test/b.wav", b"twenty"),
        ("__MACOSX/fan/._a.wav", b"junk"),
        ("fan/.DS_Store", b"junk"),
    )
    entries = take(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {"fan/train/a.wav": b"one", "fan/test/b.wav": b"twenty"}
    assert [(entry.path, entry.size) for entry in entries] == [
        ("fan/train/a.wav", 3),
        ("fan/test/b.wav", 6),
    ]


def test_two_archives_merge_and_replace(tmp_path: Path) -> None:
    out = tmp_path / "out"
    take(pack(tmp_path / "a.zip", ("fan/train/a.wav", b"old"), ("fan/x.csv", b"x")), out)
    take(pack(tmp_path / "b.zip", ("fan/train/a.wav", b"new"), ("fan/test/b.wav", b"b")), out)
    assert tree(out) == {"fan/train/a.wav": b"new", "fan/x.csv": b"x", "fan/test/b.wav": b"b"}


HOSTILE_NAMES = [
    "../x",
    "fan/../../x",
    "fan/..",
    "/etc/x",
    "//host/x",
    "..\\x",
    "fan\\x",
    "C:/x",
    "c:x",
    "fan/x:stream",
    "fan/x\0.wav",
    "fan/x\n.wav",
    "fan/.. /x",
    "fan/x.",
    "fan/NUL",
    "fan/com1.wav",
    ".",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_name(tmp_path: Path, name: str) -> None:
    archive = pack(tmp_path / "a.zip", ("fan/good.wav", b"good"), (name, b"bad"))
    with pytest.raises(JobError, match=r"a\.zip: entry .* nothing extracted$"):
        take(archive, tmp_path / "deep" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("fan/a.wav", "fan/a.wav"),
        ("fan/a.wav", "fan/A.WAV"),
        ("fan/a.wav", "./fan//a.wav"),
        ("fan/a.wav", "Fan/b.wav"),
        ("fan/a", "fan/a/b.wav"),
        ("fan/a/b.wav", "fan/a"),
        ("fan/\u00e9.wav", "fan/e\u0301.wav"),  # one name, composed and decomposed
        ("fan/stra\u00dfe", "fan/STRASSE"),
    ],
)
def test_names_that_collide(tmp_path: Path, first: str, second: str) -> None:
    with warnings.catch_warnings(action="ignore"):  # zipfile's own, of a name that comes twice
        archive = pack(tmp_path / "a.zip", (first, b"1"), (second, b"2"))
    with pytest.raises(JobError, match="collides with"):
        take(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR]
)
def test_entry_that_is_no_file(tmp_path: Path, kind: int) -> None:
    archive = pack(tmp_path / "a.zip", (raw_info("fan/x", kind | 0o777), b"/etc/passwd"))
    with pytest.raises(JobError, match="neither a file nor a folder"):
        take(archive, tmp_path / "out")


def test_regular_mode_is_a_file(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", (raw_info("fan/x", stat.S_IFREG | 0o4777), b"x"))
    take(archive, tmp_path / "out")
    assert not (tmp_path / "out/fan/x").stat().st_mode & stat.S_ISUID


def test_encrypted(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", ("fan/x", b"x"))
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(JobError, match="is encrypted"):
        take(archive, tmp_path / "out")


def test_bomb_by_declared_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "a.zip", ("fan/x", bytes(2_000_000)))
    with monkeypatch.context() as patched:
        patched.setattr(module, "_SPARE", 1_000_000)
        with pytest.raises(JobError, match="to 2000000 bytes; refused as a zip bomb"):
            take(archive, tmp_path / "out")
    with monkeypatch.context() as patched:
        patched.setattr(module, "_MOST_BYTES", 1_999_999)
        with pytest.raises(JobError, match="zip bomb"):
            take(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(module, "_MOST_BYTES", 2_000_000)
    assert len(take(archive, tmp_path / "out")) == 1  # spare covers it


def test_bomb_by_real_size(tmp_path: Path) -> None:
    """An entry that says ten bytes and holds two million must not write more than ten."""
    archive = pack(tmp_path / "a.zip", ("fan/x", bytes(2_000_000)))
    data = bytearray(archive.read_bytes())
    for magic, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(magic) + offset, 10)
    archive.write_bytes(data)
    with pytest.raises(JobError, match=r"a\.zip: not an archive that can be unpacked: Bad CRC"):
        take(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_damaged_bytes_leave_no_file(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("fan/x", b"0123456789")
    archive.write_bytes(archive.read_bytes().replace(b"0123456789", b"0123456780"))
    with pytest.raises(JobError, match=r"a\.zip: .*CRC.*, try another --mirror$"):
        take(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


@pytest.mark.parametrize("data", [b"", b"<html>no zip</html>", b"PK\3\4" + bytes(40)])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(JobError, match=r"a\.zip: not an archive"):
        take(tmp_path / "a.zip", tmp_path / "out")


def test_link_on_disk_that_leads_out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/fan").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JobError, match="a link that leads out of"):
        take(pack(tmp_path / "a.zip", ("fan/train/x", b"x")), tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_links_to_files_are_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out/fan").mkdir(parents=True)
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "out/fan/x").symlink_to(tmp_path / "precious")
    beside = f".x.{zlib.crc32(b'a.zip'):08x}.part"
    (tmp_path / "out/fan" / beside).symlink_to(tmp_path / "precious")
    take(pack(tmp_path / "a.zip", ("fan/x", b"x")), tmp_path / "out")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert tree(tmp_path / "out") == {"fan/x": b"x"}


def test_archives_that_share_a_file_are_extracted_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = [pack(tmp_path / name, ("fan/x", b"x")) for name in ("a.zip", "b.zip")]
    both, copy = threading.Barrier(2), shutil.copyfileobj

    def together(*arguments: Any) -> None:
        copy(*arguments)
        both.wait(30)

    monkeypatch.setattr(shutil, "copyfileobj", together)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda archive: take(archive, tmp_path / "out"), archives))
    assert tree(tmp_path / "out") == {"fan/x": b"x"}


def test_claim_comes_before_any_file(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", ("fan/x", b"x"))

    def refuse(files: object) -> None:
        raise JobError("mine")

    with pytest.raises(JobError, match="mine"):
        extract(archive, tmp_path / "out", refuse, lambda: None)
    assert not (tmp_path / "out").exists()


PARTS = st.sampled_from(["..", ".", "", "fan", "FAN", "a.wav", "C:", "x\\y", "nul", "~", "é", "…"])
NAMES = st.one_of(
    st.lists(PARTS, min_size=1, max_size=4).map("/".join),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_nothing_is_ever_written_outside(names: list[str]) -> None:
    """Whatever the names are: all files below the folder, or an error and no file at all."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        archive = pack(root / "a.zip", *((name, name.encode()) for name in names))
        out = root / "deep" / "out"
        try:
            entries = take(archive, out)
        except JobError:
            assert not (root / "deep").exists()
        else:
            assert set(tree(root)) == {"a.zip"} | {f"deep/out/{entry.path}" for entry in entries}

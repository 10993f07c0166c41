"""The record of an artifact: whole or not, of which request, and what is said where it is not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

import asd
from asd.artifact import (
    RECORD,
    VERBS,
    Record,
    Request,
    difference,
    drift,
    is_current,
    lack,
    making,
    prune,
    read_record,
    surplus,
    tell_drift,
    tell_drift_of,
    versions,
    write_record,
)
from asd.digest import canonical_json, sha256_bytes, sha256_json
from asd.errors import JobError, UsageError


class Sonnet(Request):
    """An artifact of two files or one."""

    kind: ClassVar[str] = "sonnet"
    verb: ClassVar[str] = "rhyme"

    lines: int = 14
    metre: dict[str, Any] = Field({})


class Ode(Sonnet):
    """The same by another name."""

    kind: ClassVar[str] = "ode"


class Later(Sonnet):
    """A sonnet of another version, whose files are laid out otherwise."""

    schema_version: ClassVar[int] = 2


REQUEST = Sonnet(metre={"feet": 5})
FILES = {"first.txt": "one\n", "second.txt": "zwölf\r\n"}


def make(path: Path, request: Sonnet = REQUEST, files: dict[str, str] = FILES) -> Record:
    with making(path, request, "numpy") as made:
        for name, text in files.items():
            made.text(name, text)
        made.facts["rhymes"] = [1, 0.1 + 0.2]
    return read_record(path, type(request))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make(tmp_path / "some" / RECORD)
    return tmp_path / "some" / RECORD


def rewrite(path: Path, change: dict[str, Any], without: tuple[str, ...] = ()) -> None:
    """Change a record, as another version of the package would have written it."""
    record = json.loads(path.read_text()) | change
    rest = {key: value for key, value in record.items() if key not in ("digest", *without)}
    path.write_text(json.dumps(rest | {"digest": sha256_json(rest)}))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Whole.


def test_it_is_read_as_it_was_made(path: Path) -> None:
    record = read_record(path, Sonnet)
    assert record == make(path)
    assert (record.kind, record.verb, record.path) == ("sonnet", "rhyme", path)
    assert record.request == {"lines": 14, "metre": {"feet": 5}}
    assert record.asked(Sonnet) == REQUEST
    assert record.files == {name: sha256_bytes(text.encode()) for name, text in FILES.items()}
    assert record.facts == {"rhymes": [1, 0.1 + 0.2]}
    assert record.versions == versions("numpy")
    assert record.check() is record
    assert record.file("second.txt").read_bytes() == "zwölf\r\n".encode()
    assert is_current(path, REQUEST)
    assert lack(path, None, whole=True) == ""
    assert sorted(contents(path.parent)) == sorted([*FILES, RECORD])


def test_the_digest_is_of_all_else_in_it(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    digest = content.pop("digest")
    assert digest == sha256_json(content) == read_record(path).digest
    assert set(content) == {"kind", "schema", "request", "files", "facts", "versions"}


def test_the_same_gives_the_same_bytes_anywhere(path: Path, tmp_path: Path) -> None:
    make(tmp_path / "elsewhere" / "other" / RECORD)
    assert contents(tmp_path / "elsewhere" / "other") == contents(path.parent)


def test_a_request_is_told_by_what_it_asks(path: Path) -> None:
    assert REQUEST.canonical == canonical_json({"metre": {"feet": 5}, "lines": 14})
    assert REQUEST.digest == sha256_json({"lines": 14, "metre": {"feet": 5}})
    assert Sonnet().digest != REQUEST.digest
    with pytest.raises(ValueError, match="more"):
        Sonnet(more=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="frozen"):
        REQUEST.lines = 3  # type: ignore[misc]


def test_files_that_are_not_made_again_are_gone(path: Path) -> None:
    (path.parent / "own.txt").write_text("of somebody else")
    make(path, files={"first.txt": "two\n"})
    assert sorted(contents(path.parent)) == ["first.txt", RECORD]
    assert is_current(path, REQUEST)


# Not whole.


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_changed_or_is_lost(path: Path, name: str) -> None:
    file = path.with_name(name)
    file.write_bytes(file.read_bytes().replace(b"\n", b"!"))
    other = next(iter(FILES.keys() - {name}))
    record = read_record(path, Sonnet)
    with pytest.raises(
        JobError,
        match=rf"{name}: is not what was written: its contents do not have the digest that was"
        r" recorded; delete it and run 'asd rhyme'",
    ):
        record.file(name)
    with pytest.raises(JobError, match=name):
        record.check()
    assert record.file(other) == path.with_name(other)
    # What was written after the record is read in any case.
    assert lack(path, REQUEST) == lack(path, None) == "damaged"
    os.utime(path)  # now, after the file
    assert lack(path, REQUEST) == lack(path, None) == ""
    assert lack(path, REQUEST, whole=True) == lack(path, None, whole=True) == "damaged"
    assert not is_current(path, REQUEST)
    file.unlink()
    with pytest.raises(JobError, match=rf"{name}: lost: record.json names it; run 'asd rhyme'"):
        record.file(name)
    assert lack(path, REQUEST) == lack(path, None) == f"{name} is gone"
    assert not is_current(path, REQUEST)
    with pytest.raises(JobError, match="does not name third.txt; delete it and run 'asd rhyme'"):
        record.file("third.txt")


def test_a_file_that_cannot_be_read(path: Path) -> None:
    record = read_record(path, Sonnet)
    path.with_name("first.txt").unlink()
    path.with_name("first.txt").mkdir()
    with pytest.raises(JobError, match="first.txt: cannot be read: Is a directory"):
        record.file("first.txt")
    assert lack(path, REQUEST) == "first.txt is gone"


def test_every_flipped_byte_of_a_record_is_found(path: Path) -> None:
    whole, expected = path.read_bytes(), read_record(path, Sonnet)
    errors = []
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1
        path.write_bytes(data)
        try:
            assert read_record(path, Sonnet) == expected  # white space alone
        except JobError as error:
            errors.append(str(error))
    assert len(errors) > 0.8 * len(whole)
    assert not [error for error in errors if "\n" in error]


_PARTS = ("request", "files", "facts", "versions")
_ELSEWHERE = ("../x", "a/../../x", "/etc/hostname", ".hidden", "..", "sub/../../x", "x\0y")


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"{", b"{}", b"[]", b"1", b"null", b'"kind"', b"[" * 9000, b'{"kind": NaN}'],
)
def test_what_is_no_record(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert_refused(path, ".*")
    make(path)
    assert is_current(path, REQUEST)


def assert_refused(path: Path, reason: str, of_any: bool = True) -> None:
    """Whoever asks for a sonnet is told why and the way out; who asks for any record, if he is."""
    with pytest.raises(JobError) as caught:
        read_record(path, Sonnet)
    way_out = "; delete it and run 'asd rhyme'"
    assert re.search(rf"not a readable sonnet record \({reason}\){way_out}$", str(caught.value))
    assert lack(path, REQUEST) == "damaged"
    assert not is_current(path, REQUEST)
    if of_any:
        with pytest.raises(JobError, match=rf"not a readable artifact record \({reason}\)$"):
            read_record(path)
        assert lack(path, None) == "damaged"


@pytest.mark.parametrize("without", ["kind", "schema", *_PARTS])
def test_a_record_that_lacks_something(path: Path, without: str) -> None:
    rewrite(path, {}, (without,))
    # Only a reader of one kind compares the schema with its own.
    assert_refused(path, f"'{without}'", of_any=without != "schema")


@pytest.mark.parametrize("key", _PARTS)
@pytest.mark.parametrize("value", [None, [], 3, "x"])
def test_a_record_with_parts_of_another_form(path: Path, key: str, value: Any) -> None:
    rewrite(path, {key: value})
    assert_refused(path, "other contents")


@pytest.mark.parametrize("name", _ELSEWHERE)
def test_a_record_may_not_name_files_elsewhere(path: Path, name: str) -> None:
    rewrite(path, {"files": {name: "0" * 64}})
    assert_refused(path, "it names files elsewhere")
    # Nor is anything removed by its word.
    outside = path.parents[1] / "x"
    outside.write_text("precious")
    make(path)
    assert outside.read_text() == "precious"


def test_another_kind_and_another_schema(path: Path) -> None:
    with pytest.raises(
        JobError, match=r"\(sonnet of schema 1, this version reads ode of schema 1\)"
    ):
        read_record(path, Ode)
    with pytest.raises(JobError, match=r"sonnet of schema 1, this version reads .* of schema 2"):
        read_record(path, Later)
    ode, later = (kind(metre=REQUEST.metre) for kind in (Ode, Later))
    assert lack(path, ode) == lack(path, later) == "damaged"
    assert not is_current(path, ode)
    assert read_record(path).kind == "sonnet"


def test_a_request_of_another_form(path: Path) -> None:
    rewrite(path, {"request": {"lines": "few"}})
    record = read_record(path, Sonnet)
    with pytest.raises(JobError, match=r"made by another version \(lines: .*run 'asd rhyme'"):
        record.asked(Sonnet)
    assert lack(path, REQUEST) == ('other settings (lines "few" -> 14, metre.feet null -> 5)')


def test_what_is_not_there(path: Path) -> None:
    shutil.rmtree(path.parent)
    assert lack(path, REQUEST) == lack(path, None, whole=True) == "missing"
    assert not is_current(path, REQUEST)
    with pytest.raises(UsageError, match="no such sonnet; run 'asd rhyme' first"):
        read_record(path, Sonnet)
    with pytest.raises(UsageError, match="no such artifact$"):
        read_record(path)


def test_every_kind_says_what_makes_it() -> None:
    from asd.detection import enroll, export, feedback, working_point  # noqa: F401
    from asd.scoring import scored  # noqa: F401
    from asd.stages import index  # noqa: F401
    from asd.training import artifact  # noqa: F401

    kinds = [one for one in Request.__subclasses__() if one.__module__.startswith("asd.")]
    assert len(kinds) > 8
    assert all(VERBS[kind.kind] == kind.verb for kind in kinds)


# Making.


def test_an_error_leaves_no_record_and_nothing_half_written(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), making(path, REQUEST) as made:
        made.text("first.txt", "new\n")
        with made.file("second.txt") as beside:
            beside.write_text("half")
            raise ZeroDivisionError
    assert lack(path, REQUEST) == "missing"
    assert contents(path.parent) == {
        ".record.json.part": b"",
        "first.txt": b"new\n",
        "second.txt": b"zw\xc3\xb6lf\r\n",
    }
    make(path)
    assert is_current(path, REQUEST)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "some").write_text("no folder")
    with pytest.raises(JobError, match="cannot be (written|removed)") as caught:
        make(tmp_path / "some" / RECORD)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", ["nothing", "another", "the same"])
def test_a_kill_at_any_step_leaves_the_old_or_the_new_or_none(
    tmp_path: Path, killed_at: Callable[..., bool], start: str
) -> None:
    old, new = Sonnet(lines=8), Sonnet(lines=9)
    texts = {"first.txt": "of nine\n", "third.txt": "drei\n"}
    path, kills, seen = tmp_path / "some" / RECORD, 0, set()
    while True:
        shutil.rmtree(path.parent, ignore_errors=True)
        if start != "nothing":
            make(path, old if start == "another" else new)
        killed = killed_at(kills, ("os.rename", "os.remove"), lambda: make(path, new, texts))
        lacks = lack(path, new, whole=True)
        seen.add(lacks if lacks in ("", "missing") else "another")
        assert lacks in ("", "missing") or is_current(path, old)
        if lacks == "":
            # The record was the last word: what it names is of one making.
            assert read_record(path, Sonnet).files.keys() in (texts.keys(), FILES.keys())
        make(path, new, texts)
        kept = {name: data for name, data in contents(path.parent).items() if "part" not in name}
        assert kept.keys() - FILES.keys() == {"third.txt", RECORD}
        assert is_current(path, new)
        if not killed:
            break
        kills += 1
    assert kills > 3
    assert "missing" in seen


def test_a_record_of_files_that_lie_there(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("b")
    (tmp_path / "a").write_text("a")
    write_record(tmp_path / "sonnet.json", REQUEST, ["b", "a"], {"of": "two"})
    written = read_record(tmp_path / "sonnet.json", Sonnet)
    assert list(written.files) == ["a", "b"]
    assert written.facts == {"of": "two"}
    assert written.check().verb == "rhyme"


# Differences.

KEYS = st.text("abc.ä", max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=4,
)
NESTED = st.dictionaries(KEYS, VALUES, max_size=3)


@settings(max_examples=50)
@given(NESTED, NESTED)
def test_a_difference_is_one_short_line(was: dict[str, Any], now: dict[str, Any]) -> None:
    assert difference(was, json.loads(canonical_json(was))) == ""
    said = difference(was, now)
    assert "\n" not in said
    assert bool(said) == bool(difference(now, was))
    assert len(said) < 3 * (2 * 40 + 40) + 20


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ({"a": {"hop": 512}}, {"a": {"hop": 256}}, "a.hop 512 -> 256"),
        ({"a": 1}, {"a": 1, "b": None}, ""),
        ({"a": 1}, {"b": "x"}, 'a 1 -> null, b null -> "x"'),
        ({"a": "0" * 64}, {"a": "1" * 64}, "another a"),
        ({}, {"a": {"b": "1" * 64}}, "another a.b"),
        ({"a": [1, 2]}, {"a": [2, 1]}, "a [1,2] -> [2,1]"),
        (
            dict.fromkeys("abcde", 1),
            dict.fromkeys("abcde", 2),
            "a 1 -> 2, b 1 -> 2, c 1 -> 2, 2 more",
        ),
        ({"a": [{"b": 1}, {"c": 2}]}, {"a": [{"b": 1}, {"c": 3}]}, "a.1.c 2 -> 3"),
        ({"a": "x" * 99}, {"a": ""}, f'a "{"x" * 36}... -> ""'),
    ],
)
def test_differences_in_words(was: dict[str, Any], now: dict[str, Any], expected: str) -> None:
    assert difference(was, now) == expected


def test_requests_that_differ_in_form_alone_are_other_ones(path: Path) -> None:
    rewrite(path, {"request": {"lines": 14.0, "metre": {"feet": 5}}})
    assert lack(path, REQUEST) == "other settings (in another form)"
    assert not is_current(path, REQUEST)


def test_other_settings_are_named(path: Path) -> None:
    assert lack(path, Sonnet(metre={"feet": 6})) == "other settings (metre.feet 5 -> 6)"
    assert lack(path, Sonnet(lines=15, metre={"feet": 5})) == "other settings (lines 14 -> 15)"


# Pruning.


def test_what_is_not_wanted_is_removed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "models", tmp_path / "outside"
    for name in ("kept", "gone", ".hidden", "gone/below"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text("x")
    outside.mkdir()
    (outside / "precious").write_text("x")
    (folder / "link").symlink_to(outside)
    (folder / "file").write_text("x")
    gone = surplus(folder, lambda path: path.name == "kept")
    assert [path.name for path in gone] == ["file", "gone", "link"]
    prune(folder, lambda path: path.name == "kept")
    assert sorted(path.name for path in folder.iterdir()) == [".hidden", "kept"]
    assert (folder / "kept" / "file").read_text() == "x"
    assert (outside / "precious").read_text() == "x"
    assert surplus(tmp_path / "nowhere", lambda path: False) == []


# Versions.


def test_versions_are_those_of_the_packages() -> None:
    assert versions("numpy", "torch") == {
        "asd": asd.__version__,
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "torch": importlib.metadata.version("torch"),
    }


def test_the_same_versions_do_not_drift() -> None:
    assert drift(versions("numpy", "torch", "transformers")) == []
    assert drift({}) == []


@pytest.mark.parametrize("name", ["asd", "numpy", "torch", "transformers"])
def test_major_and_minor_count_and_nothing_else(name: str) -> None:
    here = asd.__version__ if name == "asd" else importlib.metadata.version(name)
    major, minor, *_ = here.split(".")
    assert drift({name: f"{major}.{minor}.999+other"}) == []
    for made in (f"{int(major) + 1}.{minor}.0", f"{major}.{minor}1.0", "unknown"):
        assert drift({name: made}) == [f"{name} {made} (here {here})"]


def test_other_packages_do_not_count() -> None:
    assert drift({"python": "2.7", "safetensors": "0.0.1"}) == []


def test_drift_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        tell_drift("jigsaw", {"torch": "1.0.0", "numpy": "1.0"})
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("note: a jigsaw was made with torch 1.0.0 (here ")


def test_a_record_need_not_be_there(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_drift_of(path.with_name("none.json"))
    whole = path.read_text()
    for text in ("{", "[1]", "{}", '"versions"'):
        path.write_text(text)
        tell_drift_of(path)
    path.write_text(whole)
    rewrite(path, {"versions": [1]})
    tell_drift_of(path)
    assert capsys.readouterr().err == ""
    rewrite(path, {"versions": {"torch": "1.0.1"}})
    tell_drift_of(path)
    assert capsys.readouterr().err.startswith("note: a sonnet was made with torch 1.0.1 (here ")


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda some: st.lists(some) | st.dictionaries(st.sampled_from(["torch", "numpy"]), some),
        max_leaves=8,
    )
)
def test_no_version_is_an_error(recorded: object) -> None:
    tell_drift("record", {"torch": recorded})

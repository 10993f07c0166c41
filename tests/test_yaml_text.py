"""YAML that is changed and written back: what a person wrote stays, and texts stay texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.yaml_text import on_one_line, read_round_trip, read_yaml, set_value, write_round_trip

# What a reader of YAML 1.1 or 1.2 takes for a number, a date, a truth value or nothing.
HOSTILE = (
    *("1", "007", "0x1F", "0o7", "1e3", "1_000", "1:30", ".inf", "-0", "2024-01-01"),
    *("null", "~", "", "true", "no", "Off", "y"),
    *(
        "#x",
        "a: b",
        "a #b",
        "- a",
        "{a}",
        "*a",
        "&a",
        "!a",
        "|",
        "%a",
        "'a'",
        '"a"',
        " a ",
        "ä\n b",
    ),
)
DOCUMENT = """\
# by hand
results:  # of the last run

  # every machine
  measured:  # in percent
    "fan":
      pauc: 1   # low
      'auc': 0x10

    # after the machines
  other: ~        # nothing
  nothing: !!null  # nothing either
  list: [a, {b: !!null }, {c: 1}]
  after: |-
    kept
    text

# the end
last:
    """
names = st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8", exclude_categories=["C"]))


def changed(text: str, value: object) -> bytes:
    document = read_round_trip(text.encode())
    set_value(document["results"], "measured", value)
    return write_round_trip(document)


@pytest.mark.parametrize("path", ["pipeline/params.yaml", "dvc.yaml"])
def test_a_file_of_the_project_comes_back_byte_for_byte(path: str) -> None:
    content = (Path(__file__).parents[1] / path).read_bytes()
    assert write_round_trip(read_round_trip(content)) == content


@pytest.mark.parametrize(
    "text",
    [
        DOCUMENT.rstrip(" "),
        "---\na:\n    b: 1\n    c:\n      - 1\n      - d: 2\n        e: null\n",
        "a:\r\n  - 1  # one\r\n  - 2\r\n\r\nb: !!null\r\n",
        "a: &x\n    b: 1\nc: *x\nd:\n    <<: *x\n    e: 1\n",
    ],
    ids=["comments", "wide", "Windows", "aliases"],
)
def test_what_is_not_changed_stays_byte_for_byte(text: str) -> None:
    assert write_round_trip(read_round_trip(text.encode())) == text.encode()


@given(value=st.dictionaries(names, names | st.none() | st.integers() | st.booleans()))
def test_texts_come_back_as_texts_and_all_else_stays(value: dict[str, object]) -> None:
    for measured in (value, {"fan": value, "ä": [value, None]}):
        content = changed(DOCUMENT, measured)
        expected = read_yaml(DOCUMENT.encode())
        expected["results"]["measured"] = measured
        assert read_yaml(content) == expected
        assert read_yaml(b"%YAML 1.1\n---\n" + content)["results"]["measured"] == measured
        assert changed(content.decode(), measured) == content


def test_comments_stay_where_they_stand() -> None:
    first, last = DOCUMENT.split("      pauc: 1   # low\n      'auc': 0x10\n")
    new = {"fan": {"pauc": 22, "auc": 16}, "valve": {"pauc": None}}
    lines = "      pauc: 22   # low\n      'auc': 0x10\n    valve:\n      pauc: !!null\n"
    assert changed(DOCUMENT, new).decode() == f"{first}{lines}{last.rstrip(' ')}"
    head, tail = first.partition("measured:")[0], last.rstrip(" ")
    assert changed(DOCUMENT, {}).decode() == f"{head}measured: {{}} # in percent\n{tail}"
    assert changed(DOCUMENT, 7).decode() == f"{head}measured: 7 # in percent\n{tail}"


def test_a_null_is_like_none() -> None:
    document = read_round_trip(b"a: !!null\nb:\nc: [~, 0]\n")
    assert document["a"] == document["b"] == document["c"][0] == None  # noqa: E711
    assert not document["a"]
    assert document["c"] != [None, None]


@pytest.mark.parametrize("content", [b"a: [", b"a: \xff", b"a: 1\na: 2", b"a: !!float x"])
def test_text_that_is_no_yaml_is_one_line(content: bytes) -> None:
    with pytest.raises(ValueError, match="^not YAML: .+$") as caught:
        read_round_trip(content)
    assert "\n" not in str(caught.value)


def test_the_choice_of_a_machine_is_all_that_changes_in_the_params() -> None:
    content = (Path(__file__).parents[1] / "pipeline" / "params.yaml").read_bytes()
    document = read_round_trip(content)
    members = [on_one_line({"model": "1", "scorer": "gmm", "settings": {"ridge": 0.01}})]
    for machines in ({"007": members}, {"007": members, "fan": members * 2}):
        set_value(document["fusions"], "selected", {"machines": machines})
    line = "      - {model: '1', scorer: gmm, settings: {ridge: 0.01}}\n"
    entry = f"  selected:\n    machines:\n      '007':\n{line}      fan:\n{line}{line}"
    expected = content.decode().replace("  selected: {}\n", entry)
    assert write_round_trip(document).decode() == expected

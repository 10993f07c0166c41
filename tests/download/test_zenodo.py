"""The table of records, and what is taken from a record's API answer."""

from __future__ import annotations

import json

import pytest

from asd.download.zenodo import PARTS, RECORDS, Archive, archives, check_base
from asd.errors import JobError, UsageError

MD5 = "0123456789abcdef0123456789abcdef"
BASE = "http://mirror:80/zenodo"


def answer(*keys: str, **changed: object) -> bytes:
    files = [{"key": key, "size": 5, "checksum": f"md5:{MD5}", **changed} for key in keys]
    return json.dumps({"files": files}).encode()


def test_table_is_whole_and_no_record_comes_twice() -> None:
    assert list(RECORDS) == [f"dcase{year}" for year in range(2020, 2027)]
    assert all(tuple(parts) == PARTS for parts in RECORDS.values())
    assert len({record for parts in RECORDS.values() for record in parts.values()}) == 21


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("dev_data_ToyCar.zip", "ToyCar"),  # 2020, 2021
        ("eval_data_train_ToyConveyor.zip", "ToyConveyor"),  # 2020
        ("eval_data_test_fan.zip", "fan"),
        ("eval_data_pump_train.zip", "pump"),  # 2021 on
        ("eval_data_pump_test.zip", "pump"),
        ("dev_ToyTrain.zip", "ToyTrain"),  # 2022 on
        ("eval_data_3DPrinter_train_r2.zip", "3DPrinter"),  # 2024
        ("dev_ToyCar_r2.zip", "ToyCar"),  # 2026
        ("eval_data_BlowerDustCollector_test.zip", "BlowerDustCollector"),
    ],
)
def test_machine_of_each_year_s_archives(name: str, machine: str) -> None:
    assert [archive.machine for archive in archives(answer(name), 1, BASE)] == [machine]


def test_other_files_are_left_and_the_last_revision_counts() -> None:
    listed = answer("readme.md", "dev_fan_r10.zip", "dev_fan.zip", "dev_fan_r2.zip", "dev_bee.zip")
    assert [a.name for a in archives(listed, 1, BASE)] == ["dev_bee.zip", "dev_fan_r10.zip"]


@pytest.mark.parametrize(
    ("links", "url"),
    [
        ({}, f"{BASE}/api/records/7/files/dev_fan.zip/content"),
        ({"self": "https://zenodo.org/api/files/b/dev_fan.zip"}, f"{BASE}/api/files/b/dev_fan.zip"),
        ({"self": "/other/x.zip"}, "http://mirror:80/other/x.zip"),
        ({"self": "x", "content": "https://store/x.zip"}, "https://store/x.zip"),
    ],
)
def test_address_of_the_bytes(links: dict[str, str], url: str) -> None:
    found = archives(answer("dev_fan.zip", links=links), 7, BASE)
    assert found == [Archive(7, "dev_fan.zip", "fan", 5, MD5, url)]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"files": 3}',
        b"[" * 100_000,
        b'{"files": [{"size": 3}]}',
        b'{"files": [{"key": 3}]}',
        answer("readme.md"),
        answer("dev_../../x.zip"),
        answer("dev_a/b.zip"),
        answer("dev_fan.zip", size=-1),
        answer("dev_fan.zip", size="5"),
        answer("dev_fan.zip", size=True),
        answer("dev_fan.zip", checksum="sha1:00"),
        answer("dev_fan.zip", checksum=None),
        answer("dev_fan.zip", links={"self": "file:///etc/passwd"}),
        answer("dev_fan.zip", links={"self": "http://host/a b"}),
        answer("dev_fan.zip", links={"self": "http://[host/x"}),
    ],
)
def test_impossible_answer(body: bytes) -> None:
    with pytest.raises(JobError, match=f"^{BASE}/api/records/7: "):
        archives(body, 7, BASE)


def test_base() -> None:
    assert check_base("https://zenodo.org/") == "https://zenodo.org"
    for wrong in ("file:///x", "ftp://x", "zenodo.org", "http://", "http://x:y", "http://x?a=b"):
        with pytest.raises(UsageError, match="is no mirror"):
            check_base(wrong)

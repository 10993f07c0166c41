"""The records of the challenge on Zenodo, and what a record's API answer says is in one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from asd.errors import JobError, UsageError

ZENODO = "https://zenodo.org"
PARTS = ("dev", "additional", "eval")

RECORDS: Mapping[str, Mapping[str, int]] = {
    "dcase2020": {"dev": 3678171, "additional": 3727685, "eval": 3841772},
    "dcase2021": {"dev": 4562016, "additional": 4660992, "eval": 4884786},
    "dcase2022": {"dev": 6355122, "additional": 6462969, "eval": 6586456},
    "dcase2023": {"dev": 7882613, "additional": 7830345, "eval": 7860847},
    "dcase2024": {"dev": 10902294, "additional": 11259435, "eval": 11363076},
    "dcase2025": {"dev": 15097779, "additional": 15392814, "eval": 15519362},
    "dcase2026": {"dev": 19336329, "additional": 20151556, "eval": 20437238},
}
"""Data set -> part -> record: development data, additional training data, evaluation data."""

# dev_data_fan.zip, dev_fan.zip, eval_data_train_fan.zip, eval_data_fan_test.zip,
# eval_data_3DPrinter_train_r2.zip: the years differ in where they put the machine.
_ARCHIVE = re.compile(
    r"(?P<stem>(?:dev|eval)(?:_data)?(?:_train|_test)?_(?P<machine>.+?)(?:_train|_test)?)"
    r"(?:_r(?P<revision>\d+))?\.zip"
)
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_URL = re.compile(r"https?://[!-~]+")
_MD5 = re.compile(r"md5:([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Archive:
    """One zip archive of a record.

    Attributes:
        record: the record that it is in.
        name: its file name.
        machine: the machine whose clips it holds, as the file name says.
        size: bytes.
        md5: hexadecimal digest of its bytes.
        url: where its bytes are.
    """

    record: int
    name: str
    machine: str
    size: int
    md5: str
    url: str


def check_base(url: str) -> str:
    """Return the base URL of Zenodo or of a mirror without its last slash.

    Raises:
        UsageError: it is not an http or https URL of a host.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # a port that is no number
        host = None
    if not host or not _URL.fullmatch(url) or re.search("[?#@]", url):
        raise UsageError(f"'{url}' is no mirror; give its address, such as {ZENODO}")
    return url.rstrip("/")


def record_url(base: str, record: int) -> str:
    """Return the address of a record's API answer."""
    return f"{base}/api/records/{record}"


def archives(answer: bytes, record: int, base: str) -> list[Archive]:
    """Return the archives that a record's API answer lists, by name.

    Of an archive that was published in several revisions (``..._r2.zip``) the last one counts.

    Args:
        answer: the JSON body of the answer.
        record: the record that was asked for.
        base: the base URL that was asked; links to Zenodo itself are turned to it.

    Raises:
        JobError: the answer is not that of a record, or a name, size or checksum in it is
            impossible.
    """
    try:
        listed = json.loads(answer)["files"]
        entries = [entry for entry in listed if _ARCHIVE.fullmatch(entry["key"])]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise JobError(f"{record_url(base, record)}: not a record's list of files") from None
    latest: dict[str, tuple[int, Archive]] = {}
    for entry in entries:
        archive, stem, revision = _archive(entry, record, base)
        if stem not in latest or latest[stem][0] < revision:
            latest[stem] = (revision, archive)
    if not latest:
        raise JobError(f"{record_url(base, record)}: lists no archive of the challenge")
    return sorted((archive for _, archive in latest.values()), key=lambda archive: archive.name)


def _archive(entry: Mapping[str, Any], record: int, base: str) -> tuple[Archive, str, int]:
    key, size, checksum = entry["key"], entry.get("size", -1), entry.get("checksum")
    named, md5 = _ARCHIVE.fullmatch(key), _MD5.fullmatch(str(checksum))
    url = _content_url(entry.get("links"), key, record, base)
    # The key becomes the name of a local file, so that no answer may place one elsewhere.
    possible = _KEY.fullmatch(key) and type(size) is int and size >= 0 and _URL.fullmatch(url)
    if named is None or md5 is None or not possible:
        raise JobError(
            f"{record_url(base, record)}: impossible entry: file {key!r}, size {size!r}, "
            f"checksum {checksum!r}, address {url!r}"
        )
    found = Archive(record, key, named["machine"], size, md5[1], url)
    return found, named["stem"], int(named["revision"] or 1)


def _content_url(links: object, key: str, record: int, base: str) -> str:
    known = links if isinstance(links, dict) else {}
    link = known.get("content") or known.get("self")
    if not isinstance(link, str):
        return f"{record_url(base, record)}/files/{quote(key)}/content"
    if link.startswith(f"{ZENODO}/"):  # a mirror may hand on Zenodo's own answer, links and all
        link = base + link.removeprefix(ZENODO)
    try:
        return urljoin(f"{base}/", link)
    except ValueError:  # a host in half a pair of brackets
        return ""

"""Whole downloads from a small Zenodo on this machine: planned, in parallel, once only."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import ENOSPC
from os import strerror
from pathlib import Path
from threading import Barrier, Event
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pytest

from asd.artifact import read_record
from asd.download import archive as unpacking
from asd.download import dataset as module
from asd.download.archive import DownloadRequest
from asd.download.dataset import Outcome, download
from asd.download.fetch import Web
from asd.download.zenodo import RECORDS
from asd.errors import JobError, UsageError
from tests.made import replace_in, tree

Patch = pytest.MonkeyPatch
Zenodo = Any  # of conftest.py, which cannot be imported by name
Get = Callable[..., Outcome]
Zipped = Callable[[Mapping[str, bytes]], bytes]

DEV, ADDITIONAL, EVAL = RECORDS["dcase2022"].values()
CONTENT = {
    (DEV, "dev_fan.zip"): {"fan/train/a.wav": b"a" * 900, "fan/attributes_00.csv": b"00"},
    (DEV, "dev_valve.zip"): {"valve/train/a.wav": b"v" * 700},
    (ADDITIONAL, "eval_data_fan_train.zip"): {"fan/train/b.wav": b"b" * 800},
    (EVAL, "eval_data_fan_test.zip"): {"fan/test/c.wav": b"c"},
}


@pytest.fixture
def origin(zenodo: Zenodo, zipped: Zipped) -> Zenodo:
    """The three records of a year, with small archives."""
    for record in (DEV, ADDITIONAL, EVAL):
        zenodo.publish(
            record, {key: zipped(files) for (of, key), files in CONTENT.items() if of == record}
        )
    return zenodo


@pytest.fixture
def get(origin: Zenodo, tmp_path: Path) -> Get:
    """Return a function that downloads the year from there into ``tmp_path/raw``."""

    def go(**changed: Any) -> Outcome:
        chosen = {"mirror": origin.base, "web": Web(attempts=2), **changed}
        return download("dcase2022", tmp_path / "raw", **chosen)

    return go


def expected(*keys: str) -> dict[str, bytes]:
    return {
        path: data
        for (_, key), files in CONTENT.items()
        if key in keys
        for path, data in files.items()
    }


def file_requests(origin: Zenodo) -> list[str]:
    return [path for path, _ in origin.requests if "/files/" in path]


DEFAULT = ("dev_fan.zip", "dev_valve.zip", "eval_data_fan_train.zip")


def test_parts_merge_and_only_records_stay(get: Get, tmp_path: Path) -> None:
    outcome = get()
    assert (outcome.fetched, outcome.kept, outcome.files) == (DEFAULT, (), 4)
    assert tree(tmp_path / "raw/dcase2022") == expected(*DEFAULT)
    state = sorted(path.name for path in (tmp_path / "raw/.download/dcase2022").iterdir())
    assert state == [
        f"{DEV}_dev_fan.zip.json",
        f"{DEV}_dev_valve.zip.json",
        f"{ADDITIONAL}_eval_data_fan_train.zip.json",
    ]


def test_record_names_what_it_stands_for(get: Get, origin: Zenodo, tmp_path: Path) -> None:
    get(parts=["dev"], machines=["fan"])
    (path,) = (tmp_path / "raw/.download/dcase2022").iterdir()
    record = read_record(path, DownloadRequest)
    body = origin.bodies[origin.path(DEV, "dev_fan.zip")]
    md5 = hashlib.md5(body).hexdigest()
    assert record.request == {"record": DEV, "name": "dev_fan.zip", "md5": md5}
    files = CONTENT[DEV, "dev_fan.zip"].items()
    assert record.facts["files"] == [[name, len(data), crc32(data)] for name, data in files]


def test_second_call_makes_no_file_request(get: Get, origin: Zenodo) -> None:
    get()
    origin.requests.clear()
    outcome = get()
    assert (outcome.fetched, outcome.kept, outcome.received) == ((), DEFAULT, 0)
    assert file_requests(origin) == []


def test_a_further_part_is_added(get: Get, origin: Zenodo, tmp_path: Path) -> None:
    get()
    outcome = get(parts=["eval", "dev"])
    assert outcome.fetched == ("eval_data_fan_test.zip",)
    assert outcome.kept == ("dev_fan.zip", "dev_valve.zip")
    assert tree(tmp_path / "raw/dcase2022") == expected(*DEFAULT, "eval_data_fan_test.zip")


@pytest.mark.parametrize("harm", ["deleted", "shorter", "record", "record cut", "record edited"])
def test_harmed_set_is_fetched_again(get: Get, origin: Zenodo, tmp_path: Path, harm: str) -> None:
    get()
    clip = tmp_path / "raw/dcase2022/fan/train/b.wav"
    record = next((tmp_path / "raw/.download/dcase2022").glob("*fan_train*"))
    if harm == "deleted":
        clip.unlink()
    elif harm == "shorter":
        clip.write_bytes(b"b")
    elif harm == "record":
        record.unlink()
    elif harm == "record cut":
        record.write_bytes(record.read_bytes()[:50])
    else:
        replace_in(record, "b.wav", "c.wav")
    origin.requests.clear()
    assert get().fetched == ("eval_data_fan_train.zip",)
    assert len(file_requests(origin)) == 1
    assert tree(tmp_path / "raw/dcase2022") == expected(*DEFAULT)


def test_changed_archive_is_fetched_again(
    get: Get, origin: Zenodo, zipped: Zipped, tmp_path: Path
) -> None:
    get(parts=["eval"])
    origin.publish(EVAL, {"eval_data_fan_test.zip": zipped({"fan/test/c.wav": b"other"})})
    assert get(parts=["eval"]).fetched == ("eval_data_fan_test.zip",)
    assert tree(tmp_path / "raw/dcase2022") == {"fan/test/c.wav": b"other"}


def test_machines(get: Get, tmp_path: Path) -> None:
    assert get(machines=["valve"]).fetched == ("dev_valve.zip",)
    with pytest.raises(UsageError, match=r"unknown machine 'vavle' \(did you mean 'valve'"):
        get(machines=["vavle"])


def test_unknown_names(get: Get, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown part 'test'"):
        get(parts=["test"])
    with pytest.raises(UsageError, match=r"unknown data set 'dcase2202' \(did you mean 'dcase20"):
        download("dcase2202", tmp_path)
    with pytest.raises(UsageError, match="'file:///srv' is no mirror"):
        get(mirror="file:///srv")
    assert list(tmp_path.iterdir()) == []


def test_files_come_in_parallel(get: Get, origin: Zenodo) -> None:
    together = Barrier(3, timeout=5)  # broken, and so the test, if they come one by one

    def wait(handler: Any, body: bytes) -> None:
        together.wait()
        handler.serve(body)

    for record, key in list(CONTENT)[:3]:
        origin.misbehave(origin.path(record, key), wait)
    assert get(workers=3).fetched == DEFAULT
    assert len(file_requests(origin)) == 3


def test_one_that_fails_keeps_no_other_from_coming(
    get: Get, origin: Zenodo, tmp_path: Path
) -> None:
    path = origin.path(DEV, "dev_fan.zip")
    body = origin.bodies.pop(path)
    with pytest.raises(JobError, match=r"dev_fan\.zip/content: 404 .*try another --mirror$"):
        get()
    assert tree(tmp_path / "raw/dcase2022") == expected(*DEFAULT[1:])
    origin.bodies[path] = body
    assert get().fetched == ("dev_fan.zip",)


def test_several_failures_are_counted(get: Get, origin: Zenodo) -> None:
    for record, key in CONTENT:
        origin.bodies.pop(origin.path(record, key))
    with pytest.raises(JobError, match=r"404 .* \(and 2 more failed\)$"):
        get()


def test_missing_record(get: Get, origin: Zenodo) -> None:
    del origin.bodies[f"/api/records/{ADDITIONAL}"]
    with pytest.raises(JobError, match=f"/api/records/{ADDITIONAL}: 404"):
        get()


def test_hostile_archive_gives_nothing(
    get: Get, origin: Zenodo, zipped: Zipped, tmp_path: Path
) -> None:
    origin.publish(EVAL, {"eval_data_fan_test.zip": zipped({"fan/x": b"x", "../../x": b"x"})})
    with pytest.raises(JobError, match=r"'\.\./\.\./x' has a path that leads out of the folder"):
        get(parts=["eval"])
    assert list(tree(tmp_path)) == [f"raw/.download/dcase2022/{EVAL}_eval_data_fan_test.zip.part"]


def test_archives_that_disagree_about_a_file(
    get: Get, origin: Zenodo, zipped: Zipped, tmp_path: Path
) -> None:
    same, other = {"fan/attributes_00.csv": b"00"}, {"fan/attributes_00.csv": b"xx"}
    origin.publish(EVAL, {"eval_data_fan_test.zip": zipped(same)})
    get(parts=["dev", "eval"])
    origin.publish(EVAL, {"eval_data_fan_test.zip": zipped(other)})
    with pytest.raises(JobError, match=r"attributes_00\.csv is another file than that of dev_fan"):
        get(parts=["eval"])
    assert (tmp_path / "raw/dcase2022/fan/attributes_00.csv").read_bytes() == b"00"


def test_disk_that_is_too_small(
    get: Get, origin: Zenodo, tmp_path: Path, monkeypatch: Patch
) -> None:
    sizes = [len(origin.bodies[origin.path(*where)]) for where in list(CONTENT)[:3]]
    needed = int(2.5 * sum(sizes))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with pytest.raises(JobError, match=r"GB are needed to fetch and extract 3 archives, .* free"):
        get()
    assert file_requests(origin) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    get()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert get().fetched == ()  # nothing to do needs no space


def test_bytes_that_are_there_need_no_space(
    get: Get, origin: Zenodo, tmp_path: Path, monkeypatch: Patch
) -> None:
    body = origin.bodies[origin.path(EVAL, "eval_data_fan_test.zip")]
    state = tmp_path / "raw/.download/dcase2022"
    state.mkdir(parents=True)
    (state / f"{EVAL}_eval_data_fan_test.zip.part").write_bytes(body[:100])
    free = int(2.5 * len(body)) - 100
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    get(parts=["eval"])
    assert origin.ranges(origin.path(EVAL, "eval_data_fan_test.zip")) == ["bytes=100-"]


def test_progress_counts_every_byte_once(get: Get, origin: Zenodo, monkeypatch: Patch) -> None:
    seen: list[int] = []
    asked: dict[str, object] = {}

    @contextmanager
    def recorded(total: int, what: str, unit: str) -> Iterator[Callable[..., None]]:
        asked.update(total=total, unit=unit)
        yield lambda done=1, /, **_: seen.append(done)

    def wrong(handler: Any, body: bytes) -> None:
        handler.send(200, bytes(len(body)))

    monkeypatch.setattr(module, "progress", recorded)
    origin.misbehave(origin.path(DEV, "dev_fan.zip"), wrong)
    received = get().received
    assert asked == {"total": received, "unit": "B"}
    assert sum(seen) == received


def test_interrupted_download_goes_on(
    get: Get, origin: Zenodo, tmp_path: Path, monkeypatch: Patch
) -> None:
    written, reads = Event(), []
    plain = Web.read

    def watched(web: Web, response: Any, count: int) -> bytes:
        # By the second read, what the first one gave is in the part.
        reads.append(response.url)
        if reads.count(origin.base + path) == 2:
            written.set()
        return plain(web, response, count)

    def stall(handler: Any, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:500])
        for byte in body[500:]:  # until the client hangs up, or for a second
            Event().wait(0.002)
            handler.wfile.write(bytes([byte]))

    def interrupted(pending: object) -> Iterator[Any]:
        written.wait(5)
        raise KeyboardInterrupt
        yield

    path = origin.path(DEV, "dev_valve.zip")
    origin.misbehave(path, stall)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "as_completed", interrupted)
        patched.setattr(Web, "read", watched)
        get(machines=["valve"])
    part = tmp_path / f"raw/.download/dcase2022/{DEV}_dev_valve.zip.part"
    there = part.stat().st_size
    assert 0 < there < len(origin.bodies[path])
    assert get(machines=["valve"]).fetched == ("dev_valve.zip",)
    assert origin.ranges(path) == [None, f"bytes={there}-"]
    assert tree(tmp_path / "raw/dcase2022") == expected("dev_valve.zip")


def test_killed_while_unpacking(
    get: Get, origin: Zenodo, tmp_path: Path, monkeypatch: Patch
) -> None:
    """What was received is unpacked by the next call, and not fetched again."""
    plain, written = shutil.copyfileobj, []

    def killed(source: Any, file: Any, size: int) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(plain(source, file, size))

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(unpacking.shutil, "copyfileobj", killed)
        get(machines=["fan"], parts=["dev"])
    assert len(tree(tmp_path / "raw/dcase2022")) == 1
    origin.requests.clear()
    assert get(machines=["fan"], parts=["dev"]).fetched == ("dev_fan.zip",)
    assert file_requests(origin) == []
    assert tree(tmp_path / "raw/dcase2022") == expected("dev_fan.zip")


def test_killed_right_after_the_record(get: Get, tmp_path: Path) -> None:
    get(parts=["eval"])
    part = tmp_path / f"raw/.download/dcase2022/{EVAL}_eval_data_fan_test.zip.part"
    part.write_bytes(b"all of it")
    assert get(parts=["eval"]).fetched == ()
    assert not part.exists()


def test_disk_that_fills_up_while_unpacking(
    get: Get, origin: Zenodo, tmp_path: Path, monkeypatch: Patch
) -> None:
    def full(source: Any, file: Any, size: int) -> None:
        raise OSError(ENOSPC, strerror(ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(unpacking.shutil, "copyfileobj", full)
        with pytest.raises(JobError, match=r"_dev_fan\.zip\.part: No space left on device$"):
            get(machines=["fan"], parts=["dev"])
    assert tree(tmp_path / "raw/dcase2022") == {}
    get(machines=["fan"], parts=["dev"])
    assert len(file_requests(origin)) == 1


def test_disk_that_fills_up_while_fetching(get: Get, origin: Zenodo, monkeypatch: Patch) -> None:
    """It is not taken for a broken line, which would be tried again."""

    def full(part: Any, data: bytes) -> None:
        raise OSError(ENOSPC, strerror(ENOSPC))

    monkeypatch.setattr("asd.download.fetch._Part.append", full)
    with pytest.raises(JobError, match=r"_dev_fan\.zip\.part: No space left on device$"):
        get(machines=["fan"], parts=["dev"])
    assert len(file_requests(origin)) == 1


def test_folder_that_cannot_be_made(get: Get, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/dcase2022").write_bytes(b"in the way")
    with pytest.raises(JobError, match=r"raw/dcase2022: (File exists|Not a directory)"):
        get()

"""asd download against a folder of files served on this machine."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result

from asd.cli.download import command
from asd.download.zenodo import RECORDS
from asd.errors import UsageError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A mirror of three parts of dcase2022, each with the archive of one fan."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served = tmp_path / "served"
    (served / "api/records").mkdir(parents=True)
    names = ("dev_fan.zip", "eval_data_fan_train.zip", "eval_data_fan_test.zip")
    for record, name in zip(RECORDS["dcase2022"].values(), names, strict=True):
        with zipfile.ZipFile(served / name, "w") as package:
            package.writestr(f"fan/{name}.wav", name * 100)
        data = (served / name).read_bytes()
        entry = {
            "key": name,
            "size": len(data),
            "checksum": f"md5:{hashlib.md5(data).hexdigest()}",
            "links": {"self": f"/{name}"},
        }
        (served / f"api/records/{record}").write_text(json.dumps({"files": [entry]}))
    handler = partial(Quiet, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def asd_download(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


def test_fetches_and_then_has_nothing_to_do(mirror: str, tmp_path: Path) -> None:
    to = tmp_path / "to"
    call = partial(asd_download, "dcase2022", "--mirror", mirror, "--to", to)
    first = call()
    assert first.output == (
        f"dcase2022: {to}/dcase2022: fetched 2 archives (0.00 GB), extracted 2 files\n"
    )
    assert len(list((to / "dcase2022/fan").iterdir())) == 2
    assert call().output == (
        f"dcase2022: {to}/dcase2022: nothing to do, 2 archives there already\n"
    )
    more = call("--part", "eval", "--part", "dev", "--machine", "fan")
    assert more.output.endswith("extracted 1 file; 1 there already\n")
    assert (first.exit_code, more.exit_code) == (0, 0)


def test_json(mirror: str, tmp_path: Path) -> None:
    said = asd_download("dcase2022", "--mirror", mirror, "--to", tmp_path / "to", "--json")
    (outcome,) = json.loads(said.output)
    assert outcome["dataset"] == "dcase2022"
    assert outcome["fetched"] == ["dev_fan.zip", "eval_data_fan_train.zip"]


def test_default_folder_is_the_project_s(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project/pipeline").mkdir(parents=True)
    (tmp_path / "project/pipeline/params.yaml").write_text("")
    monkeypatch.chdir(tmp_path / "project/pipeline")
    asd_download("dcase2022", "--mirror", mirror)
    assert (tmp_path / "project/data/raw/dcase2022/fan/dev_fan.zip.wav").is_file()


def test_wrong_use(mirror: str, tmp_path: Path) -> None:
    to = ("--mirror", mirror, "--to", tmp_path / "to")
    for arguments in (["dcase2019"], ["dcase2022", "--machine", "pump"]):
        with pytest.raises(UsageError, match="unknown .*known: "):
            asd_download(*arguments, *to)
    assert asd_download(*to).exit_code == 2
    assert not (tmp_path / "to").exists()

"""A trained model on disk: what vouches for what, and models whose history has no digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from asd.errors import JobError
from asd.models import NETWORKS
from asd.digest import sha256_json
from asd.training.artifact import (
    HISTORY,
    RECORD,
    WEIGHTS,
    build_network,
    is_current,
    is_history_whole,
    load_model,
    read_record,
    write_model,
)

SMALL = {"channels": [4, 6], "kernels": [3, 1], "dilations": [1, 1], "embedding": 3}
ROWS = [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 0.25}]


@pytest.fixture
def request_() -> dict[str, Any]:
    return {
        "model": {"network": "tdnn", "settings": SMALL},
        "shapes": {"logmel": [8, 11]},
        "classes": ["00", "01"],
        "attribute_classes": [],
        "attribute_head": False,
    }


@pytest.fixture
def folder(tmp_path: Path, request_: dict[str, Any]) -> Path:
    assert "tdnn" in NETWORKS
    torch.manual_seed(0)
    write_model(tmp_path / "m", build_network(request_), request_, ROWS)
    return tmp_path / "m"


def _rewrite(folder: Path, change: dict[str, Any], without: str = "") -> None:
    """Change the record, as another version of the package would have written it."""
    record = json.loads((folder / RECORD).read_text()) | change
    rest = {key: value for key, value in record.items() if key not in ("digest", without)}
    (folder / RECORD).write_text(json.dumps(rest | {"digest": sha256_json(rest)}))


def test_it_is_read_as_it_was_written(folder: Path, request_: dict[str, Any]) -> None:
    assert is_current(folder, request_)
    assert not is_current(folder, request_ | {"classes": ["00", "02"]})
    trained = load_model(folder)
    assert trained.record["last"] == ROWS[-1]
    written = load_file(folder / WEIGHTS)
    assert all(torch.equal(written[k], v) for k, v in trained.network.state_dict().items())
    assert (folder / HISTORY).read_text() == "epoch,loss\n1,0.30000000000000004\n2,0.25\n"


@pytest.mark.parametrize("harm", ["flipped", "lost"])
def test_a_damaged_history_is_found_and_harms_no_prediction(
    folder: Path, request_: dict[str, Any], harm: str
) -> None:
    path = folder / HISTORY
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.35"))
    if harm == "lost":
        path.unlink()
    assert not is_history_whole(folder, read_record(folder))
    assert not is_current(folder, request_)
    load_model(folder)


def test_a_model_without_a_digest_of_its_history_is_current(
    folder: Path, request_: dict[str, Any]
) -> None:
    _rewrite(folder, {}, without="history")
    (folder / HISTORY).write_text("epoch,loss\n")
    assert is_current(folder, request_)


def test_other_versions_are_said_and_refuse_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_model(folder)
    assert capsys.readouterr().err == ""
    _rewrite(folder, {"versions": {"torch": "1.2.3", "numpy": "1.99"}})
    load_model(folder)
    load_model(folder)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("note: a model was made with torch 1.2.3 (here ")
    assert "numpy 1.99 (here " in err
    _rewrite(folder, {"versions": None})
    load_model(folder)


@pytest.mark.parametrize("name", [WEIGHTS, RECORD])
def test_half_a_model_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(JobError, match="not a readable model .*run 'asd train'"):
        load_model(folder)

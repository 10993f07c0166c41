"""A trained model on disk: what vouches for what, and what decides it."""

import json

import pytest
import torch
from safetensors.torch import load_file

from asd.artifact import RECORD, is_current, read_record
from asd.digest import sha256_json
from asd.errors import JobError, UsageError
from asd.models import NETWORKS
from asd.training.artifact import (
    HISTORY,
    WEIGHTS,
    ModelRequest,
    build_network,
    load_model,
    write_model,
)

SMALL = {"channels": [4, 6], "kernels": [3, 1], "dilations": [1, 1], "embedding": 3}
ROWS = [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 0.25}]


@pytest.fixture
def request_():
    return ModelRequest(
        version=1,
        machine="fan",
        machines=(),
        model={"features": ["logmel"], "network": "tdnn", "settings": SMALL, "head": {}},
        train={"epochs": 2},
        inputs={"logmel": {"00": "a" * 64, "01": "b" * 64}},
        shapes={"logmel": (8, 11)},
        recipes={"logmel": {"extractor": "logmel"}},
        task="sections",
        classes=("00", "01"),
        attribute_classes=(),
        attribute_head=False,
    )


@pytest.fixture
def path(tmp_path, request_):
    assert "tdnn" in NETWORKS
    torch.manual_seed(0)
    write_model(tmp_path / "m" / RECORD, build_network(request_), request_, ROWS, {})
    return tmp_path / "m" / RECORD


def _rewrite(path, change):
    """Change the record, as another version of the package would have written it."""
    record = json.loads(path.read_text()) | change
    rest = {key: value for key, value in record.items() if key != "digest"}
    path.write_text(json.dumps(rest | {"digest": sha256_json(rest)}))


def test_it_is_read_as_it_was_written(path, request_):
    assert is_current(path, request_)
    assert not is_current(path, request_.model_copy(update={"classes": ("00", "02")}))
    trained = load_model(path)
    assert trained.request == request_
    assert trained.record.facts["last"] == ROWS[-1]
    assert trained.digest == read_record(path, ModelRequest).digest
    assert set(trained.record.files) == {WEIGHTS, HISTORY}
    written = load_file(path.with_name(WEIGHTS))
    assert all(torch.equal(written[k], v) for k, v in trained.network.state_dict().items())
    assert path.with_name(HISTORY).read_text() == "epoch,loss\n1,0.30000000000000004\n2,0.25\n"


@pytest.mark.parametrize("harm", ["flipped", "lost"])
def test_a_damaged_history_is_found_and_harms_no_prediction(path, request_, harm):
    history = path.with_name(HISTORY)
    history.write_bytes(history.read_bytes().replace(b"0.25", b"0.35"))
    if harm == "lost":
        history.unlink()
    with pytest.raises(JobError, match=r"history\.csv: .*run 'asd train'"):
        read_record(path, ModelRequest).check()
    assert not is_current(path, request_)
    load_model(path)


def test_other_versions_are_said_and_refuse_nothing(path, capsys):
    load_model(path)
    assert capsys.readouterr().err == ""
    _rewrite(path, {"versions": {"torch": "1.2.3", "numpy": "1.99"}})
    load_model(path)
    load_model(path)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("note: a model was made with torch 1.2.3 (here ")
    assert "numpy 1.99 (here " in err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (WEIGHTS, r"weights\.safetensors: is not what was written"),
        (RECORD, "not a readable model record .*; delete it and run 'asd train'"),
    ],
)
def test_half_a_model_is_refused(path, name, message):
    half = path.with_name(name)
    half.write_bytes(half.read_bytes()[:-9])
    with pytest.raises(JobError, match=message) as caught:
        load_model(path)
    assert "run 'asd train'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there_names_the_way_out(path):
    path.with_name(WEIGHTS).unlink()
    with pytest.raises(JobError, match=r"weights\.safetensors: lost.*run 'asd train'"):
        load_model(path)
    path.unlink()
    with pytest.raises(UsageError, match="no such model; run 'asd train' first"):
        load_model(path)


def test_weights_of_another_network_do_not_fit(path, request_):
    """As another version of the network would have it."""
    other = request_.to_json()
    other["model"]["settings"] = SMALL | {"embedding": 4}
    _rewrite(path, {"request": other})
    with pytest.raises(JobError, match="does not fit its network") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_inputs_of_a_machine_of_several(request_):
    assert request_.inputs_of("fan") == request_.inputs
    several = request_.model_copy(
        update={
            "machines": ("fan", "fan2"),
            "inputs": {"logmel": {"fan/00": "a", "fan2/00": "b", "fan2/01": "c"}},
        }
    )
    assert several.inputs_of("fan") == {"logmel": {"00": "a"}}
    assert several.inputs_of("fan2") == {"logmel": {"00": "b", "01": "c"}}

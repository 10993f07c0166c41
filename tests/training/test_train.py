"""Training models: it learns, repeats, goes on after a kill, and never opens a test clip."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from asd.artifact import RECORD
from asd.config import LossWeights, TrainConfig
from asd.errors import JobError, UsageError
from asd.training import train
from asd.training.artifact import load_model
from tests.training.conftest import contents

SECTIONS = {"00": 12, "01": 12, "02": 12}


def test_it_learns_the_sections(fill, fit, tmp_path):
    store = fill(SECTIONS)
    result = fit(store, config=TrainConfig(epochs=25, learning_rate=5e-3, precision="float32"))
    assert (result.task, result.classes, result.attribute_classes) == ("sections", 3, 6)
    with (tmp_path / "model" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in history] == list(range(1, 26))
    assert float(history[-1]["loss"]) < 0.5 * float(history[0]["loss"])
    assert float(history[-1]["accuracy"]) > 0.9
    assert {"triplet", "auxiliary", "active_triplets", "embedding_norm"} <= set(history[0])


def test_a_finished_model_is_kept(fill, fit, tmp_path):
    store = fill(SECTIONS)
    assert fit(store).epochs == 4
    before = contents(tmp_path / "model")
    again = fit(store)
    assert (again.epochs, again.resumed) == (0, 0)
    assert contents(tmp_path / "model") == before


@pytest.mark.parametrize("change", ["losses", "config", "clips", "damage"])
def test_what_decides_the_weights_trains_again(change, fill, fit, model, config, tmp_path):
    store = fill(SECTIONS)
    fit(store)
    if change == "losses":
        model = model.model_copy(update={"losses": LossWeights(triplet=0.5, auxiliary=1)})
    elif change == "config":
        config = config.model_copy(update={"seed": 1})
    elif change == "clips":
        store = fill({**SECTIONS, "02": 13})
    else:
        (tmp_path / "model" / "weights.safetensors").write_bytes(b"")
    assert fit(store, model=model, config=config).epochs == 4


def test_a_state_of_another_request_is_not_taken_up(fill, fit, config, tmp_path, monkeypatch):
    store = fill(SECTIONS)
    monkeypatch.setattr(train, "write_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fit(store)
    monkeypatch.undo()
    assert (tmp_path / "model.state").exists()
    assert fit(store, config=config.model_copy(update={"seed": 5})).resumed == 0


def test_no_test_clip_is_read(fill, fit, monkeypatch):
    store = fill(SECTIONS)
    fill({"00": 3, "07": 3}, split="test")
    opened = []
    plain = np.memmap

    def watched(path, *arguments, **named):
        opened.append(Path(path).name)
        return plain(path, *arguments, **named)

    monkeypatch.setattr(np, "memmap", watched)
    fit(store)
    assert opened
    assert all(name.endswith("_train.h5") for name in opened)


def test_a_machine_with_one_state_trains_on_transformations(fill, fit, tmp_path):
    result = fit(fill({"00": 6}, attributes=("",)))
    assert result.task == "transformations"
    assert result.classes > 1
    assert result.attribute_classes == 0
    assert load_model(tmp_path / "model" / RECORD).request.attribute_head is False


def test_divergence_is_one_line(fill, fit, config):
    hot = config.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(
        JobError, match=r"fan logmel\+wave: the loss is not finite.*train.learning_rate"
    ):
        fit(fill(SECTIONS), config=hot)


def test_one_clip_is_too_few(fill, fit):
    with pytest.raises(UsageError, match="fan: 1 training clip, too few"):
        fit(fill({"00": 1}))


def test_training_leaves_the_threads_alone(fill, fit):
    torch.set_num_threads(3)
    fit(fill(SECTIONS))
    assert torch.get_num_threads() == 3

"""Training models: it learns, repeats, goes on after a kill, and never opens a test clip."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from asd.artifact import RECORD, read_record
from asd.config import LossWeights, ModelConfig, TrainConfig
from asd.errors import JobError, UsageError
from asd.store import FeatureStore
from asd.training import loop, train
from asd.training.artifact import ModelRequest, load_model
from asd.training.train import Training

SECTIONS = {"00": 12, "01": 12, "02": 12}


@pytest.fixture
def run(
    tmp_path: Path, model: ModelConfig, config: TrainConfig, fit: Callable
) -> Callable[..., Training]:
    def trained(
        store: FeatureStore,
        folder: str = "model",
        model: ModelConfig = model,
        config: TrainConfig = config,
    ) -> Training:
        state = tmp_path / f"{folder}.state"
        result: Training = fit(store, "fan", "m", model, config, tmp_path / folder, state)
        return result

    return trained


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_it_learns_the_sections(fill: Callable, run: Callable, tmp_path: Path) -> None:
    store = fill(SECTIONS)
    result = run(store, config=TrainConfig(epochs=25, learning_rate=5e-3, precision="float32"))
    assert (result.task, result.classes, result.attribute_classes) == ("sections", 3, 6)
    with (tmp_path / "model" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in history] == list(range(1, 26))
    assert float(history[-1]["loss"]) < 0.5 * float(history[0]["loss"])
    assert float(history[-1]["accuracy"]) > 0.9
    assert {"triplet", "auxiliary", "active_triplets", "embedding_norm"} <= set(history[0])


def test_the_same_request_gives_the_same_bytes(
    fill: Callable, run: Callable, tmp_path: Path
) -> None:
    store = fill(SECTIONS)
    run(store, "one")
    run(store, "two")
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_a_finished_model_is_kept(fill: Callable, run: Callable, tmp_path: Path) -> None:
    store = fill(SECTIONS)
    assert run(store).epochs == 4
    before = _bytes(tmp_path / "model")
    again = run(store)
    assert (again.epochs, again.resumed) == (0, 0)
    assert _bytes(tmp_path / "model") == before


@pytest.mark.parametrize("change", ["losses", "config", "clips", "damage"])
def test_what_decides_the_weights_trains_again(
    change: str,
    fill: Callable,
    run: Callable,
    model: ModelConfig,
    config: TrainConfig,
    tmp_path: Path,
) -> None:
    store = fill(SECTIONS)
    run(store)
    if change == "losses":
        model = model.model_copy(update={"losses": LossWeights(triplet=0.5, auxiliary=1)})
    elif change == "config":
        config = config.model_copy(update={"seed": 1})
    elif change == "clips":
        store = fill({**SECTIONS, "02": 13})
    else:
        (tmp_path / "model" / "weights.safetensors").write_bytes(b"")
    assert run(store, model=model, config=config).epochs == 4


def test_a_killed_run_ends_in_the_same_bytes(
    fill: Callable, run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fill(SECTIONS)
    run(store, "whole")
    monkeypatch.setattr(loop, "_ROUNDS_PER_STATE", 0.0)
    plain, calls = loop._round, []

    def dying(*arguments: object) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(loop, "_round", dying)
    with pytest.raises(KeyboardInterrupt):
        run(store, "killed")
    assert not (tmp_path / "killed").exists()
    result = run(store, "killed")
    assert (result.resumed, result.epochs) == (2, 2)
    assert _bytes(tmp_path / "killed") == _bytes(tmp_path / "whole")
    assert not (tmp_path / "killed.state").exists()


def test_a_state_of_another_request_is_not_taken_up(
    fill: Callable,
    run: Callable,
    config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = fill(SECTIONS)
    monkeypatch.setattr(train, "write_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(store)
    monkeypatch.undo()
    assert (tmp_path / "model.state").exists()
    assert run(store, config=config.model_copy(update={"seed": 5})).resumed == 0


def test_no_test_clip_is_read(
    fill: Callable, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fill(SECTIONS)
    fill({"00": 3, "07": 3}, split="test")
    opened: list[str] = []
    plain = np.memmap

    def watched(path: Path, *arguments: object, **named: object) -> object:
        opened.append(Path(path).name)
        return plain(path, *arguments, **named)

    monkeypatch.setattr(np, "memmap", watched)
    run(store)
    assert opened
    assert all(name.endswith("_train.h5") for name in opened)


def test_a_machine_with_one_state_trains_on_transformations(
    fill: Callable, run: Callable, tmp_path: Path
) -> None:
    result = run(fill({"00": 6}, attributes=("",)))
    assert result.task == "transformations"
    assert result.classes > 1
    assert result.attribute_classes == 0
    assert load_model(tmp_path / "model" / RECORD).request.attribute_head is False


def test_divergence_is_one_line(fill: Callable, run: Callable, config: TrainConfig) -> None:
    hot = config.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(
        JobError, match=r"fan logmel\+wave: the loss is not finite.*train.learning_rate"
    ):
        run(fill(SECTIONS), config=hot)


def test_one_clip_is_too_few(fill: Callable, run: Callable) -> None:
    with pytest.raises(UsageError, match="fan: 1 training clip, too few"):
        run(fill({"00": 1}))


def test_a_damaged_model_is_refused(fill: Callable, run: Callable, tmp_path: Path) -> None:
    run(fill(SECTIONS))
    path = tmp_path / "model" / RECORD
    record = json.loads(path.read_text())
    record["request"]["classes"].append("03")
    path.write_text(json.dumps(record))
    with pytest.raises(JobError, match="digest that was recorded"):
        read_record(path, ModelRequest)
    with pytest.raises(UsageError, match="asd train"):
        read_record(tmp_path / "nowhere" / RECORD, ModelRequest)


def test_training_leaves_the_threads_alone(fill: Callable, run: Callable) -> None:
    before = torch.get_num_threads()
    run(fill(SECTIONS))
    assert torch.get_num_threads() == before

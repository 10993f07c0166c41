"""Every network has an objective, and every objective gives what the loop asks for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from asd.config import ModelConfig, TrainConfig
from asd.device import choose_compute
from asd.models import NETWORKS
from asd.training.artifact import build_network
from asd.training.data import StoredClips
from asd.training.labels import label
from asd.training.objectives import OBJECTIVES
from asd.training.objectives.base import Objective


@pytest.fixture
def make(fill: Callable, model: ModelConfig, config: TrainConfig) -> Callable[..., Objective]:
    def run(network: str, sections: dict[str, int], attributes: tuple[str, ...]) -> Objective:
        clips = StoredClips(fill(sections, attributes), "fan", model.features, "train")
        labels = label(clips.sections, clips.column("domain"), clips.column("attributes"))
        kind = OBJECTIVES[NETWORKS[network].kind]
        return kind(clips, labels, model.model_copy(update={"network": network}), config)

    return run


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("attributes", [("speed=1", "speed=2"), ("",)])
def test_a_step_gives_a_loss_and_measures(
    network: str, attributes: tuple[str, ...], make: Callable
) -> None:
    objective = make(network, {"00": 9}, attributes)
    shapes = objective.clips.shapes
    request = {"model": objective.model.model_dump(mode="json"), "shapes": shapes}
    built = build_network(request | objective.facts)
    compute = choose_compute("cpu", "float32", "test")
    loss, measures = objective.step(built, next(objective.batches(0)), compute)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert all(value.shape == () for value in measures.values())
    loss.backward()
    moved = [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in built.parameters()]
    # Every part of the network that the loss reaches is trained, TgramNet among them.
    assert np.mean(moved) > 0.9


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("attributes", [("speed=1", "speed=2"), ("",)])
def test_batches_follow_the_seed_and_the_epoch(
    network: str, attributes: tuple[str, ...], make: Callable
) -> None:
    objective = make(network, {"00": 9}, attributes)

    def drawn(epoch: int) -> torch.Tensor:
        return torch.cat([batch.inputs["logmel"] for batch in objective.batches(epoch)])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(0), drawn(1))


def test_one_state_becomes_every_transformation(make: Callable) -> None:
    objective = make("tdnn", {"00": 15}, ("",))
    seen = torch.cat([batch.targets["classes"] for batch in objective.batches(0)])
    assert sorted(set(seen.tolist())) == list(range(len(objective.facts["classes"])))
    # An epoch is every clip as every class, to half a batch of 3 classes x 4 clips.
    whole = len(objective.clips) * len(objective.facts["classes"])
    assert abs(len(seen) - whole) <= 6

"""The loop by itself: the state of a killed training, when it is written, and the rates."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from asd.device import Compute
from asd.errors import JobError
from asd.training import loop
from asd.training.loop import Batch, Course, Objective, State, go_through

ROWS = [{"step": 5, "loss": 0.1 + 0.2}]
CPU = Compute("cpu", half=False)


def trained(steps):
    torch.manual_seed(0)
    tensors = {n: nn.Parameter(torch.randn(3)) for n in ("a", "b", "kept")}
    tensors["count"] = torch.tensor(steps)  # a buffer
    optimizer = torch.optim.AdamW([tensors["a"], tensors["b"]], lr=0.1)
    for _ in range(steps):
        step(tensors, optimizer)
    return tensors, optimizer


def step(tensors, optimizer):
    optimizer.zero_grad()
    (tensors["a"] ** 2).sum().backward()  # 'b' never has a gradient, so never a moment
    optimizer.step()


def written(path, identity, tensors, optimizer):
    state = State(path, identity)
    state.history = ROWS
    state.save(tensors, optimizer)


def test_goes_on_exactly(tmp_path):
    path = tmp_path / "work" / "state.safetensors"
    tensors, optimizer = trained(5)
    written(path, "me", tensors, optimizer)
    state = State(path, "me")
    assert state.history == ROWS
    again, other = trained(0)
    state.load(again, other)
    step(tensors, optimizer)
    step(again, other)
    for name in tensors:
        assert torch.equal(tensors[name], again[name]), name
    assert [p.name for p in path.parent.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("content", [None, b"", b"damaged state"])
def test_no_state_is_a_begin(content, tmp_path):
    path = tmp_path / "state.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert State(path, "me").history == []


def test_the_state_of_another_run_is_left_alone(tmp_path):
    path = tmp_path / "state.safetensors"
    written(path, "other", *trained(1))
    assert State(path, "me").history == []


def test_a_state_of_another_layout_is_none(tmp_path):
    path = tmp_path / "state.safetensors"
    header = json.dumps({"identity": "me", "history": ROWS, "counts": {"a": 1.0}})
    save_file({"weight.a": torch.zeros(3)}, path, metadata={"asd": header})
    assert State(path, "me").history == []


def test_a_full_disk_is_a_failed_job(tmp_path):
    (tmp_path / "work").write_text("no folder")
    with pytest.raises(JobError, match="state.safetensors: cannot be written"):
        written(tmp_path / "work" / "state.safetensors", "me", *trained(1))


class Fall(Objective):
    """Lower a sum; each round has four batches, and draws as dropout does."""

    def batches(self, number):
        for _ in range(4):
            yield Batch({"x": torch.ones(1)}, {})

    def step(self, network, batch, compute):
        value = network(batch.inputs["x"]).sum()
        return value * (1 + torch.rand(())), {"value": value}


def gone(path, **course):
    torch.manual_seed(1)
    network = nn.Linear(1, 1)
    state = State(path, "me")
    values = {"what": "fall", "section": "train", "unit": "epoch", "rounds": 5, "seed": (0,)}
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    tensors = network.state_dict(keep_vars=True)
    go_through(Fall(), network, tensors, optimizer, Course(**values | course), state, CPU)
    return network, state


def test_what_the_network_draws_is_drawn_again(tmp_path, monkeypatch):
    whole, state = gone(tmp_path / "whole")
    before = torch.random.get_rng_state()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        plain, rounds = loop._round, iter(range(9))

        def dying(*arguments):
            if next(rounds) == 3:
                raise KeyboardInterrupt
            return plain(*arguments)

        patch.setattr(loop, "_round", dying)
        patch.setattr(loop, "_ROUNDS_PER_STATE", 0.0)
        gone(tmp_path / "killed")
    assert len(State(tmp_path / "killed", "me").history) == 3
    again, other = gone(tmp_path / "killed")
    assert torch.equal(again.weight, whole.weight)
    assert other.history == state.history
    torch.manual_seed(1)
    nn.Linear(1, 1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_states_cost_little(tmp_path, monkeypatch):
    """After the first round, after the last, and where the rounds since are worth it."""
    clock, saved = [0.0], []

    def save(self, *_):
        saved.append(len(self.history))
        clock[0] += 1.0

    def slow(*_):
        clock[0] += 20.0
        return {"loss": 0.0}

    monkeypatch.setattr(State, "save", save)
    monkeypatch.setattr(loop, "_round", slow)
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    gone(tmp_path / "state", rounds=8)
    assert saved == [1, 4, 7, 8]


def test_rates_and_updates(tmp_path):
    plain, state = gone(tmp_path / "plain", rounds=2, rate=lambda number: 1 / (number + 1))
    assert [row["learning_rate"] for row in state.history] == [0.1, 0.05]
    assert [row["epoch"] for row in state.history] == [1, 2]
    # Adam moves a weight by about its rate an update: four of them at each rate, or one.
    few, _ = gone(tmp_path / "few", rounds=2, accumulate=4)
    torch.manual_seed(1)
    begin = nn.Linear(1, 1).weight.detach()
    moved = [float((begin - one.weight).detach()) for one in (plain, few)]
    assert moved == pytest.approx([0.6, 0.2], rel=0.15)


def test_a_loss_that_is_not_finite(tmp_path, monkeypatch):
    plain = Fall.step
    monkeypatch.setattr(
        Fall, "step", lambda *a: (plain(*a)[0] * math.inf, {"value": torch.zeros(())})
    )
    with pytest.raises(JobError, match=r"fall: the loss is not finite in epoch 1; lower train\.le"):
        gone(tmp_path / "state")

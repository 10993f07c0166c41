"""The one loop that everything is trained by, and the state that a killed training goes on from.

A training goes in rounds: an epoch, or an update of fine-tuning. What a round draws depends on the
seed and its number and on nothing that happened before, so one that was killed ends in the same
bytes.
"""

from __future__ import annotations

import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.artifact import Request
from asd.atomic import replacing
from asd.device import Compute
from asd.digest import sha256_json
from asd.errors import JobError
from asd.progress import progress
from asd.training.data import ahead

# A state is written when the rounds since the last one took this many times as long as writing it.
_ROUNDS_PER_STATE = 50.0
# Another name where a state is laid out otherwise: one of another layout counts as none.
_HEADER = "asd.state.2"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Batch:
    """What one step computes on, on the CPU.

    Attributes:
        inputs: (B, F, T) features, (B, L) waves, or windows (B, F, frames) of a feature, by name.
        targets: what the objective compares the outputs with, (B, ...) by name.
    """

    inputs: Mapping[str, torch.Tensor]
    targets: Mapping[str, torch.Tensor]

    def on(self, device: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return inputs and targets on a device."""
        inputs, targets = (
            {name: values.to(device) for name, values in part.items()}
            for part in (self.inputs, self.targets)
        )
        return inputs, targets


class Objective(ABC):
    """What a network is trained for: batches, and the loss of one."""

    @abstractmethod
    def batches(self, number: int) -> Iterator[Batch]:
        """Yield the batches of a round; the seed and its number decide them and nothing else."""

    @abstractmethod
    def step(
        self, network: nn.Module, batch: Batch, compute: Compute
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of a batch and what to write down of it, each a scalar tensor."""


@dataclass(frozen=True)
class Course:
    """How an objective is gone through.

    Attributes:
        what: names it to the user.
        section: the section of the params that its settings are in.
        unit: what a round is called.
        rounds: how many there are.
        seed: of the draws that the network makes itself, such as dropout.
        before: rounds of earlier objectives in the same history.
        accumulate: batches an update of the weights.
        rate: the share of the optimizer's learning rates in a round.
        largest_gradient: the norm that a larger gradient is brought to.
        facts: what each row of the history begins with.
    """

    what: str
    section: str
    unit: str
    rounds: int
    seed: tuple[int, ...]
    before: int = 0
    accumulate: int = 1
    rate: Callable[[int], float] = lambda _: 1.0
    largest_gradient: float = math.inf
    facts: Mapping[str, Any] = field(default_factory=dict)


def identity(request: Request, compute: Compute) -> str:
    """Return what tells one training from others: it goes on in no other precision."""
    return sha256_json([request.digest, compute.describe()])


class State:
    """What a killed training goes on from: one safetensors file, whole or not at all.

    Args:
        path: the file; it need not be there, and one of another training counts as none.
        identity: of the training, see :func:`identity`.

    Attributes:
        history: a row for each round that is done, over all objectives.
    """

    def __init__(self, path: Path, identity: str) -> None:
        from safetensors import SafetensorError, safe_open

        self.path, self._identity = path, identity
        self.history: list[dict[str, Any]] = []
        try:
            with safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
        except (SafetensorError, OSError, ValueError):
            return
        if header.get("identity") == identity:
            self.history = header["history"]

    def load(self, tensors: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Bring weights and moments to where they were.

        Args:
            tensors: every weight and buffer that may change, by name.
            optimizer: an Adam over some of them.
        """
        from safetensors.torch import load_file

        found = load_file(self.path)
        for name, tensor in tensors.items():
            tensor.data.copy_(found[f"weight.{name}"])
            if f"step.{name}" in found:
                optimizer.state[tensor] = {
                    # Adam keeps its count of steps on the CPU.
                    moment: value if moment == "step" else value.to(tensor.device)
                    for moment in _MOMENTS
                    for value in (found[f"{moment}.{name}"],)
                }

    def save(self, tensors: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Write weights and moments as tensors, the history as JSON in the header.

        Raises:
            JobError: the disk is full or the folder cannot be written.
        """
        from safetensors.torch import save_file

        whole = {f"weight.{name}": tensor for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            moments = optimizer.state.get(tensor, {})
            whole |= {f"{key}.{name}": moments[key] for key in _MOMENTS if key in moments}
        copies = {name: value.detach().cpu().contiguous().clone() for name, value in whole.items()}
        header = json.dumps({"identity": self._identity, "history": self.history})
        with replacing(self.path) as beside:
            save_file(copies, beside, metadata={_HEADER: header})


def go_through(
    objective: Objective,
    network: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    course: Course,
    state: State,
    compute: Compute,
) -> None:
    """Do the rounds of an objective that are still to be done; the state's history grows by them.

    Batches are made a step ahead, over the ends of rounds too. A state is written after the first
    round, after the last, and whenever those since took long enough to be worth it.

    Args:
        objective: what is minimised.
        network: what is trained, on its device.
        tensors: what of it changes, by name, for the state.
        optimizer: an Adam over its weights, with the highest learning rates.
        course: how it is gone through.
        state: how far the training is.
        compute: where it is computed.

    Raises:
        JobError: the loss is not finite, or the state cannot be written.
    """
    begun = len(state.history) - course.before
    if begun:
        state.load(tensors, optimizer)
    peaks = [group["lr"] for group in optimizer.param_groups]
    coming = (
        (number, batch)
        for number in range(begun, course.rounds)
        for batch in objective.batches(number)
    )
    network.train()
    saved, cost = time.monotonic(), 0.0
    with progress(course.rounds, course.what, course.unit) as advance, _repeatable():
        advance(begun)
        for number, batches in groupby(ahead(coming), key=itemgetter(0)):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * course.rate(number)
            drawn = np.random.default_rng([*course.seed, number]).integers(2**31)
            torch.manual_seed(int(drawn))
            step = _round(objective, network, optimizer, course, number, compute, batches)
            rate = {"learning_rate": optimizer.param_groups[0]["lr"]}
            row = {**course.facts, course.unit: number + 1, **step, **rate}
            state.history.append(row)
            advance(1, loss=f"{row['loss']:.3f}")
            now = time.monotonic()
            if now - saved >= _ROUNDS_PER_STATE * cost or number + 1 == course.rounds:
                state.save(tensors, optimizer)
                saved = time.monotonic()
                cost = saved - now
    network.eval()


def _round(
    objective: Objective,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    course: Course,
    number: int,
    compute: Compute,
    batches: Iterator[tuple[int, Batch]],
) -> dict[str, float]:
    """Go through the batches of a round and return its means."""
    sums: dict[str, list[float]] = {}
    for count, (_, batch) in enumerate(batches, 1):
        loss, measures = objective.step(network, batch, compute)
        for key, value in {"loss": loss, **measures}.items():
            sums.setdefault(key, []).append(float(value.detach()))
        if not math.isfinite(sums["loss"][-1]):
            raise JobError(
                f"{course.what}: the loss is not finite in {course.unit} {number + 1};"
                f" lower {course.section}.learning_rate ({optimizer.param_groups[0]['lr']:g}),"
                f" or set {course.section}.precision to float32"
            )
        torch.autograd.backward(loss / course.accumulate)
        if count % course.accumulate == 0:
            if math.isfinite(course.largest_gradient):
                nn.utils.clip_grad_norm_(network.parameters(), course.largest_gradient)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    return {key: round(sum(values) / len(values), 6) for key, values in sums.items()}


@contextmanager
def _repeatable() -> Iterator[None]:
    """Let no kernel be chosen whose result varies from run to run, and leave torch's seed alone."""
    # CUDA's matrix products are repeatable only with a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = benchmark

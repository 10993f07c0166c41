"""The loop of fine-tuning, and the state that a killed run goes on from."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from asd.atomic import replacing
from asd.config import FinetuneConfig
from asd.device import Compute
from asd.errors import JobError
from asd.features.transformer import model_input
from asd.finetuning.batches import Batch, Recordings, batches, random_at
from asd.finetuning.objectives import Objective
from asd.progress import progress as show_progress

_LARGEST_GRADIENT = 1.0
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Setting:
    """What every objective of a run shares.

    Attributes:
        config: the parameters.
        recordings: the training clips.
        cut: samples of a cut of a clip.
        normalize: whether each cut is brought to mean 0 and variance 1.
        compute: where it is computed.
    """

    config: FinetuneConfig
    recordings: Recordings
    cut: int
    normalize: bool
    compute: Compute


def rate_at(step: int, steps: int, warm_up: float) -> float:
    """Return the share of the highest learning rate in update ``step``, from 0.

    It rises linearly over the first ``warm_up`` of the ``steps``, then falls linearly to zero.
    """
    rising = round(warm_up * steps)
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def make_optimizer(
    objective: Objective, body: dict[str, nn.Parameter], config: FinetuneConfig
) -> torch.optim.Optimizer:
    """Return an AdamW with a group of the body's weights and one of all the others."""
    inside = {id(parameter) for parameter in body.values()}
    trained = [p for p in objective.module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) in inside], "peak": config.learning_rate},
        {"params": [p for p in trained if id(p) not in inside], "peak": config.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)


def train(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    setting: Setting,
    progress: Progress,
    save: Callable[[], None],
) -> None:
    """Make the updates of one objective that are still to be made.

    Args:
        objective: what is minimised.
        optimizer: from :func:`make_optimizer`.
        setting: what every objective shares.
        progress: how far the run is; it is carried on.
        save: called every ``save_every`` updates and after the last.

    Raises:
        JobError: the loss is not finite.
    """
    config = setting.config
    start, steps, name = progress.step, config.steps, config.objectives[progress.objective]
    coming = batches(
        setting.recordings,
        setting.cut,
        config.batch_size,
        config.seed,
        progress.objective,
        range(start * config.accumulate, steps * config.accumulate),
    )
    objective.module.train()
    with show_progress(steps, f"fine-tune {name}", "update") as advance:
        advance(start)
        for step in range(start, steps):
            row = _update(objective, optimizer, setting, progress, coming)
            progress.history.append(row)
            progress.step = step + 1
            if progress.step % config.save_every == 0 or progress.step == steps:
                save()
            advance(1, loss=f"{row['loss']:.3f}")
    objective.module.eval()


def _update(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    setting: Setting,
    progress: Progress,
    coming: Iterator[Batch],
) -> dict[str, Any]:
    """Make one update over ``accumulate`` batches and return its row of the history."""
    config, step = setting.config, progress.step
    rate = rate_at(step, config.steps, config.warm_up)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * rate
    loss = 0.0
    notes: dict[str, list[float]] = {}
    with torch.random.fork_rng():
        torch.manual_seed(int(random_at(config.seed, 2, progress.objective, step).integers(2**31)))
        for number, batch in enumerate(islice(coming, config.accumulate)):
            place = (3, progress.objective, step, number)
            part, figures = _batch_loss(objective, setting, batch, place, step / config.steps)
            torch.autograd.backward(part / config.accumulate)
            loss += float(part.detach()) / config.accumulate
            for key, value in figures.items():
                notes.setdefault(key, []).append(value)
    name = config.objectives[progress.objective]
    if not math.isfinite(loss):
        raise JobError(
            f"fine-tuning: the loss of '{name}' is not finite at update {step + 1};"
            " lower finetune.learning_rate, or set finetune.precision to float32"
        )
    torch.nn.utils.clip_grad_norm_(objective.module.parameters(), _LARGEST_GRADIENT)
    optimizer.step()
    optimizer.zero_grad()
    row = {"objective": name, "step": step + 1, "loss": loss, "rate": config.learning_rate * rate}
    return row | {key: sum(values) / len(values) for key, values in notes.items()}


def _batch_loss(
    objective: Objective, setting: Setting, batch: Batch, place: tuple[int, ...], done: float
) -> tuple[torch.Tensor, dict[str, float]]:
    waves = torch.from_numpy(batch.waves).to(setting.compute.device)
    with setting.compute.autocast():
        return objective.loss(
            model_input(waves, setting.normalize),
            batch.clips,
            random_at(setting.config.seed, *place),
            done,
        )


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        objective: which objective, from 0.
        step: updates of it that are done.
        history: one row an update, over all objectives so far.
    """

    objective: int = 0
    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def save_state(
    path: Path,
    identity: str,
    progress: Progress,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state: weights and moments as tensors, everything else as JSON in the header.

    Args:
        path: the file.
        identity: digest of what the run is made of.
        progress: how far it is.
        parameters: every weight that may change, by name.
        optimizer: an AdamW over some of them.

    Raises:
        JobError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save_file

    tensors, counts = {}, {}
    for name, parameter in parameters.items():
        tensors[f"weight.{name}"] = parameter.detach().cpu().contiguous()
        moments = optimizer.state.get(parameter, {})
        for moment in _MOMENTS:
            if moment in moments:
                tensors[f"{moment}.{name}"] = moments[moment].cpu().contiguous()
        if "step" in moments:
            counts[name] = float(moments["step"])
    header = {
        "identity": identity,
        "objective": progress.objective,
        "step": progress.step,
        "history": progress.history,
        "counts": counts,
    }
    with replacing(path) as beside:
        save_file(tensors, beside, metadata={"asd": json.dumps(header)})


def read_progress(path: Path, identity: str) -> Progress:
    """Return how far the run ``identity`` is; at its begin where ``path`` is no state of it."""
    header = _header(path)
    if header.get("identity") != identity:
        return Progress()
    return Progress(header["objective"], header["step"], header["history"])


def load_state(
    path: Path, parameters: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    """Take the weights of ``parameters`` and the moments of ``optimizer`` from a state."""
    from safetensors.torch import load_file

    tensors, counts = load_file(path), _header(path)["counts"]
    optimized = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in parameters.items():
        parameter.data.copy_(tensors[f"weight.{name}"])
        if name in counts and id(parameter) in optimized:
            optimizer.state[parameter] = {
                "step": torch.tensor(counts[name]),
                **{m: tensors[f"{m}.{name}"].to(parameter.device) for m in _MOMENTS},
            }


def _header(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {}).get("asd", "{}"))
            return header
    except (SafetensorError, OSError, ValueError):
        return {}

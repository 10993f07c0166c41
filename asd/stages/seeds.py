"""Ablations: systems over several seeds of training, from one store; and ladders of systems."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING

from asd.stages import embed, evaluate, score, train
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.training.train import Training


@dataclass(frozen=True)
class Rung:
    """A row of the ladder's table; scores as fractions.

    Attributes:
        system, change: what is run, and what it changes from the row before.
        score: the mean official score over seeds.
        deviation: its standard deviation over seeds; NaN for one.
        low, high: the 95 % interval of the score over resampled test clips.
        gain: the score less that of the row before; NaN in the first row.
        gain_low, gain_high: its paired 95 % interval.
    """

    system: str
    change: str
    score: float
    deviation: float
    low: float
    high: float
    gain: float = math.nan
    gain_low: float = math.nan
    gain_high: float = math.nan


def over_seeds(
    workspace: Workspace,
    systems: Sequence[str],
    machines: Sequence[str],
    seeds: int,
    tell: Callable[[int, Training], object],
) -> tuple[list[Training], list[Path]]:
    """Train, embed, score and evaluate systems with several seeds; what is current is kept.

    The first seed is that of the params; its models are those of ``asd train``. Each step of each
    seed is judged by its record, as it is without seeds.

    Args:
        workspace: the workspace.
        systems, machines: which.
        seeds: how many, from that of the params on.
        tell: called with the seed and what was trained.

    Returns:
        What was trained, and each seed's metrics.json.
    """
    params = workspace.params
    models = tuple(dict.fromkeys(m for name in systems for m in params.models_of(name)))
    trained: list[Training] = []
    metrics: list[Path] = []
    for seed in range(params.train.seed, params.train.seed + seeds):
        seeded = workspace.with_seed(seed)
        for result in train.run(seeded, machines, models):
            trained.append(result)
            tell(seed, result)
        list(embed.run(seeded, machines, models))
        list(score.run(seeded, machines, systems))
        # The seed of the params has a folder of its own too: data/reports is of all systems.
        folder = workspace.data / "reports" / "seeds" / str(seed) / "reports"
        evaluate.run(seeded, systems=systems, folder=folder, machines=machines)
        metrics.append(folder / "metrics.json")
    return trained, metrics


def climb(workspace: Workspace, seeds: int, machines: Sequence[str]) -> Iterator[Rung]:
    """Yield the rows of the params' section ``ladder``, scored by :func:`over_seeds` before.

    Raises:
        JobError: scores are missing or are not what was written.
    """
    from asd.metrics.bootstrap import over_seeds as with_interval
    from asd.metrics.official import evaluate as official
    from asd.metrics.rules import RULES

    params = workspace.params
    rules = RULES[params.dataset.rules]
    truth = evaluate.truth_of(workspace, machines)
    first = params.train.seed
    runs = {
        row.system: [
            evaluate.read_system(workspace.with_seed(seed), row.system, truth).sections
            for seed in range(first, first + seeds)
        ]
        for row in params.ladder
    }
    resamples, seed = max(params.evaluate.bootstrap, 1), params.evaluate.seed
    before = None
    for row in params.ladder:
        own = runs[row.system]
        found = with_interval(own, rules, resamples, seed)
        values = [official(sections, rules).score for sections in own]
        rung = Rung(
            system=row.system,
            change=row.change,
            score=found.value,
            deviation=stdev(values) if len(values) > 1 else math.nan,
            low=found.interval.low,
            high=found.interval.high,
        )
        if before is not None:
            gain = with_interval(own, rules, resamples, seed, before)
            low, high = gain.interval.low, gain.interval.high
            rung = replace(rung, gain=gain.value, gain_low=low, gain_high=high)
        yield rung
        before = own

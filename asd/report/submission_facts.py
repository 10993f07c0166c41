"""What is known of a submitted system: its parts, how many numbers it learned, its results."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.errors import JobError, UsageError
from asd.metrics.official import means
from asd.metrics.rules import RULES
from asd.report.results import Results

Figures = Mapping[str, Mapping[str, float | None]]

# Tensors that are kept with the weights and are not learned: the statistics of batch normalisation
# and those that the inputs are standardised with.
_NOT_LEARNED = re.compile(
    r"(?:.*\.)?(?:running_mean|running_var|num_batches_tracked)|(?:mean|deviation)_[^.]*"
)


@dataclass(frozen=True)
class Facts:
    """What is known of a submitted system.

    Attributes:
        system: its name in the project.
        sample_rate: rate of the clips in Hz.
        extractors: the extractors of its features.
        network: the network of its model.
        scorer: its scorer.
        settings: the settings of the scorer.
        parameters: learned numbers of one machine's model and of the pre-trained models it reads.
        transformations: transformations of clips that it was trained to tell apart.
        attributes: whether it was trained on the clips' attributes.
        pretrained: the pre-trained models that it reads, which others have made.
        threshold: how its decisions are made, in words.
    """

    system: str
    sample_rate: int
    extractors: tuple[str, ...]
    network: str
    scorer: str
    settings: Mapping[str, Any]
    parameters: int
    transformations: tuple[str, ...]
    attributes: bool
    pretrained: tuple[str, ...]
    threshold: str


def count_parameters(path: Path, names: str = "") -> int:
    """Return how many numbers are learned, as the header of a safetensors file tells.

    Args:
        path: the file; no tensor is read.
        names: what the names of the tensors that count begin with; ``""`` for all.

    Raises:
        UsageError: there is no such file.
        JobError: it is not a safetensors file.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > path.stat().st_size:
                raise ValueError("its header is cut")
            header = json.loads(file.read(size))
        header.pop("__metadata__", None)
        return sum(
            math.prod(map(int, tensor["shape"]))
            for name, tensor in header.items()
            if name.startswith(names) and not _NOT_LEARNED.fullmatch(name)
        )
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run the stages before, or 'dvc pull'") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobError(f"{path}: not a safetensors file ({error}); make it again") from None


def development_results(results: Results, system: str) -> dict[str, dict[str, float | None]]:
    """Return a system's figures in percent, by machine, under the names that the challenge gave.

    Each is the year's mean (harmonic, in 2020 arithmetic) of one measure over the sections; in 2021
    over both domains too. A figure that is undefined is None.
    """
    rules = RULES[results.rules]
    prefix = "averaged" if rules.mean == "arithmetic" else "harmonic_mean"
    values: dict[str, dict[str, list[float]]] = {}
    for (machine, _), figures in results.systems[system].sections.items():
        for measure in rules.measures:
            name = measure.kind.lower() if rules.name == "2021" else measure.name
            of_machine = values.setdefault(machine, {})
            of_machine.setdefault(f"{prefix}_{name}", []).append(figures[measure.name])
    return {
        machine: {name: _percent(means(given).by(rules)) for name, given in of_machine.items()}
        for machine, of_machine in values.items()
    }


def _percent(fraction: float) -> float | None:
    return None if math.isnan(fraction) else round(100 * fraction, 4)

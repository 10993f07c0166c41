"""``<label>.meta.yaml``: what a submitted system is, in the fields of the challenge of 2022.

What the files of a project tell is filled in: its parts, how many numbers it learned, its results.
What only a person knows is marked with :data:`PLACEHOLDER`. The file begins as the
``submission_meta.yaml`` beside this one.
"""

from __future__ import annotations

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
from asd.report.submission import Label
from asd.yaml_text import read_round_trip, set_value, write_round_trip

Figures = Mapping[str, Mapping[str, float | None]]

# Tensors that are kept with the weights and are not learned: the statistics of batch normalisation
# and those that the inputs are standardised with.
_NOT_LEARNED = re.compile(
    r"(?:.*\.)?(?:running_mean|running_var|num_batches_tracked)|(?:mean|deviation)_[^.]*"
)
PLACEHOLDER = "FILL_IN"
# The challenge asks for general tags. A component that has none here goes by its own name.
_FEATURES = {"logmel": "log-mel energies", "wave": "raw waveform", "ptm": "pre-trained features"}
_NETWORKS = {  # with how it aggregates over time
    "tdnn": ("CNN", "average, standard deviation"),
    "autoencoder": ("AE", "average"),
    "mobilenetv2": ("CNN", "average"),
}
_SCORERS = {
    "cosine": "k-NN",
    "error": "",
    "gmm": "GMM",
    "mahalanobis": "Mahalanobis distance",
    "neighbours": "k-NN",
    "posterior": "",
}
_SYSTEM = re.compile(rb"^# asd system: ([\w+-]+)", re.MULTILINE)


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
        parameters: learned numbers of one machine's models and of the pre-trained ones they read.
        macs: multiply-accumulates of these for one clip; None where they cannot be counted.
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
    macs: int | None
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
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return sum(
                math.prod(file.get_slice(name).get_shape())
                for name in file.keys()  # noqa: SIM118 - no mapping
                if name.startswith(names) and not _NOT_LEARNED.fullmatch(name)
            )
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run the stages before, or 'dvc pull'") from None
    except (SafetensorError, OSError) as error:
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


def write_meta(
    label: Label, facts: Facts, figures: Figures, task: str, kept: bytes | None = None
) -> bytes:
    """Return the meta information of a system as YAML.

    Args:
        label: the system's label.
        facts: what is known of the system.
        figures: its results on the development set in percent, by machine.
        task: the data set, for the first line.
        kept: the file that is there already. What a person wrote into it stays, and what is counted
            and measured (parameters and results) is brought up to date.

    Raises:
        UsageError: the file that is there describes another system.
    """
    if kept is not None:
        described = _SYSTEM.search(kept)
        if described and described[1].decode() != facts.system:
            raise UsageError(
                f"{label} is system '{described[1].decode()}' already; give another --number, or"
                f" remove {label}.meta.yaml to submit '{facts.system}' under this one"
            )
        return _refreshed(kept, facts, figures)
    template = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    text = template.format(task=task, system=facts.system, threshold=facts.threshold)
    document = read_round_trip(text.encode())
    (author,) = document["submission"]["authors"]
    set_value(document["submission"], "label", str(label))
    set_value(author, "lastname", label.author)
    set_value(author["affiliation"], "abbreviation", label.institute)
    for name, value in _description(facts).items():
        set_value(document["system"]["description"], name, value)
    set_value(document["system"], "external_datasets", _external(facts))
    _bring_up_to_date(document, facts, figures)
    return write_round_trip(document)


def _description(facts: Facts) -> dict[str, str | None]:
    unknown = (facts.network, f"{PLACEHOLDER} average, maximum, ...")
    network, aggregation = _NETWORKS.get(facts.network, unknown)
    scorer = _SCORERS.get(facts.scorer, facts.scorer)
    smote = "SMOTE" if facts.settings.get("smote_ratio") else ""
    mixed = "MemMixup" if facts.settings.get("memmixup") else ""
    banks = "reference set of each domain" if facts.settings.get("banks") == "two" else ""
    return {
        "input_sampling_rate": f"{facts.sample_rate / 1000:g}kHz",
        "data_augmentation": _tags(*facts.transformations, smote, mixed),
        "acoustic_features": _tags(*(_FEATURES.get(name, name) for name in facts.extractors)),
        "embeddings": _tags(*facts.pretrained),
        "machine_learning_method": _tags(network, scorer),
        "aggregation_method": aggregation,
        "domain_generalization_method": _tags(banks, "over-sampling" if smote or mixed else ""),
        "attribute_usage": "classification" if facts.attributes else None,
        "external_data_usage": "pre-trained model" if facts.pretrained else None,
        "development_data_usage": _tags("development", "fine-tuning" if facts.pretrained else ""),
    }


def _tags(*tags: str) -> str | None:
    """Return distinct tags as the challenge lists them, None without any."""
    return ", ".join(dict.fromkeys(tag for tag in tags if tag)) or None


def _external(facts: Facts) -> list[dict[str, str]] | None:
    # A name of the Hugging Face hub is <owner>/<name>; another does not tell the place.
    return [
        {
            "name": name,
            "url": f"https://huggingface.co/{name}"
            if re.fullmatch(r"[\w.-]+/[\w.-]+", name)
            else f"{PLACEHOLDER} address",
        }
        for name in facts.pretrained
    ] or None


def _refreshed(kept: bytes, facts: Facts, figures: Figures) -> bytes:
    try:
        document = read_round_trip(kept)
    except ValueError:
        return kept  # the check of the package says so
    return write_round_trip(document) if _bring_up_to_date(document, facts, figures) else kept


def _bring_up_to_date(document: Any, facts: Facts, figures: Figures) -> bool:
    """Set what is counted and measured, where it has a place; return whether it has one."""
    places = (
        (("system", "complexity"), "total_parameters", facts.parameters),
        (("system", "complexity"), "macs", facts.macs),
        (("results",), "development_dataset", figures),
    )
    found = False
    for path, name, value in places:
        parent = document
        for key in path:
            parent = parent.get(key) if isinstance(parent, Mapping) else None
        if isinstance(parent, Mapping) and name in parent:
            set_value(parent, name, value)
            found = True
    return found

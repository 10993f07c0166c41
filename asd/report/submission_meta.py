"""``<label>.meta.yaml``: what a submitted system is, in the fields of the challenge of 2022.

What the files of a project tell is filled in. What only a person knows is marked with
:data:`PLACEHOLDER`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from asd.errors import UsageError
from asd.report.submission import Label
from asd.report.submission_facts import Facts, Figures
from asd.yaml_text import read_round_trip, set_value, write_round_trip

PLACEHOLDER = "FILL_IN"


# The challenge asks for general tags. A component that has none here goes by its own name.
_FEATURES = {"logmel": "log-mel energies", "wave": "raw waveform", "ptm": "wav2vec 2.0 features"}
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
    comments = {"task": task, "system": facts.system, "threshold": facts.threshold}
    text = _TEMPLATE.format(placeholder=PLACEHOLDER, **comments)
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


_TEMPLATE = """\
# {task}: meta information of a submitted system.
# asd system: {system}
#
# What a person has to fill in is marked; `asd submit --check` says on which lines. Several values
# are listed with commas, and a field that does not apply is !!null.

submission:
  # <last name>_<institute>_task2_<number of the submission, 1 to 4>; also the name of the folder.
  label: !!null
  # As it is to stand in the tables of results, and short: 10 characters at most.
  name: {placeholder} name of the system
  abbreviation: {placeholder}
  # In the order of the list of authors; one of them is the corresponding author.
  authors:
    - lastname: !!null
      firstname: {placeholder}
      email: {placeholder}
      corresponding: true
      affiliation:
        abbreviation: !!null
        institution: {placeholder}
        department: !!null
        location: {placeholder} city, country

system:
  description:
    input_sampling_rate: !!null
    data_augmentation: !!null
    # Preprocessing, such as HPSS or filtering.
    front_end: !!null
    acoustic_features: !!null
    # Pre-trained models that features come from.
    embeddings: !!null
    machine_learning_method: !!null
    # Over time.
    aggregation_method: !!null
    domain_adaptation_method: !!null
    domain_generalization_method: !!null
    ensemble_method_subsystem_count: !!null
    # Of an ensemble. The decisions of this system:
    # {threshold}.
    decision_making: !!null
    attribute_usage: !!null
    external_data_usage: !!null
    development_data_usage: !!null
  complexity:
    # Of one machine's model (the largest), with the pre-trained models that it reads.
    total_parameters: 0
  # Data and models that others have made.
  external_datasets: !!null
  # Optional.
  source_code: {placeholder} address, or !!null

results:
  # In percent, over the sections of each machine.
  development_dataset: {{}}
"""

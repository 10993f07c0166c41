"""``<label>.meta.yaml``: what a submitted system is, in the fields of the challenge of 2022.

What the files of a project tell is filled in. What only a person knows is marked with
:data:`PLACEHOLDER`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from asd.errors import UsageError
from asd.report.submission import Label
from asd.report.submission_facts import Facts, Figures

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

_PARAMETERS = re.compile(r"^(\s*total_parameters: *)[^\s#]+", re.MULTILINE)
_RESULTS = re.compile(r"^( *)development_dataset:.*(?:\n+\1 +.*)*\n?", re.MULTILINE)
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
    text = _TEMPLATE.format(
        task=task,
        system=facts.system,
        placeholder=PLACEHOLDER,
        label=label,
        author=_scalar(label.author),
        institute=_scalar(label.institute),
        parameters=facts.parameters,
        threshold=facts.threshold,
        rate=f"{facts.sample_rate / 1000:g}kHz",
        external=_external(facts.pretrained),
        figures=_figures(figures),
        **{name: _scalar(value) for name, value in _description(facts).items()},
    )
    return text.encode()


def _description(facts: Facts) -> dict[str, str | None]:
    unknown = (facts.network, f"{PLACEHOLDER} average, maximum, ...")
    network, aggregation = _NETWORKS.get(facts.network, unknown)
    scorer = _SCORERS.get(facts.scorer, facts.scorer)
    smote = "SMOTE" if facts.settings.get("smote_ratio") else ""
    mixed = "MemMixup" if facts.settings.get("memmixup") else ""
    banks = "reference set of each domain" if facts.settings.get("banks") == "two" else ""
    return {
        "augmentation": _tags(*facts.transformations, smote, mixed),
        "features": _tags(*(_FEATURES.get(name, name) for name in facts.extractors)),
        "embeddings": _tags(*facts.pretrained),
        "method": _tags(network, scorer),
        "aggregation": aggregation,
        "generalization": _tags(banks, "over-sampling" if smote or mixed else ""),
        "attributes": "classification" if facts.attributes else None,
        "external_usage": "pre-trained model" if facts.pretrained else None,
        "development_usage": _tags("development", "fine-tuning" if facts.pretrained else ""),
    }


def _tags(*tags: str) -> str | None:
    """Return distinct tags as the challenge lists them, None without any."""
    return ", ".join(dict.fromkeys(tag for tag in tags if tag)) or None


def _external(pretrained: Sequence[str]) -> str:
    if not pretrained:
        return " !!null"
    lines = [""]
    for name in pretrained:
        # A name of the Hugging Face hub is <owner>/<name>; another does not tell the place.
        on_hub = re.fullmatch(r"[\w.-]+/[\w.-]+", name)
        url = f"https://huggingface.co/{name}" if on_hub else f"{PLACEHOLDER} address"
        lines += [f"    - name: {_scalar(name)}", f"      url: {_scalar(url)}"]
    return "\n".join(lines)


def _figures(figures: Figures, indent: str = "  ") -> str:
    """Return what follows ``development_dataset:``, which stands after ``indent``."""
    if not figures:
        return " {}"
    lines = [""]
    for machine, of_machine in figures.items():
        lines.append(f"{indent}  {_scalar(machine)}:")
        lines += [f"{indent}    {name}: {_scalar(value)}" for name, value in of_machine.items()]
    return "\n".join(lines)


def _refreshed(kept: bytes, facts: Facts, figures: Figures) -> bytes:
    try:
        text = kept.decode()
    except UnicodeDecodeError:
        return kept  # the check of the package says so
    text = _PARAMETERS.sub(rf"\g<1>{facts.parameters}", text)
    # By line, not by way of a YAML library: all else stays as it was written.
    return _RESULTS.sub(
        lambda found: f"{found[1]}development_dataset:{_figures(figures, found[1])}\n", text
    ).encode()


def _scalar(value: str | float | None) -> str:
    if value is None:
        return "!!null"
    if not isinstance(value, str):
        return repr(value)
    plain = re.fullmatch(r"[A-Za-z][\w .,()/-]*", value, re.ASCII) and not re.fullmatch(
        r"(?i)null|true|false|yes|no|on|off|y|n", value
    )
    return value if plain else json.dumps(value, ensure_ascii=False)


_TEMPLATE = """\
# {task}: meta information of a submitted system.
# asd system: {system}
#
# What a person has to fill in is marked; `asd submit --check` says on which lines. Several values
# are listed with commas, and a field that does not apply is !!null.

submission:
  # <last name>_<institute>_task2_<number of the submission, 1 to 4>; also the name of the folder.
  label: {label}
  # As it is to stand in the tables of results, and short: 10 characters at most.
  name: {placeholder} name of the system
  abbreviation: {placeholder}
  # In the order of the list of authors; one of them is the corresponding author.
  authors:
    - lastname: {author}
      firstname: {placeholder}
      email: {placeholder}
      corresponding: true
      affiliation:
        abbreviation: {institute}
        institution: {placeholder}
        department: !!null
        location: {placeholder} city, country

system:
  description:
    input_sampling_rate: {rate}
    data_augmentation: {augmentation}
    # Preprocessing, such as HPSS or filtering.
    front_end: !!null
    acoustic_features: {features}
    # Pre-trained models that features come from.
    embeddings: {embeddings}
    machine_learning_method: {method}
    # Over time.
    aggregation_method: {aggregation}
    domain_adaptation_method: !!null
    domain_generalization_method: {generalization}
    ensemble_method_subsystem_count: !!null
    # Of an ensemble. The decisions of this system:
    # {threshold}.
    decision_making: !!null
    attribute_usage: {attributes}
    external_data_usage: {external_usage}
    development_data_usage: {development_usage}
  complexity:
    # Of one machine's model (the largest), with the pre-trained models that it reads.
    total_parameters: {parameters}
  # Data and models that others have made.
  external_datasets:{external}
  # Optional.
  source_code: {placeholder} address, or !!null

results:
  # In percent, over the sections of each machine.
  development_dataset:{figures}
"""

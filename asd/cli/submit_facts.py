"""Gathers what the meta information of a submission says of a system, from a project's files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asd.cli.project import Project
from asd.errors import JobError, UsageError
from asd.features.projection import HEAD
from asd.features.ptm import PtmConfig
from asd.features.wav2vec2 import WEIGHTS
from asd.metrics.results import read_systems
from asd.metrics.truth import Key, Truth
from asd.report.results import read_results
from asd.report.submission_meta import Facts, Figures, count_parameters, development_results
from asd.scoring.files import file_name


def gather_facts(project: Project, system: str, machines: Sequence[str]) -> Facts:
    """Return what is known of a system, from the params, its models and their pre-trained models.

    Raises:
        UsageError: a model or a pre-trained model is missing.
        JobError: one of them is damaged.
    """
    params = project.params
    models = {name: params.every_model[name] for name in params.models_of(system)}
    definition = params.systems.get(system)
    folders = [project.model_dir(model, machine) for model in models for machine in machines]
    requests = [_read(folder / "model.json", "request", "asd train") for folder in folders]
    features = {name: params.features[name] for model in models.values() for name in model.features}
    extractors = {name: str(values.get("extractor", name)) for name, values in features.items()}
    # Two features may read different layers of one checkpoint.
    checkpoints = dict.fromkeys(
        project.root / str(features[name].get("checkpoint", PtmConfig().checkpoint))
        for name, extractor in extractors.items()
        if extractor == "ptm"
    )
    bases = [_read(folder / "finetune.json", "base", "asd finetune") for folder in checkpoints]
    names = [str(base.get("name", "")) for base in bases]
    return Facts(
        system=system,
        sample_rate=params.index.sample_rate,
        extractors=tuple(extractors.values()),
        network=" + ".join(dict.fromkeys(model.network for model in models.values())),
        scorer=definition.scorer if definition else "fusion",
        settings=definition.settings if definition else {},
        parameters=max(count_parameters(folder / "weights.safetensors") for folder in folders)
        + sum(count_parameters(folder / WEIGHTS) for folder in checkpoints)
        + sum(count_parameters(folder / HEAD, "projection.") for folder in checkpoints),
        transformations=_transformations(requests),
        attributes=any(
            request.get("attribute_head") or request.get("task") == "attributes"
            for request in requests
        ),
        # The small one that is built here has learned from the challenge's clips alone.
        pretrained=tuple(name for name in names if not name.startswith("builtin:")),
        threshold=f"a score above the {params.score.threshold} threshold of the training clips'"
        f" scores, for {params.score.false_alarm_rate:.0%} false alarms",
    )


def gather_figures(
    project: Project, system: str, truth: Mapping[Key, Truth]
) -> tuple[Figures, str]:
    """Return the system's results on the development set, and why there are none if so."""
    path = project.reports / "metrics.json"
    if not path.is_file():
        return {}, f"{path}: no such file, so no results are given; run 'asd evaluate'"
    results = read_results([path])
    scores = project.score_dir(system)
    scored = {key: true for key, true in truth.items() if (scores / _name(key)).is_file()}
    evaluated = json.loads(path.read_text(encoding="utf-8"))["systems"].get(system, {})
    (now,) = read_systems(scores.parent, scored, [system])
    if evaluated.get("input_digest") != now.digest:
        return {}, f"{path}: not of these scores, so no results are given; run 'asd evaluate'"
    return development_results(results, system), ""


def _transformations(requests: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what was done to clips of machines that have one class, the first being nothing."""
    classes = [r["classes"][1:] for r in requests if r.get("task") == "transformations"]
    return tuple(dict.fromkeys(str(name) for names in classes for name in names))


def _name(key: Key) -> str:
    return file_name("anomaly_score", *key)


def _read(path: Path, key: str, verb: str) -> dict[str, Any]:
    """Return the mapping ``key`` of a JSON artifact."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))[key])
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run '{verb}' first") from None
    except (ValueError, LookupError, TypeError) as error:
        raise JobError(f"{path}: not readable ({error!r}); run '{verb}' again") from None

"""asd embed: the bank of training embeddings, and the outputs for test clips."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import click

from asd import __version__
from asd.cli.output import counted, emit, json_option, machine_option, model_option, say
from asd.cli.project import Project

if TYPE_CHECKING:
    from asd.scoring.bank import Bank
    from asd.training.artifact import Trained


@click.command()
@machine_option
@model_option
@json_option
def command(machines: tuple[str, ...], models: tuple[str, ...], as_json: bool) -> None:
    """Compute the embeddings of the training clips (the bank) and of the test clips."""
    project = Project.find()
    results = []
    for machine in project.machines(machines):
        for model in project.models(models):
            result = embed_model(project, machine, model)
            results.append(result)
            say(
                f"{machine} {model}: bank of {counted(result['train'], 'training clip')},"
                f" outputs of {counted(result['test'], 'test clip')}",
                as_json,
            )
    emit(results, as_json)


def embed_model(project: Project, machine: str, model: str) -> dict[str, Any]:
    """Write the banks of one model of one machine, and return how many clips they hold."""
    from asd.scoring.bank import write_bank
    from asd.training.artifact import load_model

    folder = project.bank_dir(model, machine)
    trained = load_model(project.model_dir(model, machine))
    counts = {}
    for split in ("train", "test"):
        bank = _outputs(project, machine, model, trained, split)
        path = folder / f"{split}.h5"
        if bank is None:
            # A machine may have no test clips yet.
            path.unlink(missing_ok=True)
            counts[split] = 0
            continue
        write_bank(path, bank if split == "train" else bank.without_truth())
        counts[split] = len(bank)
    return {"machine": machine, "model": model, **counts}


def _outputs(
    project: Project, machine: str, model: str, trained: Trained, split: str
) -> Bank | None:
    from asd.scoring.bank import Bank
    from asd.store import FeatureStore
    from asd.training.embedding import embed

    store = FeatureStore(project.features)
    features = project.params.models[model].features
    if split == "test" and not store.paths(machine, features[0], split):
        return None
    config = project.params.embed
    outputs = embed(store, machine, trained, split, config)
    provenance = {
        "model": trained.digest,
        "machine": machine,
        "split": split,
        "inputs": outputs.inputs,
        "params": config.model_dump(mode="json"),
        "seed": trained.record["request"]["train"]["seed"],
        "versions": {
            **trained.record["versions"],
            "asd": __version__,
            "python": platform.python_version(),
        },
    }
    return Bank(
        **{name: tuple(values) for name, values in outputs.columns.items()},
        classes=outputs.classes,
        arrays=dict(outputs.arrays),
        provenance=provenance,
    )

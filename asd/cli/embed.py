"""asd embed: the bank of training embeddings, and the outputs for test clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

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
    from asd.store import FeatureStore
    from asd.training.artifact import load_model

    folder = project.bank_dir(model, machine)
    trained = load_model(project.model_dir(model, machine))
    features = project.params.every_model[model].features
    train = _outputs(project, machine, model, trained, "train")
    if FeatureStore(project.features).paths(machine, features[0], "test"):
        test = _outputs(project, machine, model, trained, "test").without_truth()
    else:
        # A machine may have no test clips yet: scoring then comes to thresholds alone.
        test = train.empty({**train.provenance, "split": "test", "inputs": {}})
    write_bank(folder / "train.h5", train)
    write_bank(folder / "test.h5", test)
    return {"machine": machine, "model": model, "train": len(train), "test": len(test)}


def _outputs(project: Project, machine: str, model: str, trained: Trained, split: str) -> Bank:
    from asd.scoring.bank import Bank
    from asd.store import FeatureStore
    from asd.training.embedding import embed
    from asd.versions import versions

    store = FeatureStore(project.features)
    config = project.params.embed
    outputs = embed(store, machine, trained, split, config)
    provenance = {
        "model": trained.digest,
        "machine": machine,
        "split": split,
        "inputs": outputs.inputs,
        "params": config.model_dump(mode="json"),
        "seed": trained.record["request"]["train"].get("seed"),
        "versions": {**trained.record["versions"], **versions()},
    }
    return Bank(
        **{name: tuple(values) for name, values in outputs.columns.items()},
        classes=outputs.classes,
        arrays=dict(outputs.arrays),
        provenance=provenance,
    )

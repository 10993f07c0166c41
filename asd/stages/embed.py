"""embed: the banks of training embeddings, and the outputs for test clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asd.artifact import claimed, discard, read_record
from asd.stages import Named, each, lack_of
from asd.stages.check import check
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.scoring.bank import Bank, BanksRequest
    from asd.store import FeatureStore, Shard
    from asd.training.artifact import Trained


@dataclass(frozen=True)
class Embedded:
    """What banks hold: clips of the training and of the test split."""

    machine: str
    model: str
    train: int
    test: int


def run(
    workspace: Workspace, machines: Sequence[str] = (), models: Sequence[str] = ()
) -> Iterator[Embedded]:
    """Run models over the clips of machines (default: all of both) and write their banks.

    Banks that are there already of the same model, features and settings are kept.

    Raises:
        UsageError: a model or a feature is missing.
        JobError: a model or a row of a feature is damaged, or the store changed since the model was
            trained.
    """
    check(workspace)
    pairs = [
        (machine, model)
        for machine in workspace.machines(machines)
        for model in workspace.models(models)
    ]
    yield from each(pairs, lambda pair: _embed(workspace, *pair))
    if not machines and not models and workspace.seed is None:
        discard(named(workspace).others())


def named(workspace: Workspace) -> Named:
    """Return what the params name of the banks."""
    return Named(workspace.work / "banks", dict.fromkeys(workspace.models(), workspace.machines()))


def request(workspace: Workspace, model: str, machine: str) -> BanksRequest:
    """Return what the banks of a model and machine would be made of now.

    Raises:
        UsageError: the model or a feature is missing.
        JobError: one of them is damaged.
    """
    from asd.scoring.bank import SPLITS, BanksRequest
    from asd.store import FeatureStore
    from asd.training.artifact import ModelRequest

    record = read_record(workspace.model_record(model, machine), ModelRequest)
    store = FeatureStore(workspace.features)
    features = record.asked(ModelRequest).features
    return BanksRequest(
        machine=machine,
        model=record.digest,
        inputs={
            split: {
                feature: {
                    shard.spec.section: shard.identity
                    # A machine may have no test clips yet: scoring then comes to thresholds alone.
                    for shard in _shards(store, machine, feature, split)
                }
                for feature in features
            }
            for split in SPLITS
        },
        params=workspace.params.embed.model_dump(mode="json"),
    )


def lacks(workspace: Workspace, model: str, machine: str) -> str:
    """Say why the banks of a model and machine are not those asked for; ``""`` where they are."""
    path = workspace.bank_record(model, machine)
    if path.exists() and not workspace.model_record(model, machine).exists():
        return "its model is missing"
    return lack_of(path, lambda: request(workspace, model, machine))


def _embed(workspace: Workspace, machine: str, model: str) -> Iterator[Embedded]:
    from asd.scoring.bank import read_banks_record, write_banks
    from asd.training.artifact import load_model

    path = workspace.bank_record(model, machine)
    asked = request(workspace, model, machine)
    with claimed(path, asked) as wanted:
        if wanted:
            trained = load_model(workspace.model_record(model, machine))
            train = _outputs(workspace, machine, trained, "train")
            has_tests = any(asked.inputs["test"].values())
            test = _outputs(workspace, machine, trained, "test") if has_tests else train.empty()
            counts = {"train": len(train), "test": len(test)}
            write_banks(path, asked, train, test.without_truth(), {"clips": counts})
    yield Embedded(machine, model, **read_banks_record(path).facts["clips"])


def _outputs(workspace: Workspace, machine: str, trained: Trained, split: str) -> Bank:
    from asd.scoring.bank import Bank
    from asd.store import FeatureStore
    from asd.store.verification import check_rows
    from asd.training.embedding import embed

    store = FeatureStore(workspace.features)
    for feature in trained.request.features:
        check_rows(_shards(store, machine, feature, split))
    outputs = embed(store, machine, trained, split, workspace.params.embed)
    return Bank(outputs.clips, outputs.classes, dict(outputs.arrays))


def _shards(store: FeatureStore, machine: str, feature: str, split: str) -> list[Shard]:
    from asd.store import Shard

    if split == "train":
        return store.shards(machine, feature, split)
    return [Shard.open(path) for path in store.paths(machine, feature, split)]

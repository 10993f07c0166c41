"""train: models from stored features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from asd.artifact import discard, lack
from asd.config import ALL
from asd.errors import UsageError
from asd.progress import VERBOSE, detail, note, verbosity
from asd.stages import Named, each, lack_of
from asd.stages.check import check
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.training.train import Plan, Training


def run(
    workspace: Workspace, machines: Sequence[str] = (), models: Sequence[str] = ()
) -> Iterator[Training]:
    """Train models of machines (default: all of both) from stored features of training clips.

    A model that is there already for the same features and params is kept; an interrupted training
    goes on from where it was. A model of the section ``joint`` is trained once, over all machines.

    Raises:
        UsageError: a feature is not in the store, or there is nothing to train on; or machines are
            chosen for a joint model.
        JobError: training diverged, or the store is damaged; all rows are read before it begins.
    """
    check(workspace)
    yield from each(list(_asked(workspace, machines, models)), lambda one: _train(workspace, *one))
    if not machines and not models and workspace.seed is None:
        discard(named(workspace).others())


def named(workspace: Workspace) -> Named:
    """Return what the params name of the models."""
    return Named(
        workspace.work / "models",
        {
            model: {workspace.params.owner(model, machine) for machine in workspace.machines()}
            for model in workspace.models()
        },
    )


def plan(workspace: Workspace, model: str, machine: str) -> Plan:
    """Return what training a model of a machine (or of all) would do now.

    Raises:
        AsdError: as :func:`run`.
    """
    from asd.store import FeatureStore
    from asd.training.train import make_plan

    params = workspace.params
    joint = params.owner(model, machine) == ALL
    return make_plan(
        FeatureStore(workspace.features),
        params.dataset.machines if joint else machine,
        model,
        params.model(model),
        params.train,
    )


def lacks(workspace: Workspace, model: str, machine: str) -> str:
    """Say why a model of a machine (or of all) is not the one asked for; ``""`` where it is."""
    path = workspace.model_record(model, machine)
    return lack_of(path, lambda: plan(workspace, model, machine).request)


def _asked(
    workspace: Workspace, machines: Sequence[str], models: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield each machine with each of its models, and then the joint models, once each."""
    joint = workspace.params.joint
    chosen = workspace.models(models)
    every = not machines or set(workspace.machines(machines)) == set(workspace.machines())
    if not every and (named := [model for model in models if model in joint]):
        raise UsageError(
            f"--machine: model '{named[0]}' is joint over all machines; leave --machine out"
        )
    for machine in workspace.machines(machines):
        yield from ((machine, model) for model in chosen if model not in joint)
    if every:
        yield from ((ALL, model) for model in chosen if model in joint)


def _train(workspace: Workspace, machine: str, model: str) -> Iterator[Training]:
    from asd.store import FeatureStore
    from asd.store.verification import check_rows
    from asd.training.train import train

    planned = plan(workspace, model, machine)
    path = workspace.model_record(model, machine)
    why, store = lack(path, planned.request), FeatureStore(workspace.features)
    if why:
        for one in workspace.machines() if machine == ALL else (machine,):
            for feature in workspace.params.every_model[model].features:
                check_rows(store.shards(one, feature, "train"))
        uses = workspace.params.model(model).supplemental
        if uses and not planned.supplement:
            asked = ", ".join(uses)
            note(f"{machine} {model}: no supplemental clips for {asked}; trained without any")
    if verbosity() >= VERBOSE:
        detail(f"{machine} {model}: {f'trained, as it is: {why}' if why else 'current'}")
    yield train(planned, model, path, workspace.state_path(model, machine))

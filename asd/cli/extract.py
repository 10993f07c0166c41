"""asd extract: features of the usable clips into the store, and only what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import click

from asd.cli.output import counted, emit, feature_option, json_option, machine_option, say
from asd.cli.project import Project
from asd.errors import UsageError


@click.command()
@machine_option
@feature_option
@click.option("--workers", type=click.IntRange(0), help="Processes (default: of params.yaml).")
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler to compute on.")
@json_option
def command(
    machines: tuple[str, ...],
    features: tuple[str, ...],
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Compute features into the store; rows that are there already are kept.

    \b
    Examples:
      asd extract --machine valve --feature logmel
      asd extract --workers 8
      asd extract --scheduler tcp://10.0.0.1:8786
    """
    project = Project.find()
    if workers and scheduler:
        raise UsageError("--workers and --scheduler: give one of them")
    count = project.params.extract.workers if workers is None else workers
    chosen = project.feature_names(features)
    accounts = []
    with _cluster(count, scheduler) as client:
        for machine in project.machines(machines):
            for account in _extract(project, machine, chosen, client):
                accounts.append(account)
                say(_line(account), as_json)
            _record_inputs(project, machine)
    emit(accounts, as_json)


def _cluster(workers: int, scheduler: str | None) -> Any:
    if not workers and not scheduler:
        return nullcontext()
    from asd.extraction.cluster import connected

    return connected(workers, scheduler)


def _extract(
    project: Project, machine: str, features: tuple[str, ...], client: Any
) -> Iterator[Any]:
    from asd.extraction import compute_here, extract, machine_signal
    from asd.features import EXTRACTORS, build_extractor
    from asd.store import FeatureStore

    params = project.params
    clips = project.clips(machine)
    signal = machine_signal(clips, params.index.sample_rate, params.index.channel)
    store = FeatureStore(project.features)
    # All are built before any is computed: a mistake in one costs no time.
    extractors = {
        feature: build_extractor(EXTRACTORS, feature, project.feature(feature), signal)
        for feature in features
    }
    for feature, extractor in extractors.items():
        if client is None:
            if extractor.checkpoint_digest is not None:  # a network, then
                extractor.device = _device(params.extract.device)
            compute = compute_here(project.raw, extractor)
        else:
            from asd.extraction.cluster import compute_on

            device = params.extract.device if extractor.checkpoint_digest is not None else "cpu"
            compute = compute_on(client, project.raw, extractor, project.feature(feature), device)
        yield extract(clips, extractor, feature, store, compute)


def _device(asked: str) -> str:
    from asd.device import choose_compute

    return choose_compute(asked, "float32", "extract").device.type


def _record_inputs(project: Project, machine: str) -> None:
    from asd.store import FeatureStore

    store = FeatureStore(project.features)
    for name, model in project.params.every_model.items():
        store.write_inputs(machine, name, model.features)


def _line(account: Any) -> str:
    parts = [
        f"{account.machine} {account.feature}: computed {counted(account.computed, 'clip')}",
        f"reused {account.reused:,}",
        f"rejected {account.rejected:,}",
    ]
    if account.removed:
        parts.append(f"removed {counted(account.removed, 'shard')} no longer in the index")
    return ", ".join(parts) + f" ({account.seconds:.1f} s)"

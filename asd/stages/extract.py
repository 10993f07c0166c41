"""extract: features of the usable clips into the store, and only what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.artifact import discard
from asd.errors import AsdError, JobError
from asd.progress import counted, note
from asd.stages import Named, each
from asd.stages.check import check
from asd.stages.index import clips_of
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.clips.record import Clip
    from asd.extraction import Account
    from asd.extraction.shards import Wanted
    from asd.features import Extractor


def run(
    workspace: Workspace,
    machines: Sequence[str] = (),
    features: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str | None = None,
) -> Iterator[Account]:
    """Compute features of machines; rows that are there already are kept.

    Args:
        workspace: the workspace.
        machines: which (default: all).
        features: which (default: those that something reads, :attr:`Params.read_features`). What
            is there of others stays as it is, as long as the params name them.
        workers: local processes; None for as many as the params say, 0 for this one alone.
        scheduler: the address of a running Dask scheduler.

    Raises:
        UsageError: there is no index, or a setting of a feature is impossible.
        JobError: a recording changed since it was indexed, or a shard cannot be written.
    """
    check(workspace)
    count = workspace.params.extract.workers if workers is None else workers
    chosen = workspace.feature_names(features) if features else workspace.params.read_features
    if unread := [
        name for name in workspace.params.features if name not in chosen and not features
    ]:
        note(
            f"{', '.join(unread)}: left out, as no model of the params reads"
            f" {'it' if len(unread) == 1 else 'them'}; 'asd extract --feature {unread[0]}' computes"
            " it"
        )
    with _cluster(count, scheduler) as client:
        yield from each(
            workspace.machines(machines),
            lambda machine: _extract(workspace, machine, chosen, client),
        )
    if not machines and not features:
        discard(named(workspace).others())


def named(workspace: Workspace) -> Named:
    """Return what the params name of the store."""
    return Named(workspace.features, dict.fromkeys(workspace.machines(), workspace.feature_names()))


def reads_checkpoint(workspace: Workspace, feature: str) -> bool:
    """Return whether a feature is computed with a fine-tuned checkpoint."""
    kind, values = _kind(workspace, feature), workspace.params.features[feature]
    base = workspace.root / str(values.get("base", ""))
    return "checkpoint" in kind.Config.model_fields or base.resolve() == workspace.ptm.resolve()


def settings_of(workspace: Workspace, feature: str) -> dict[str, Any]:
    """Return a feature's settings, with the place of its weights as seen from here."""
    from asd.features.base import placement

    values = workspace.params.features[feature]
    return {**values, **placement(_kind(workspace, feature), values, workspace.root)}


def extractor_of(workspace: Workspace, feature: str, clips: Sequence[Clip]) -> Extractor:
    """Build the extractor of a feature for a machine's clips.

    Raises:
        UsageError: a setting is impossible, or a checkpoint is missing.
        JobError: there is no usable clip.
    """
    from asd.extraction import machine_signal
    from asd.features import EXTRACTORS, build_extractor

    index = workspace.params.index
    signal = machine_signal(clips, index.sample_rate, index.channel)
    return build_extractor(EXTRACTORS, feature, settings_of(workspace, feature), signal)


def wanted(workspace: Workspace, feature: str, clips: Sequence[Clip]) -> list[Wanted]:
    """Return the shards that a feature of a machine consists of, as they are asked for now.

    Raises:
        AsdError: as :func:`extractor_of`.
    """
    from asd.extraction.shards import wanted_shards
    from asd.store import FeatureStore

    extractor = extractor_of(workspace, feature, clips)
    usable = [clip for clip in clips if clip.usable]
    return list(wanted_shards(usable, extractor, feature, FeatureStore(workspace.features)))


def lacks(workspace: Workspace, machine: str) -> dict[str, str]:
    """Say of each feature that is read how a machine's shards differ from index and params.

    Raises:
        AsdError: there is no index.
    """
    clips = clips_of(workspace, machine)
    return {feature: _lack(workspace, feature, clips) for feature in workspace.params.read_features}


def mend(workspace: Workspace, machine: str, feature: str, suspect: Collection[Path]) -> int:
    """Compute the damaged rows of a machine's feature again, and return how many they were.

    Args:
        workspace: the workspace.
        machine, feature: of which.
        suspect: the shards to read row by row.

    Raises:
        JobError: the store has the feature with other settings than the params, so that everything
            would be computed and not only what is damaged.
    """
    from asd.extraction import compute_here, extract
    from asd.store import FeatureStore
    from asd.store.verification import verify_shards

    (name,) = workspace.feature_names([feature])
    clips = clips_of(workspace, machine)
    extractor = extractor_of(workspace, name, clips)
    store = FeatureStore(workspace.features)
    found = verify_shards(store, store.paths(machine, feature))
    if any(shard.spec.recipe != extractor.recipe for shard in found.shards):
        raise JobError("extracted with other params than the present ones; run 'asd extract'")
    compute = compute_here(workspace.raw, extractor)
    return extract(clips, extractor, feature, store, compute, set(suspect)).computed


def _extract(
    workspace: Workspace, machine: str, features: Sequence[str], client: Any
) -> Iterator[Account]:
    from asd.device import choose_compute
    from asd.extraction import compute_here, extract
    from asd.store import FeatureStore

    clips = clips_of(workspace, machine)
    store = FeatureStore(workspace.features)
    asked = workspace.params.extract.device
    # All are built before any is computed: a mistake in one costs no time.
    extractors = {feature: extractor_of(workspace, feature, clips) for feature in features}
    for feature, extractor in extractors.items():
        runs_network = extractor.checkpoint_digest is not None
        if client is None:
            if runs_network:
                extractor.device = choose_compute(asked, "float32", "extract").device
            compute = compute_here(workspace.raw, extractor)
        else:
            from asd.extraction.cluster import compute_on

            compute = compute_on(
                client,
                workspace.raw,
                extractor,
                settings_of(workspace, feature),
                asked if runs_network else "cpu",
            )
        yield extract(clips, extractor, feature, store, compute)


def _lack(workspace: Workspace, feature: str, clips: Sequence[Clip]) -> str:
    """Say what is wrong with the shards of a machine's feature; ``""`` for nothing."""
    from asd.store import FeatureStore

    try:
        shards = wanted(workspace, feature, clips)
    except AsdError as error:
        machine = clips[0].machine if clips else ""
        there = FeatureStore(workspace.features).paths(machine, feature)
        return str(error) if there else "missing"
    lacking: dict[str, list[str]] = {}
    for shard in shards:
        if lack := shard.lack():
            lacking.setdefault(lack, []).append(shard.path.stem)
    if not lacking:
        return ""
    if list(lacking) == ["missing"] and len(lacking["missing"]) == len(shards):
        return "missing"
    return "; ".join(
        f"{lack} ({counted(len(found), 'shard')}, such as {found[0]})"
        for lack, found in lacking.items()
    )


def _kind(workspace: Workspace, feature: str) -> Any:
    from asd.features import EXTRACTORS

    return EXTRACTORS[workspace.params.extractor(feature)]


def _cluster(workers: int, scheduler: str | None) -> Any:
    if not workers and not scheduler:
        return nullcontext()
    from asd.extraction.cluster import connected

    return connected(workers, scheduler)

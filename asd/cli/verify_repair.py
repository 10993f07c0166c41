"""What `asd verify --repair` does: computes damaged rows again, deletes other damaged files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asd.atomic import remove
from asd.cli.output import counted
from asd.cli.project import Project
from asd.cli.verify_artifacts import KINDS
from asd.errors import AsdError, JobError
from asd.store import FeatureStore
from asd.store.verification import Damage, verify_rows, verify_shards


class Done(NamedTuple):
    """What was done about some damage, and whether that made it whole."""

    line: str
    whole: bool


def repair(project: Project, damaged: Iterable[Damage]) -> Iterator[Done]:
    """Repair what can be repaired; yields one line for each feature or file."""
    shards: dict[tuple[str, str], list[Path]] = {}
    records: list[Path] = []
    for damage in damaged:
        place = _place(project, damage.path)
        if place[0] == "features" and len(place) == 4 and place[3].startswith("section_"):
            shards.setdefault((place[1], place[2]), []).append(damage.path)
        elif place[0] == "features" and damage.path.suffix == ".json":
            records.append(damage.path)
        elif stage := _stage(damage.path):
            remove(damage.path)
            yield Done(f"{damage.path}: removed; run 'asd {stage}'", False)
        else:
            yield Done(f"{damage.path}: cannot be repaired", False)
    for (machine, feature), paths in shards.items():
        yield _repair_shards(project, machine, feature, paths)
    for path in records:
        yield _repair_record(project, path)


def _stage(path: Path) -> str:
    """Return the verb that makes a file again, if there is one."""
    kinds = (kind for kind in KINDS if path.match(f"{kind.folder}/{kind.pattern}"))
    return next((kind.stage for kind in kinds), "")


def _place(project: Project, path: Path) -> tuple[str, ...]:
    return path.relative_to(project.data).parts if path.is_relative_to(project.data) else ("",)


def _repair_shards(project: Project, machine: str, feature: str, paths: Sequence[Path]) -> Done:
    name = f"{machine} {feature}"
    try:
        computed = _compute(project, machine, feature, paths)
    except AsdError as error:
        return Done(f"{name}: not repaired: {error}", False)
    found = verify_shards(FeatureStore(project.features), [p for p in paths if p.exists()])
    left = len(found.damaged) + len(verify_rows(found.shards))
    if left:
        return Done(f"{name}: {counted(left, 'shard')} still damaged: see the disk", False)
    return Done(f"{name}: computed {counted(computed, 'row')} again", True)


def _compute(project: Project, machine: str, feature: str, suspect: Sequence[Path]) -> int:
    """Compute the damaged rows of a machine's feature again, and return how many they were."""
    from asd.extraction import compute_here, extract, machine_signal
    from asd.features import EXTRACTORS, build_extractor
    from asd.store.digest import sha256_json

    params = project.params
    (name,) = project.feature_names([feature])
    clips = project.clips(machine)
    signal = machine_signal(clips, params.index.sample_rate, params.index.channel)
    extractor = build_extractor(EXTRACTORS, name, project.feature(name), signal)
    store = FeatureStore(project.features)
    found = verify_shards(store, store.paths(machine, feature))
    if any(shard.digest != sha256_json(extractor.recipe) for shard in found.shards):
        # Everything would be computed, not only what is damaged.
        raise JobError("extracted with other params than the present ones; run 'asd extract'")
    compute = compute_here(project.raw, extractor)
    return extract(clips, extractor, feature, store, compute, set(suspect)).computed


def _repair_record(project: Project, path: Path) -> Done:
    model = path.stem.removeprefix("inputs_")
    if model not in project.params.every_model:
        remove(path)
        return Done(f"{path}: removed; there is no such model any more", True)
    try:
        features = project.params.every_model[model].features
        FeatureStore(project.features).write_inputs(path.parent.name, model, features)
    except AsdError as error:
        return Done(f"{path}: not repaired: {error}", False)
    return Done(f"{path}: written again", True)

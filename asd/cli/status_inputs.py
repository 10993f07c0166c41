"""The state of what comes before training: index, checkpoint, features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from asd.cli.output import counted
from asd.cli.project import Project
from asd.cli.status_state import State, judged, read_json
from asd.clips.record import Clip
from asd.config import IndexConfig
from asd.errors import AsdError

_ASIDE = {"revision", "allow_pickle", "device", "save_every"}  # of finetune; they decide nothing


def index_state(project: Project, machine: str) -> State:
    """Compare an index with the names, sizes and times of the recordings, and with the params."""
    path = project.index_path(machine)
    if not path.is_file():
        return State("index", machine, "missing", "")
    try:
        clips = project.clips(machine)
    except AsdError as error:
        return State("index", machine, "stale", "", (str(error),))
    reasons = [
        *_listing(project, machine, clips, path),
        *settings_changed(clips, project.params.index),
    ]
    usable = counted(sum(clip.usable for clip in clips), "clip")
    return State("index", machine, "stale" if reasons else "current", usable, tuple(reasons))


def _listing(project: Project, machine: str, clips: Sequence[Clip], index: Path) -> Iterator[str]:
    """Yield how the raw folder differs from what was indexed."""
    from asd.clips.scan import find_recordings

    folder = project.raw / machine
    if not folder.is_dir():
        yield f"{folder} is gone"
        return
    files = {f"{machine}/{found.place}": found.file for found in find_recordings(folder)}
    listed = {clip.path: clip for clip in clips}
    for names, what in (
        (files.keys() - listed.keys(), "new"),
        (listed.keys() - files.keys(), "gone"),
    ):
        if names:
            yield f"{counted(len(names), 'recording')} {what}, such as {min(names)}"
    written = index.stat().st_mtime_ns
    changed = [
        name
        for name, clip in sorted(listed.items())
        if name in files and clip.digest and _changed(files[name], clip, written)
    ]
    if changed:
        yield f"{counted(len(changed), 'recording')} changed, such as {changed[0]}"


def _changed(file: Path, clip: Clip, written: int) -> bool:
    """Whether a recording that is younger than the index has another header than it had."""
    from asd.clips.audio import Limits, probe_header

    try:
        if file.stat().st_mtime_ns <= written:
            return False
    except OSError:
        return True
    now = probe_header(file, 0, Limits(float("inf"), 1 << 16))
    return (now.sample_rate, now.channels, now.samples) != (
        clip.sample_rate,
        clip.channels,
        clip.samples,
    )


def settings_changed(clips: Sequence[Clip], config: IndexConfig) -> list[str]:
    """Say which settings an index was not made with, as far as its rows tell."""
    usable = [clip for clip in clips if clip.usable]
    reasons = []
    for clip in usable:
        if ("resampled" in clip.treatment) != (clip.sample_rate != config.sample_rate):
            reasons.append(f"made for another rate than index.sample_rate {config.sample_rate}")
            break
    several = next((clip for clip in usable if clip.channels > 1), None)
    if several and f"channel {config.channel} of" not in several.treatment:
        reasons.append(f"made of another channel than index.channel {config.channel}")
    if usable and config.seconds != "auto" and not reasons:
        length = max(1, round(config.seconds * config.sample_rate))
        if usable[0].length != length:
            was = usable[0].length / config.sample_rate
            reasons.append(f"clips of {was:g} s, index.seconds is {config.seconds:g}")
    if config.windows == "off" and any(clip.start for clip in usable):
        reasons.append("made of windows, index.windows is off")
    return reasons


def checkpoint_state(project: Project) -> State:
    """Compare the fine-tuned checkpoint with the params and the training clips."""
    from asd.extraction.differences import differences
    from asd.finetuning.plan import inputs_digest, meant, training_clips

    params = project.params
    if not any(project.reads_checkpoint(feature) for feature in params.features):
        return State("finetune", "", "unused", "no feature reads a checkpoint")
    record = read_json(project.ptm / "finetune.json")
    if record is None:
        return State("finetune", "", "missing", "")
    base = params.finetune.base
    named = Path(base).name if (project.root / base).is_dir() else base
    now = {**meant(params.finetune), "base": named}
    # A setting that came later is not in the record.
    was = {k: v for k, v in record.get("params", {}).items() if k in now and k not in _ASIDE}
    changed = differences(was, {key: now[key] for key in was})
    reasons = [f"other settings ({changed})"] if changed else []
    try:
        clips = [clip for machine in project.machines() for clip in project.clips(machine)]
        if inputs_digest(training_clips(clips)) != record.get("inputs", {}).get("digest"):
            reasons.append("other training clips")
    except AsdError as error:
        reasons.append(str(error))
    return State("finetune", "", "stale" if reasons else "current", named, tuple(reasons))


def features_state(project: Project, machine: str) -> State:
    """Compare the shards of a machine with its index and the settings of the features."""
    names = project.feature_names()
    try:
        clips = project.clips(machine)
    except AsdError:
        there = any((project.features / machine / name).is_dir() for name in names)
        reasons = ("no index to compare it with",) if there else ()
        return State("extract", machine, "stale" if there else "missing", "", reasons)
    lacks = {feature: _lack(project, feature, clips) for feature in names}
    return judged("extract", machine, lacks, "feature")


def _lack(project: Project, feature: str, clips: Sequence[Clip]) -> str:
    """Say what is wrong with the shards of a machine's feature; ``""`` for nothing."""
    from asd.extraction import machine_signal
    from asd.extraction.shards import wanted_shards
    from asd.features import EXTRACTORS, build_extractor
    from asd.store import FeatureStore

    index = project.params.index
    store = FeatureStore(project.features)
    try:
        signal = machine_signal(clips, index.sample_rate, index.channel)
        extractor = build_extractor(EXTRACTORS, feature, project.feature(feature), signal)
        usable = [clip for clip in clips if clip.usable]
        wanted = list(wanted_shards(usable, extractor, feature, store))
    except AsdError as error:
        there = store.paths(clips[0].machine, feature) if clips else []
        return str(error) if there else "missing"
    lacking: dict[str, list[str]] = {}
    for shard in wanted:
        if lack := shard.lack():
            lacking.setdefault(lack, []).append(shard.path.stem)
    if not lacking:
        return ""
    if list(lacking) == ["missing"] and len(lacking["missing"]) == len(wanted):
        return "missing"
    return "; ".join(
        f"{lack} ({counted(len(shards), 'shard')}, such as {shards[0]})"
        for lack, shards in lacking.items()
    )

"""The index of a machine: every recording of its folder, what is known of it, and if it is usable.

Layouts: those of the challenge years and plain folders (:mod:`asd.clips.names`). A recording that
cannot be used is listed with its reason; it never stops a run. In a plain folder, a long recording
is a row for each of its windows (:mod:`asd.clips.windows`), all of which are in the split that the
recording is in. What of a recording is unlike the training recordings, and is not the machine, is
said beside it (:mod:`asd.clips.likeness`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_low
from threading import Lock

from asd.clips import names
from asd.clips.audio import Limits, Probe, probe, resampled_length
from asd.clips.channels import described
from asd.clips.likeness import Likeness, Remark, TrainingRange, remarks_of
from asd.clips.names import Facts, read_attributes
from asd.clips.record import OK, Clip
from asd.clips.scan import Found, find_recordings, machine_folder
from asd.clips.windows import LONG, WINDOW, cut_windows
from asd.config import IndexConfig
from asd.errors import UsageError
from asd.memory import kept
from asd.progress import progress

PLAIN = "folder"
# Files are read and digested side by side, and heard one at a time: two threads that hear hand the
# interpreter to each other at each operation, which takes longer than what they do side by side.
_THREADS = 3


@dataclass(frozen=True)
class Indexed:
    """The index of a machine, and what is known of its recordings beside it.

    Attributes:
        clips: one record a recording or window, sorted by split, section and name.
        training: what the training recordings are like; None where there are none.
        facts: what each usable recording is like, by path.
        remarks: in what it is unlike the training recordings, by path.
        layout: how the names were read.
    """

    clips: list[Clip]
    training: TrainingRange | None
    facts: dict[str, Likeness]
    remarks: dict[str, tuple[Remark, ...]]
    layout: str


def index_recordings(raw: Path, machine: str, config: IndexConfig) -> Indexed:
    """Index the recordings of one machine, and say what they are like.

    Args:
        raw: folder that holds one folder a machine.
        machine: name of the machine's folder.
        config: layout, wanted rate, duration and channel, and limits.

    Returns:
        The index, which does not depend on the order of files.

    Raises:
        UsageError: the folder is missing or empty, or the config asks for an impossible duration.

    Example:
        >>> found = index_recordings(Path("raw"), "pump", IndexConfig(sample_rate=8000))
        >>> len(found.clips), found.layout, found.clips[0].name, found.clips[0].label
        (26, 'folder', '00_09.wav', 'normal')
    """
    _check_duration(config)
    folder = machine_folder(raw, machine)
    found = find_recordings(folder)
    layout = detect_layout(found) if config.layout == "auto" else config.layout
    probes = _probe_all(machine, found, config)
    describe = _describer(layout, folder, machine, found, config.normal)
    # Paths begin at the raw folder; a machine may be that folder itself.
    below = "" if folder == raw else f"{machine}/"
    clips = [
        _draft(machine, below, recording, describe(recording), probed, config)
        for recording, probed in zip(found, probes, strict=True)
    ]
    facts = {
        clip.path: probed.facts
        for clip, probed in zip(clips, probes, strict=True)
        if probed.facts is not None
    }
    if layout == PLAIN:
        clips = _name_apart(_split_pools(clips, config.train_share))
    else:
        clips = _reject_doubles(clips)
    cut = layout == PLAIN and config.windows == "auto"
    length = _common_length(clips, config, cut)
    clips = [_fitted(clip, length, config.sample_rate) for clip in clips]
    usable = {clip.path: clip.split for clip in clips if clip.usable}
    training, remarks = remarks_of(
        {path: facts[path] for path in usable},
        {path for path, split in usable.items() if split == "train"},
        config.sample_rate,
        length / config.sample_rate,
    )
    said = {path: "; ".join(f"{o.code}: {o.text}" for o in of) for path, of in remarks.items()}
    clips = [replace(clip, remarks=said.get(clip.path, "")) for clip in clips]
    # After the split, so that the windows of one recording are on one side of it.
    if cut:
        clips = [window for clip in clips for window in cut_windows(clip, config.sample_rate)]
    clips.sort(key=lambda clip: (clip.split, clip.section, clip.recording, clip.start, clip.path))
    return Indexed(clips, training, facts, remarks, layout)


def rejected(clips: Iterable[Clip]) -> dict[str, int]:
    """Count what cannot be used of an index, by reason without its details, the commonest first."""
    reasons = Counter(clip.status.partition(":")[0] for clip in clips if not clip.usable)
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def detect_layout(found: Sequence[Found]) -> str:
    """Return the challenge layout that reads most names, or ``folder`` where none reads any."""

    def reads(layout: str) -> int:
        return sum(
            len(recording.folders) == 1
            and names.parse(layout, recording.folders[0], recording.name) is not None
            for recording in found
        )

    best = max(names.LAYOUTS, key=reads)
    return best if reads(best) else PLAIN


def _check_duration(config: IndexConfig) -> None:
    if config.seconds == "auto" or 0 < config.seconds <= config.max_seconds:
        return
    raise UsageError(
        f"index.seconds: {config.seconds:g} is not above 0 and at most index.max_seconds, "
        f"{config.max_seconds:g}; 'auto' takes the most common duration"
    )


def _probe_all(machine: str, found: Sequence[Found], config: IndexConfig) -> list[Probe]:
    """Look at all files; what is kept of each is small."""
    limits, turn = Limits(config.max_seconds, config.max_channels), Lock()

    def one(recording: Found) -> Probe:
        if recording.problem:
            return Probe(problem=recording.problem)
        return probe(recording.file, config.channel, limits, config.full_scale, turn)

    probes = []
    with (
        kept(),
        ThreadPoolExecutor(_THREADS) as pool,
        progress(len(found), f"index {machine}") as advance,
    ):
        for probed in pool.map(one, found):
            probes.append(probed)
            advance()
    return probes


def _describer(
    layout: str, folder: Path, machine: str, found: Sequence[Found], normal: Sequence[str]
) -> Callable[[Found], Facts | str]:
    """Return the function that says what a recording's place and name tell, or why nothing."""
    if layout == PLAIN:
        said = [tuple(path.split("/")) for path in normal]
        return _place_describer(found, [path[1:] for path in said if path[0] == machine])
    tables = read_attributes(folder)

    def describe(recording: Found) -> Facts | str:
        if len(recording.folders) != 1:
            where = "/".join(recording.folders) or "."
            return f"folder unknown to {layout}: '{where}'"
        facts = names.parse(layout, recording.folders[0], recording.name)
        if facts is None:
            return names.why_not(layout, recording.folders[0], recording.name)
        if facts.attributes is None:  # only where the name has none: it may also hide them
            spelt = names.attributes_in(tables, recording.folders[0], recording.name)
            return replace(facts, attributes=spelt)
        return facts

    return describe


def _place_describer(
    found: Sequence[Found], normal: Sequence[tuple[str, ...]]
) -> Callable[[Found], Facts | str]:
    """Return what describes recordings of a plain folder.

    Args:
        found: all of them: a class that is not understood is one beside others that are.
        normal: the folders that were said to be normal.
    """
    with_classes = {
        recording.folders[:depth]
        for recording in found
        for depth, name in enumerate(recording.folders)
        if names.is_class(name)
    }

    def describe(recording: Found) -> Facts | str:
        folders = recording.folders
        depths = [len(path) for path in normal if folders[: len(path)] == path]
        for depth, name in enumerate(folders if not depths else ()):
            says = names.meaning(name) or names.section_of(name)
            below = any(map(names.is_class, folders[depth + 1 :]))
            if folders[:depth] in with_classes and not says and not below:
                return names.not_understood(name)
        return names.place(folders, recording.name, max(depths, default=None))

    return describe


def _draft(
    machine: str, below: str, found: Found, facts: Facts | str, probed: Probe, config: IndexConfig
) -> Clip:
    """Return the record of a recording before its name, split and length are settled."""
    known = Facts("", "", "", "") if isinstance(facts, str) else facts
    nameless = facts if isinstance(facts, str) else ""
    return Clip(
        path=below + found.place,
        name=found.name,
        recording=found.name,
        machine=machine,
        section=known.section,
        domain=known.domain,
        split=known.split,
        label=known.label,
        attributes=known.attributes or "",
        sample_rate=probed.sample_rate,
        channels=probed.channels,
        samples=probed.samples,
        length=0,
        treatment=_treatment(probed, config),
        digest=probed.digest,
        status=found.problem or nameless or probed.problem or OK,
        full_scale=config.full_scale,
    )


def _treatment(probed: Probe, config: IndexConfig) -> str:
    """Say what is done to a recording but for its length."""
    if probed.problem:
        return ""
    steps = [probed.treatment] if probed.treatment else []
    if probed.sample_rate != config.sample_rate:
        steps.append(f"resampled from {probed.sample_rate} Hz")
    if probed.channels > 1:
        steps.append(described(config.channel, probed.channels))
    return "; ".join(steps)


def _split_pools(clips: Sequence[Clip], train_share: float) -> list[Clip]:
    """Split the normal clips whose folder is neither train nor test, section by section."""
    pools: dict[str, list[str]] = {}
    for clip in clips:
        if clip.usable and not clip.split:
            pools.setdefault(clip.section, []).append(clip.digest)
    for_training = {
        section: names.choose_split(digests, train_share) for section, digests in pools.items()
    }
    return [
        replace(clip, split="train" if clip.digest in for_training[clip.section] else "test")
        if clip.usable and not clip.split
        else clip
        for clip in clips
    ]


def _name_apart(clips: Sequence[Clip]) -> list[Clip]:
    """Name clips of one split that share a base name by their paths below the machine's folder."""
    shared = Counter((clip.split, clip.name) for clip in clips)
    return [
        replace(clip, name=(place := clip.path.removeprefix(f"{clip.machine}/")), recording=place)
        if shared[clip.split, clip.name] > 1
        else clip
        for clip in clips
    ]


def _reject_doubles(clips: Sequence[Clip]) -> list[Clip]:
    """Reject challenge clips that share a name in one split: score files cannot tell them apart.

    The format does not tell them apart either: one recording converted is still one recording.
    """

    def key(clip: Clip) -> tuple[str, str]:
        return clip.split, Path(clip.name).stem

    shared: dict[tuple[str, str], list[str]] = {}
    for clip in clips:
        if clip.usable:
            shared.setdefault(key(clip), []).append(clip.path)
    rejected = []
    for clip in clips:
        others = [path for path in shared.get(key(clip), []) if path != clip.path]
        if clip.usable and others:
            clip = replace(clip, status=f"doubled name: also {others[0]}")
        rejected.append(clip)
    return rejected


def _common_length(clips: Sequence[Clip], config: IndexConfig, cut: bool) -> int:
    """Return the samples of every clip at the wanted rate: as configured, or the most common.

    Among equally common ones the middle one is taken: a stray short or long recording among clips
    that all differ must not decide. Where recordings are ``cut`` into windows and the most common
    duration is :data:`asd.clips.windows.LONG` or more, it is that of recordings and not of clips,
    and the clips have :data:`asd.clips.windows.WINDOW`.
    """
    if config.seconds != "auto":
        return max(1, round(config.seconds * config.sample_rate))
    usable = [clip for clip in clips if clip.usable]
    judges = [clip for clip in usable if clip.split == "train"] or usable
    lengths = Counter(_own_length(clip, config.sample_rate) for clip in judges)
    most = max(lengths.values(), default=0)
    commonest = [length for length, count in lengths.items() if count == most]
    length = median_low(commonest) if commonest else 0
    is_long = length >= LONG * config.sample_rate
    return round(WINDOW * config.sample_rate) if cut and is_long else length


def _fitted(clip: Clip, length: int, sample_rate: int) -> Clip:
    """Fill in a clip's length in samples at ``sample_rate`` Hz, and what is done to get there."""
    if not clip.usable:
        return replace(clip, treatment="")
    own = _own_length(clip, sample_rate)
    steps = [clip.treatment] if clip.treatment else []
    if own != length:
        seconds = clip.samples / clip.sample_rate
        steps.append(f"{'cut' if own > length else 'looped'} from {seconds:.2f} s")
    return replace(clip, length=length, treatment="; ".join(steps))


def _own_length(clip: Clip, sample_rate: int) -> int:
    return resampled_length(clip.samples, clip.sample_rate, sample_rate)

"""From the clips of an index to the shards of one feature."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from asd.artifact import difference
from asd.clip_table import ClipTable
from asd.clips.audio import Signal
from asd.clips.record import Clip
from asd.config import Channel
from asd.errors import JobError
from asd.features import Extractor
from asd.progress import VERBOSE, Advance, detail, progress, verbosity
from asd.store import FeatureStore, Shard, ShardSpec, ShardWriter
from asd.store.writer import is_current

# From the clips of a shard and the rows that are missing, to batches of rows with their values, in
# any order. What computes them (this process, a cluster) is not the shard's affair.
Compute = Callable[[Sequence[Clip], np.ndarray], Iterator[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Account:
    """What an extraction did.

    Attributes:
        machine, feature: what was extracted.
        computed: rows computed.
        reused: rows that were in the store already.
        rejected: recordings of the index that cannot be used.
        removed: shards of sections that are no longer in the index.
        seconds: wall time.
    """

    machine: str
    feature: str
    computed: int
    reused: int
    rejected: int
    removed: int
    seconds: float


def machine_signal(clips: Sequence[Clip], sample_rate: int, channel: Channel) -> Signal:
    """Return the form of a machine's clips: they all have the length that the index gives.

    Raises:
        JobError: there is no usable clip.
    """
    lengths = {clip.length for clip in clips if clip.usable}
    if len(lengths) != 1:
        machine = clips[0].machine if clips else "the index"
        why = "no usable clip" if not lengths else f"clips of several lengths {sorted(lengths)}"
        raise JobError(f"{machine}: {why}; look at the status column of its index")
    full_scale = next(clip.full_scale for clip in clips if clip.usable)
    return Signal(sample_rate, lengths.pop(), channel, full_scale)


def extract(
    clips: Sequence[Clip],
    extractor: Extractor,
    feature: str,
    store: FeatureStore,
    compute: Compute,
    suspect: Collection[Path] = (),
) -> Account:
    """Bring the shards of one machine's feature up to date.

    Rows whose recipe and clip content are unchanged are kept; the others are computed. Memory does
    not grow with the number of clips.

    Args:
        clips: the machine's index.
        extractor: says what a row is.
        feature: its name in the store.
        store: where the shards go.
        compute: computes rows; :func:`asd.extraction.local.compute_here` or
            :func:`asd.extraction.cluster.compute_on`.
        suspect: shards to read row by row; what is damaged in them is computed again.

    Raises:
        JobError: a recording changed since it was indexed, or a shard cannot be written. The other
            shards are finished first.

    Example:
        >>> from asd.clips.record import read_index
        >>> from asd.extraction import compute_here
        >>> from asd.features import EXTRACTORS, build_extractor
        >>> clips = read_index(Path("data/index/pump.csv"))
        >>> mels = {"n_fft": 256, "hop": 128, "mels": 8}
        >>> extractor = build_extractor(EXTRACTORS, "logmel", mels, machine_signal(clips, 8000, 0))
        >>> compute, store = compute_here(Path("raw"), extractor), FeatureStore(Path("mine"))
        >>> extract(clips, extractor, "small", store, compute).computed
        26
        >>> extract(clips, extractor, "small", store, compute).reused
        26
    """
    started = time.monotonic()
    usable = [clip for clip in clips if clip.usable]
    machine = clips[0].machine
    computed, failures, wanted = 0, [], set()
    with progress(len(usable), f"{machine} {feature}") as advance:
        for shard in wanted_shards(usable, extractor, feature, store):
            wanted.add(shard.path)
            try:
                computed += _extract_shard(shard, compute, advance, shard.path in suspect)
            except JobError as error:
                failures.append(str(error))
    if failures:
        more = f" (and {len(failures) - 1} more shards)" if len(failures) > 1 else ""
        raise JobError(failures[0] + more)
    stale = [path for path in store.paths(machine, feature) if path not in wanted]
    for path in stale:
        path.unlink()
    return Account(
        machine=machine,
        feature=feature,
        computed=computed,
        reused=len(usable) - computed,
        rejected=len(clips) - len(usable),
        removed=len(stale),
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, eq=False)
class Wanted:
    """A shard as the clips and the params ask for it.

    Attributes:
        path: where it lies, or will.
        spec: what it holds.
        clips: (N,) the clip of each row.
        table: the same as a table.
    """

    path: Path
    spec: ShardSpec
    clips: Sequence[Clip]
    table: ClipTable

    @property
    def is_current(self) -> bool:
        """Whether the store has exactly this shard."""
        return is_current(self.path, self.spec, self.table)

    def lack(self) -> str:
        """Say why the shard that the store has is not this one; ``""`` where it is."""
        if self.is_current:
            return ""
        if not self.path.exists():
            return "missing"
        try:
            found = Shard.open(self.path)
        except JobError:
            return "damaged"
        changed = difference(found.spec.recipe, self.spec.recipe)
        return f"other settings ({changed})" if changed else "other clips"


def wanted_shards(
    clips: Iterable[Clip], extractor: Extractor, feature: str, store: FeatureStore
) -> Iterator[Wanted]:
    """Yield the shards that a feature of a machine's usable clips consists of."""
    recipe = extractor.recipe
    for (section, split), rows in _shards(clips):
        machine = rows[0].machine
        spec = ShardSpec(
            machine, feature, section, split, recipe, extractor.row_shape, extractor.dtype.name
        )
        place = store.path(machine, feature, section, split)
        yield Wanted(place, spec, rows, ClipTable.of(rows))


def _shards(clips: Iterable[Clip]) -> Iterator[tuple[tuple[str, str], list[Clip]]]:
    ordered = sorted(clips, key=lambda clip: (clip.section, clip.split, clip.recording, clip.start))
    for key, rows in groupby(ordered, key=lambda clip: (clip.section, clip.split)):
        yield key, list(rows)


def _extract_shard(wanted: Wanted, compute: Compute, advance: Advance, suspect: bool) -> int:
    """Bring one shard up to date and return how many rows were computed."""
    clips = wanted.clips
    if not suspect and wanted.is_current:
        advance(len(clips))
        return 0
    if verbosity() >= VERBOSE:
        detail(f"{wanted.path}: computed, as it is {wanted.lack() or 'suspect'}")
    with ShardWriter(wanted.path, wanted.spec, wanted.table) as writer:
        pending = writer.pending
        advance(len(clips) - len(pending))
        for rows, values in compute(clips, pending):
            writer.write(rows, values)
            advance(len(rows))
        writer.finish()
    return len(pending)

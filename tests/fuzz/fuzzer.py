"""Feed damaged files to the readers of binary formats; a script, as a reader may take it down.

Usage: fuzzer.py FOLDER SEED COUNT TARGET... The input that is being read lies in FOLDER, so that it
is there to look at after a crash. Prints how many inputs each target read and refused.
"""

from __future__ import annotations

import io
import json
import random
import resource
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from asd.artifact import RECORD, Making, write_record
from asd.clip_table import ClipTable
from asd.clips.audio import Limits, Signal, probe, read_clip
from asd.config import EmbedConfig, ScoreConfig, SystemConfig
from asd.errors import AsdError
from asd.scoring.bank import Bank, BanksRequest, read_bank, write_banks
from asd.scoring.scored import MadeBy, load_detector, make_detector, write_scored
from asd.store import Shard, ShardSpec, ShardWriter

MEMORY = 4 << 30
WORDS = [
    *(b"RIFF", b"RIFX", b"RF64", b"ds64", b"data", b"fmt ", b"fact", b"LIST", b"fLaC", b"OggS"),
    *(b"FORM", b"AIFF", b"caff", b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80"),
    *(b"TREE", b"HEAP", b"SNOD", b"\x89HDF", b"\xff" * 8, b"\0" * 8, b"\x01" + b"\0" * 7),
]
NAMES = [f"{i}.wav" for i in range(8)]
SPEC = ShardSpec("fan", "logmel", "00", "train", {"hop": 512}, (3, 5), "float16")
TABLE = ClipTable.of_columns(
    {
        "name": NAMES,
        "recording": NAMES,
        "section": ["00"] * 8,
        "split": ["train"] * 8,
        "domain": ["source"] * 8,
        "label": ["normal"] * 8,
        "attributes": ["a=1"] * 8,
        "content": [f"{i:064d}" for i in range(8)],
    }
)
BANKS = BanksRequest(machine="fan", model="0" * 64, inputs={}, params={})
ROWS = np.random.default_rng(0).normal(size=(8, 3, 5)).astype(np.float16)
BANK = Bank(TABLE, np.zeros(8, np.int32), {"embedding": ROWS[:, 0].astype(np.float32)})


def mutated(whole: bytes, chance: random.Random) -> bytes:
    """Return a file with a few bytes flipped, overwritten, inserted or left out."""
    data = bytearray(whole)
    # Most of what a reader trusts is at the beginning.
    reach = chance.choice([32, 200, len(data), len(data)])
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(min(reach, len(data)) + 1)
        kind = chance.random()
        if kind < 0.5:
            data[place : place + 1] = bytes([chance.randrange(256)])
        elif kind < 0.7:
            word = chance.choice(WORDS)
            data[place : place + len(word)] = word
        elif kind < 0.8:
            data[place:place] = chance.choice(WORDS)
        elif kind < 0.9:
            del data[place : place + chance.randint(1, 40)]
        else:
            data[place : place + 4] = chance.randrange(1 << 32).to_bytes(4, "little")
    return bytes(data) if chance.random() < 0.95 else bytes(data[: chance.randrange(len(data) + 1)])


def encoded(container: str, subtype: str, channels: int = 1) -> bytes:
    """Return 1,500 samples of noise as a recording."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1500, channels))
    soundfile.write(file, noise, 16000, format=container, subtype=subtype)
    return file.getvalue()


def read_recording(path: Path) -> None:
    """What probe finds usable is read, and what it refuses is refused again."""
    found = probe(path, 0, Limits(seconds=600, channels=32))
    assert "\n" not in found.problem
    clip = None
    try:
        clip = read_clip(path, Signal(sample_rate=16000, length=2000, channel=0))
        assert clip.shape == (2000,)
        assert clip.dtype == np.int16
    finally:
        # These are not for the index, but can be read.
        relaxed = found.problem.startswith(("silent", "too ", "beyond full scale"))
        assert (clip is not None) == (not found.problem) or relaxed, found.problem


def read_shard(path: Path) -> None:
    """What is read is what was written, or rows are found damaged."""
    shard = Shard.open(path)
    assert shard.clips == TABLE
    damaged = set(shard.damaged_rows())
    for row in set(range(8)) - damaged:
        np.testing.assert_array_equal(shard.features[row], ROWS[row])


def read_whole_bank(path: Path) -> None:
    """What its record vouches for is what was written."""
    train = path.parent / "banks" / "train.h5"
    train.write_bytes(path.read_bytes())
    bank = read_bank(train)
    assert bank.clips == TABLE
    np.testing.assert_array_equal(bank.arrays["embedding"], ROWS[:, 0].astype(np.float32))


def read_vouched_bank(path: Path) -> None:
    """What a record vouches for that is no bank is refused all the same."""
    train = path.parent / "vouched" / "train.h5"
    train.parent.mkdir(exist_ok=True)
    train.write_bytes(path.read_bytes())
    write_record(train.with_name(RECORD), BANKS, ["train.h5"], {})
    assert len(read_bank(train)) >= 0


def go_on(path: Path) -> None:
    """A run that goes on from a damaged part gives a whole shard with the right rows."""
    shard = path.with_name("s.h5")
    shard.unlink(missing_ok=True)
    part, journal = shard.with_name(".s.h5.part"), shard.with_name(".s.h5.journal")
    size = int.from_bytes(path.read_bytes()[:4], "little") % (1 << 16)
    part.write_bytes(path.read_bytes()[4 : 4 + size])
    journal.write_bytes(path.read_bytes()[4 + size :])
    with ShardWriter(shard, SPEC, TABLE) as writer:
        pending = writer.pending
        writer.write(pending, ROWS[pending])
        writer.finish()
    found = Shard.open(shard)
    assert found.spec == SPEC
    assert not found.damaged_rows()
    np.testing.assert_array_equal(found.features, ROWS)


def a_shard(folder: Path) -> bytes:
    """Return a finished shard."""
    with ShardWriter(folder / "whole.h5", SPEC, TABLE) as writer:
        writer.write(range(8), ROWS)
        writer.finish()
    return (folder / "whole.h5").read_bytes()


def a_part(folder: Path) -> bytes:
    """Return an unfinished shard and its journal, with the size of the first before both."""
    with ShardWriter(folder / "half.h5", SPEC, TABLE) as writer:
        writer.write(range(5), ROWS[:5])
    part = (folder / ".half.h5.part").read_bytes()
    return len(part).to_bytes(4, "little") + part + (folder / ".half.h5.journal").read_bytes()


def a_bank(folder: Path) -> bytes:
    """Return a bank."""
    write_banks(folder / "banks" / RECORD, BANKS, BANK, BANK, {})
    return (folder / "banks" / "train.h5").read_bytes()


def a_detector(folder: Path) -> bytes:
    """Return a fitted detector."""
    systems = [
        SystemConfig(model="one", scorer="neighbours", settings={"distance": "standardised"}),
        SystemConfig(model="one", scorer="mahalanobis"),
    ]
    models = {"one": MadeBy("0" * 64, EmbedConfig())}
    rule = ScoreConfig(threshold="quantile")
    detector = make_detector("both", "fan", systems, "mean", rule, {"one": BANK}, models)
    making = Making(folder)
    write_scored(making, None, detector, "fan")
    return (folder / "fan.h5").read_bytes()


TARGETS: dict[str, tuple[Callable[[Path], list[bytes]], Callable[[Path], object]]] = {
    "wav": (
        lambda folder: [
            encoded("WAV", "PCM_16"),
            encoded("WAV", "PCM_24", 2),
            encoded("WAV", "FLOAT"),
            encoded("WAV", "IMA_ADPCM"),
            encoded("WAVEX", "PCM_16", 3),
            encoded("RF64", "PCM_16"),
        ],
        read_recording,
    ),
    "flac": (lambda folder: [encoded("FLAC", "PCM_16")], read_recording),
    "ogg": (lambda folder: [encoded("OGG", "VORBIS"), encoded("OGG", "OPUS")], read_recording),
    "shard": (lambda folder: [a_shard(folder)], read_shard),
    "bank": (lambda folder: [a_bank(folder)], read_whole_bank),
    "vouched": (lambda folder: [a_bank(folder)], read_vouched_bank),
    "detector": (lambda folder: [a_detector(folder)], load_detector),
    "part": (lambda folder: [a_part(folder)], go_on),
}


def main() -> None:
    """Run the targets one after the other."""
    folder, seed, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for target in sys.argv[4:]:
        chance = random.Random(f"{target} {seed}")
        make, read = TARGETS[target]
        wholes = make(folder)
        counts: Counter[str] = Counter()
        path = folder / f"input_{target}"
        for _ in range(count):
            path.write_bytes(mutated(chance.choice(wholes), chance))
            try:
                read(path)
                counts["read"] += 1
            except AsdError as error:
                if "\n" in str(error):
                    raise ValueError(f"several lines: {error!r}") from error
                counts["refused"] += 1
        print(json.dumps({target: counts}), flush=True)


if __name__ == "__main__":
    main()

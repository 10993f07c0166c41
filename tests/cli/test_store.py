"""`asd store` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asd.store import Shard
from tests.made import replace_in

TRAIN = Path("data/features/pump/logmel/section_00_train.h5")


def test_every_shard_is_a_line(project: Path, asd: Callable) -> None:
    done = asd("store", "ls")
    head, *lines, last = done.out.splitlines()
    columns = "machine feature section split rows row dtype size state"
    assert " ".join(head.split()) == columns
    assert len(lines) == 8
    row = "pump logmel 00 train 9 16 x 33 float16 0.0 MB current"
    assert " ".join(lines[1].split()) == row
    assert last.startswith("8 shards, ")
    assert asd("store", "ls", "-q").out.splitlines() == [head, *lines]


def test_states(project: Path, asd: Callable) -> None:
    params = project / "pipeline" / "params.yaml"
    replace_in(params, "hop: 128, mels", "hop: 64, mels")
    TRAIN.write_bytes(TRAIN.read_bytes()[:200])
    (project / "data/features/pump/wave").rename(project / "data/features/pump/old")
    rows = json.loads(asd("store", "ls", "--json").out)
    assert {(row["feature"], row["split"], row["state"]) for row in rows} == {
        ("logmel", "train", "damaged"),
        ("logmel", "train", "stale: other settings (config.hop 128 -> 64)"),
        ("logmel", "test", "stale: other settings (config.hop 128 -> 64)"),
        ("old", "train", "stale: no such feature in the params"),
        ("old", "test", "stale: no such feature in the params"),
    }
    (project / "data/index/pump.csv").unlink()
    rows = json.loads(asd("store", "ls", "--json", "--feature", "logmel").out)
    assert {row["state"] for row in rows} == {"damaged", "no index to compare it with"}


def test_what_is_in_a_shard(project: Path, asd: Callable) -> None:
    (facts,) = json.loads(asd("store", "info", TRAIN, "--json").out)
    shard = Shard.open(TRAIN)
    assert (facts["digest"], facts["identity"]) == (shard.spec.digest, shard.identity)
    assert (facts["rows"], facts["shape"], facts["dtype"]) == (9, [16, 33], "float16")
    assert facts["recipe"] == shard.spec.recipe
    assert facts["labels"] == {"normal": 9}
    test = asd("store", "info", "--machine", "pump", "--feature", "wave").out
    assert test.count("labels    anomaly 2, normal 2") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a shard's path, or --machine and --feature"),
        ((TRAIN, "--machine", "pump"), "give one of them"),
        (("--machine", "pump", "--feature", "wav"), "did you mean 'wave'?"),
        (("nowhere.h5",), "nowhere.h5: no such shard"),
    ],
)
def test_wrong_use(project: Path, asd: Callable, arguments: tuple[Any, ...], message: str) -> None:
    done = asd("store", "info", *arguments)
    assert done.code == 2
    assert message in done.err

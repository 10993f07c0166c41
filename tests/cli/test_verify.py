"""asd verify: damage anywhere is found and named; what can be made again is.

`ASD_LONG_TESTS=1` flips 250 bytes of each file instead of 15.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from torch import nn

from asd.artifact import RECORD, Record, begun_path, read_record, write_record
from asd.config import EmbedConfig
from asd.detection.enroll import EnrolmentRequest
from asd.errors import AsdError
from asd.features.projection import Head, Projection
from asd.scoring.bank import Bank, BanksRequest, read_bank, write_banks
from asd.scoring.scored import read_scores_record
from asd.stages import verify
from asd.stages.index import IndexRequest
from asd.store import FeatureStore, Shard
from asd.training.artifact import CheckpointRequest, ModelRequest, write_checkpoint, write_model
from asd.training.pretrained import find_base
from asd.workspace import Workspace
from tests.made import run_verbs, tree

PARAMS = """
dataset: {name: small, raw: data/raw, machines: [fan]}
features: {wave: {}}
models: {small: {features: [wave]}}
systems: {"1": {model: small, scorer: cosine}}
"""
FLIPS = 250 if os.environ.get("ASD_LONG_TESTS") else 15
LENGTH = 2000
SHARD = Path("data/features/fan/wave/section_00_train.h5")
BANK = Path("data/banks/small/fan/train.h5")
BANKS = BANK.with_name(RECORD)
MODEL = Path("data/models/small/fan") / RECORD
SCORES = Path("data/scores/1/fan.csv")
DETECTOR = SCORES.with_suffix(".h5")
SCORED = SCORES.with_suffix(".json")
INDEX = Path("data/index/fan.csv")
INDEXED = INDEX.with_suffix(".json")
HISTORY = MODEL.with_name("history.csv")
CHECKPOINT = Path("data/checkpoints/ptm")


def _record(folder: Path) -> None:
    """Write noise as two sections of 6 training clips and 2 test clips."""
    noise = np.random.default_rng(0)
    for section in ("00", "01"):
        for i in range(8):
            split = "train" if i < 6 else "test"
            path = folder / split / f"section_{section}_source_{split}_normal_{i:04d}_speed_1.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, noise.integers(-9000, 9000, LENGTH).astype(np.int16), 16000)


def _bank(split: str) -> Bank:
    (first, second) = FeatureStore(Path("data/features")).shards("fan", "wave", split)
    rows = np.concatenate([first.features, second.features])
    return Bank(
        first.clips.joined([first.clips, second.clips]),
        classes=np.zeros(len(rows), np.int32),
        arrays={"embedding": rows[:, :8].astype(np.float32)},
    )


def _model() -> str:
    """Write a model that has learnt nothing and return its digest."""
    shards = FeatureStore(Path("data/features")).shards("fan", "wave", "train")
    request = ModelRequest(
        version=1,
        machine="fan",
        machines=(),
        model={"network": "tdnn", "features": ["wave"]},
        train={},
        inputs={"wave": {one.spec.section: one.identity for one in shards}},
        shapes={},
        recipes={},
        task="sections",
        classes=("00", "01"),
        attribute_classes=(),
        attribute_head=False,
    )
    write_model(MODEL, nn.Linear(2, 2), request, [{"epoch": 1}], {})
    return read_record(MODEL, ModelRequest).digest


def _checkpoint() -> None:
    weight, bias = np.ones((5, 2, 3), np.float32), np.zeros((5, 2), np.float32)
    head = Head(Projection(weight[0], bias[0], 1), pca_weight=weight, pca_bias=bias)
    base = find_base("builtin:tiny")
    request = CheckpointRequest(
        version=1, base={"name": "x"}, params={}, inputs="", sample_rate=16000, channel=0
    )
    facts = {"layer": 1, "last": {"loss": 0.1}}
    beside = Path("data/beside")
    write_checkpoint(CHECKPOINT, beside, base, nn.Linear(2, 2), head, request, facts, [{"step": 1}])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which everything is there."""
    root = tmp_path_factory.mktemp("whole")
    (root / "pipeline").mkdir()
    (root / "pipeline" / "params.yaml").write_text(PARAMS)
    _record(root / "data/raw/fan")
    run_verbs(root, "index", "extract")
    with chdir(root):
        request = BanksRequest(
            machine="fan", model=_model(), inputs={}, params=EmbedConfig().model_dump(mode="json")
        )
        write_banks(BANKS, request, _bank("train"), _bank("test").without_truth(), {})
        run_verbs(root, "score")
        _checkpoint()
    return root


@pytest.fixture
def project(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, as the current folder."""
    root = tmp_path / "project"
    shutil.copytree(whole, root)
    monkeypatch.chdir(root)
    return root


def _flip(path: Path, place: int, bits: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= bits
    path.write_bytes(data)


def _flip_row(row: int) -> None:
    shard = Shard.open(SHARD)
    _flip(SHARD, shard.offset + row * shard.spec.row_bytes + 7)


def test_a_whole_project_is_whole(project: Path, asd: Callable) -> None:
    for arguments in ((), ("--deep",), ("--machine", "fan"), ("--repair",)):
        done = asd("verify", *arguments)
        assert (done.code, done.err) == (0, "")
        assert done.out.count("\n") == 1
        counts = "1 index table, 1 checkpoint, 1 model, 1 bank, 1 score table"
        assert f"verified 4 shards, 16 rows, {counts}" in done.out
        assert done.out.endswith("s: all as written\n")


def test_json_has_everything(project: Path, asd: Callable) -> None:
    _flip_row(2)
    Path("data/features/fan/.x.part").write_text("")
    done = asd("verify", "--deep", "--json")
    assert done.code == 1
    (report,) = json.loads(done.out)
    assert report["counts"]["recording"] == 16
    assert report["damaged"][0]["path"] == str(SHARD)
    assert report["damaged"][0]["rows"] == [2]
    assert report["notes"][0]["path"] == "data/features/fan/.x.part"
    assert report["left"] == 1


def test_damaged_rows_alone_are_computed_again(project: Path, asd: Callable) -> None:
    before = SHARD.read_bytes()
    for row in (1, 4):
        _flip_row(row)
    assert asd("verify").code == 0  # rows are not read without --deep
    done = asd("verify", "--deep")
    assert done.code == 1
    assert done.out.startswith(f"{SHARD}: 2 of 6 rows are not what was written")
    done = asd("verify", "--deep", "--repair")
    assert done.code == 0
    assert "fan wave: computed 2 rows again" in done.out
    assert SHARD.read_bytes() == before
    assert asd("verify", "--deep").code == 0


@pytest.mark.parametrize("harm", ["table", "lost", "swapped", "cut"])
def test_damaged_shards_are_made_again(project: Path, asd: Callable, harm: str) -> None:
    before = SHARD.read_bytes()
    if harm == "table":
        _flip(SHARD, before.index(b"section_00_source_train_normal_0003"))
    elif harm == "lost":
        SHARD.unlink()
    elif harm == "cut":
        SHARD.write_bytes(before[:-1000])
    else:
        SHARD.write_bytes(SHARD.with_stem("section_01_train").read_bytes())
    done = asd("verify")
    assert done.code == 1
    assert done.out.startswith(f"{SHARD}: ")
    assert done.out.count("\n") == 2
    done = asd("verify", "--repair")
    assert done.code == 0, done.out
    # An entry of the table that was not hit still tells which clip its row is of.
    rows = "0 rows" if harm == "table" else "6 rows"
    assert f"fan wave: computed {rows} again" in done.out
    assert SHARD.read_bytes() == before


@pytest.mark.parametrize("why", ["recording", "params", "name"])
def test_what_cannot_be_repaired_says_why(project: Path, asd: Callable, why: str) -> None:
    _flip_row(0)
    expected = "changed since it was indexed"
    if why == "recording":
        path = next(Path("data/raw/fan/train").glob("section_00*_0000_*"))
        _flip(path, 100)
    elif why == "params":
        recorded = Path("pipeline/params.yaml")
        recorded.write_text(recorded.read_text() + "index: {channel: 1}\n")
        expected = "other params than the present ones; run 'asd extract'"
    else:
        SHARD.rename(SHARD.with_name("copy.h5"))
        expected = "copy.h5: cannot be repaired"
    done = asd("verify", "--deep", "--repair")
    assert done.code == 1
    assert expected in done.out
    assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize(
    ("path", "harmed", "stage"),
    [
        (BANK, b"section_00", "embed"),
        (BANKS, b"batch_size", "embed"),
        (MODEL, b"fan", "train"),
        (HISTORY, b"epoch", "train"),
        (INDEX, b"section_00", "index"),
        (INDEXED, b"sample_rate", "index"),
        (SCORES, b"section_00", "score"),
        (DETECTOR, b"cosine", "score"),
        (SCORED, b"gamma", "score"),
        (CHECKPOINT / RECORD, b"torch", "finetune"),
    ],
)
def test_other_damaged_files_are_removed_and_their_stage_named(
    project: Path, asd: Callable, path: Path, harmed: bytes, stage: str
) -> None:
    whole = path.read_bytes()
    _flip(path, whole.index(harmed))
    done = asd("verify")
    assert done.code == 1
    (line, _) = done.out.splitlines()
    assert line.startswith(f"{path}: ")
    assert f"run 'asd {stage}'" in line
    done = asd("verify", "--repair")
    assert done.code == 1  # something is left to do
    assert f"{path}: removed; run 'asd {stage}'" in done.out
    assert not path.exists()
    if stage in ("index", "score"):
        assert asd(stage).code == 0
        assert path.read_bytes() == whole


WEIGHTS = ("model.safetensors", "asd_head.safetensors")


@pytest.mark.parametrize(
    "name", [*WEIGHTS, "config.json", "preprocessor_config.json", "history.csv"]
)
def test_a_checkpoint_vouches_for_its_files(project: Path, asd: Callable, name: str) -> None:
    _flip(CHECKPOINT / name, (CHECKPOINT / name).stat().st_size // 2)
    done = asd("verify")
    assert done.code == 1
    assert done.out.startswith(f"{CHECKPOINT / name}: is not what was written: ")
    (CHECKPOINT / name).unlink()
    done = asd("verify")
    assert done.code == 1
    assert done.out.startswith(f"{CHECKPOINT / name}: lost: record.json names it; run 'asd ")


def test_a_lost_history_is_damage_of_it_alone(project: Path, asd: Callable) -> None:
    HISTORY.unlink()
    said = asd("verify", "--repair").out
    assert said.startswith(f"{HISTORY}: lost: record.json names it; run 'asd train'\n")
    assert MODEL.exists()


def test_files_in_other_places_are_damage(project: Path, asd: Callable) -> None:
    shutil.copytree("data/banks/small/fan", "data/banks/small/valve")
    shutil.copytree("data/models/small/fan", "data/models/small/valve")
    shutil.copytree("data/scores/1", "data/scores/2")
    shutil.copyfile(INDEX, INDEX.with_stem("valve"))
    shutil.copyfile(INDEXED, INDEXED.with_stem("valve"))
    BANK.with_stem("test").write_bytes(BANK.read_bytes())
    done = asd("verify")
    assert done.code == 1
    lines = [line for line in done.out.splitlines() if "wrong place" in line]
    assert [line.partition(":")[0] for line in lines] == [
        "data/index/valve.json",
        "data/models/small/valve/record.json",
        "data/banks/small/valve/record.json",
        "data/scores/2/fan.json",
    ]
    assert "data/banks/small/fan/test.h5: is not what was written" in done.out
    assert asd("verify", "--machine", "fan").out.count("wrong place") == 1


def test_what_stopped_runs_left_is_no_damage(project: Path, asd: Callable) -> None:
    SHARD.with_name(f".{SHARD.name}.part").write_bytes(b"half")
    for record in (MODEL, SCORED):
        begun_path(record).touch()
        record.unlink()
    done = asd("verify")
    assert done.code == 0
    notes = [line for line in done.out.splitlines() if line.startswith("note: ")]
    # Weights and history, scores and detector; the part, and both that say what was begun.
    assert len(notes) == 7
    assert notes[0] == (
        "note: data/models/small/fan/weights.safetensors: no record names it, so it is not read;"
        " run 'asd train'"
    )


@pytest.mark.parametrize("record", [MODEL, SCORED, INDEXED, BANKS])
def test_a_lost_record_is_damage(project: Path, asd: Callable, record: Path) -> None:
    """No killed run leaves nothing but the files that it vouched for."""
    record.unlink()
    done = asd("verify", "--repair")
    assert done.code == 1
    first, _, last = done.out.splitlines()
    assert first.startswith(f"{record}: lost: it vouched for what lies there; run 'asd ")
    assert last.startswith(f"{record}: run 'asd ")


_AS_NOBODY = """
import contextlib, io, os, sys
from asd.cli import cli, main
with contextlib.redirect_stdout(io.StringIO()):  # imports what another user may have no right to
    cli.main(["verify", "--deep"], standalone_mode=False)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.argv = ["asd", "verify", "--deep", "--repair"]
main()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("closed", [BANK, SCORED, SHARD, MODEL, INDEXED, BANKS.parent])
def test_what_another_user_may_not_read_is_kept(whole: Path, closed: Path) -> None:
    # Another user does not come below a test's own folder.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        shutil.copytree(whole, root)
        for path in [root, *root.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)
        Path(folder).chmod(0o755)
        (root / closed).chmod(0)
        before = tree(root)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY], cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 1, done.stderr
        assert f"{closed}: cannot be read: Permission denied" in done.stdout
        assert f"{closed}: kept, as it cannot be read" in done.stdout
        assert "1 cannot be read" in done.stdout
        assert tree(root) == before


def test_recordings_are_read_by_deep_alone(project: Path, asd: Callable) -> None:
    first, second = sorted(Path("data/raw/fan/test").glob("*.wav"))[:2]
    _flip(first, 60)
    second.unlink()
    assert asd("verify").code == 0
    done = asd("verify", "--deep")
    assert done.code == 1
    assert f"{first}: changed since it was indexed" in done.out
    assert f"{second}: lost" in done.out
    shutil.rmtree("data/raw")
    done = asd("verify", "--deep")
    assert done.out.count("\n") == 2
    assert "data/raw/fan: no such folder; data/index/fan.csv lists 16 recordings" in done.out


def test_an_enrolment_is_kept_even_if_damaged(project: Path, asd: Callable) -> None:
    """No stage makes it again."""
    path = Path("data/enrolled/fan/0001") / SCORED.with_suffix(".h5").name
    path.parent.mkdir(parents=True)
    shutil.copyfile(DETECTOR, path)
    request = EnrolmentRequest(
        machine="fan", section="00", domain="", recordings=(), before="", scores={}
    )
    write_record(path.with_name(RECORD), request, [path.name], {})
    assert "1 enrolment" in asd("verify").out
    for damaged in (path, path.with_name(RECORD)):
        _flip(damaged, damaged.stat().st_size // 2)
        done = asd("verify", "--repair")
        assert done.code == 1
        assert f"{damaged}: cannot be repaired" in done.out
        assert damaged.exists()


def _read(path: Path) -> Any:
    """Return all that a reader takes from a file."""
    kinds = {"index": IndexRequest, "models": ModelRequest, "checkpoints": CheckpointRequest}
    if path.suffix == ".csv" or path == DETECTOR:
        return path.read_bytes()
    if path.suffix == ".json":
        return _said(
            read_scores_record(path)
            if path.parts[1] == "scores"
            else read_record(path, kinds[path.parts[1]])
        )
    if path.parts[1] == "banks":
        bank = read_bank(path)
        arrays = {name: (a.shape, a.tobytes()) for name, a in bank.arrays.items()}
        return bank.clips.rows.tobytes(), bank.classes.tolist(), arrays
    shard = Shard.open(path)
    return shard.spec, shard.identity, shard.table.tobytes(), shard.features.tobytes()


def _said(record: Record) -> Any:
    return record.request, record.files, record.facts, record.versions, record.digest


def test_every_flipped_byte_is_found_or_changes_nothing_that_is_read(project: Path) -> None:
    chance = random.Random(0)
    found_all = 0
    record = CHECKPOINT / RECORD
    files = (SHARD, BANK, SCORES, DETECTOR, SCORED, MODEL, HISTORY, INDEX, INDEXED, record)
    for path in files:
        whole, expected = path.read_bytes(), _read(path)
        for _ in range(FLIPS):
            _flip(path, chance.randrange(len(whole)), chance.randrange(1, 256))
            found = {damage.path for damage in verify.run(Workspace.at("."), deep=True).damaged}
            assert found <= {path}, "another file is blamed"
            found_all += len(found)
            if found:
                with suppress(AsdError):
                    assert _read(path) != expected, "a false alarm"
            else:
                assert _read(path) == expected
            path.write_bytes(whole)
    assert found_all > FLIPS

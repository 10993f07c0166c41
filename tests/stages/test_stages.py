"""Stages, their records and DVC agree on what is current; each reads what it declares."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import soundfile
from ruamel.yaml import YAML

from asd.stages import STAGES
from tests.made import asd, edit_params, tree

ROOT = Path(__file__).resolve().parents[2]
PARAMS = """
dataset: {name: tiny, rules: '2020', raw: raw, machines: [pump]}
synth: {machines: []}
index: {sample_rate: 8000, channel: 0}
finetune: {base: 'builtin:tiny', steps: 2, accumulate: 1, seconds: 0.4, rows: 16, batch_size: 2}
extract: {workers: 0}
features:
  wave: {extractor: wave}
  logmel: {extractor: logmel, n_fft: 256, hop: 128, mels: 16}
  other: {extractor: logmel, n_fft: 256, hop: 128, mels: 12}
networks:
  tdnn: {channels: [8, 12], kernels: [3, 1], dilations: [1, 1], embedding: 6,
         tgram_window: 256, tgram_hop: 128}
models:
  both: {features: [logmel, wave]}
  mel: {features: [other]}
joint: {}
train: {epochs: 2, learning_rate: 0.002, classes_per_batch: 2, clips_per_class: 4,
        precision: float32}
embed: {batch_size: 8, precision: float32}
systems:
  cosine: {model: both, scorer: cosine}
  spread: {model: mel, scorer: neighbours, settings: {distance: standardised, k: 2}}
fusions: {}
select: {}
score: {threshold: quantile, false_alarm_rate: 0.2}
evaluate: {bootstrap: 0}
"""
Values = dict[str, Any]
Run = Callable[..., str]


def _set(*place: str, to: object) -> Callable[[Path], None]:
    def change(values: Any) -> None:
        for key in place[:-1]:
            values = values[key]
        values[place[-1]] = to

    return partial(edit_params, change=change)


def _less(*place: str) -> Callable[[Path], None]:
    def change(values: Any) -> None:
        for key in place[:-1]:
            values = values[key]
        del values[place[-1]]

    return partial(edit_params, change=change)


def _louder(root: Path) -> None:
    path = root / "raw/pump/id_00/test/anomaly/00_12.wav"
    wave, rate = soundfile.read(path)
    soundfile.write(path, 0.5 * wave, rate, "PCM_16")


@pytest.fixture(scope="module")
def workspace(tiny_template: Path, tmp_path_factory: pytest.TempPathFactory, shell: Run) -> Path:
    """The tiny project as a workspace of DVC, run once."""
    root = tmp_path_factory.mktemp("stages") / "workspace"
    shutil.copytree(tiny_template / "raw", root / "raw")
    (root / "pipeline").mkdir()
    (root / "pipeline/params.yaml").write_text(PARAMS)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    shell(root, "dvc", "init", "-q", "--no-scm")
    shell(root, "dvc", "config", "core.analytics", "false")
    shell(root, "dvc", "repro")
    return root


@pytest.fixture
def copy(workspace: Path, tmp_path: Path) -> Path:
    """A copy of the workspace, with its times."""
    root = tmp_path / "workspace"
    shutil.copytree(workspace, root, copy_function=shutil.copy2)
    return root


def _stale(root: Path) -> tuple[set[str], set[str]]:
    """Return the stages that `asd status` calls stale or missing, and those it calls unused."""
    code, out, err = asd(root, "status", "--json")
    assert code == 0, err
    rows = json.loads(out)
    return (
        {row["stage"] for row in rows if row["state"] in ("stale", "missing")},
        {row["stage"] for row in rows if row["state"] == "unused"},
    )


def _named(root: Path, shell: Run) -> set[str]:
    """Return the stages that `dvc status` names."""
    return set(json.loads(shell(root, "dvc", "status", "--json")))


def _group(place: tuple[str, ...]) -> str:
    """Return what a file below the data is a part of."""
    if place[0] == "features":
        return f"features {place[2]}"
    if place[0] in ("models", "banks", "scores"):
        return f"{place[0]} {place[1]}"
    if place[0] == "reports":
        official = place[1] in ("metrics.json", "evaluate.json", "roc", "official")
        return "figures" if official else "report"
    return place[0]


def _times(root: Path) -> dict[str, dict[Path, int]]:
    """Return when each file below the data was written, by what it is a part of."""
    found: dict[str, dict[Path, int]] = {}
    for path in sorted((root / "data").rglob("*")):
        place = path.relative_to(root / "data").parts
        if path.is_file() and not any(part[0] == "." for part in place):
            of_group = found.setdefault(_group(place), {})
            of_group[path.relative_to(root)] = path.stat().st_mtime_ns
    return found


@dataclass(frozen=True)
class Case:
    """A change, and what follows from it.

    Attributes:
        change: the params or the recordings of a workspace.
        named: the stages that `dvc status` names and `asd status` calls stale or missing.
        remade: what is written anew when the stages are run.
        early: stages that `asd status` alone names: it knows already what is to come.
        idle: stages that `dvc status` alone names, and that find nothing to do: which features are
            to be computed hangs on the models, and DVC sees a section of the params as a whole.
        gone: what is removed.
    """

    change: Callable[[Path], None]
    named: set[str]
    remade: set[str]
    early: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)


FEATURES = {"features wave", "features logmel", "features other"}
SCORES = {"scores cosine", "scores spread"}
BANKS = {"banks both", "banks mel"}
MODELS = {"models both", "models mel"}
FIGURES = {"figures", "report"}
CASES = {
    "a recording": Case(_louder, {"index"}, {"index", *FEATURES, *BANKS, *SCORES, *FIGURES}),
    "index.sample_rate": Case(
        _set("index", "sample_rate", to=4000),
        {"index", "extract", "report"},
        {"index", *FEATURES, *MODELS, *BANKS, *SCORES, *FIGURES},
    ),
    "finetune.steps": Case(_set("finetune", "steps", to=3), {"report"}, {"report"}),
    "a feature": Case(
        _set("features", "other", "hop", to=64),
        {"extract", "report"},
        {"features other", "models mel", "banks mel", "scores spread", *FIGURES},
    ),
    "a network": Case(
        _set("networks", "tdnn", "embedding", to=5),
        {"train", "report"},
        {*MODELS, *BANKS, *SCORES, *FIGURES},
    ),
    "train.epochs": Case(
        _set("train", "epochs", to=1), {"train", "report"}, {*MODELS, *BANKS, *SCORES, *FIGURES}
    ),
    "a loss": Case(
        _set("models", "mel", "losses", to={"triplet": 0.5}),
        {"train", "report"},
        {"models mel", "banks mel", "scores spread", *FIGURES},
        idle={"extract"},
    ),
    "embed.batch_size": Case(
        _set("embed", "batch_size", to=4), {"embed", "report"}, {*BANKS, *SCORES, *FIGURES}
    ),
    "a system's setting": Case(
        _set("systems", "spread", "settings", "k", to=3),
        {"score", "report"},
        {"scores spread", *FIGURES},
    ),
    "score.false_alarm_rate": Case(
        _set("score", "false_alarm_rate", to=0.3), {"score", "report"}, {*SCORES, *FIGURES}
    ),
    "dataset.rules": Case(_set("dataset", "rules", to="2022"), {"evaluate", "report"}, {*FIGURES}),
    "evaluate.bootstrap": Case(
        _set("evaluate", "bootstrap", to=5), {"evaluate", "report"}, {*FIGURES}
    ),
    "the ladder": Case(
        _set("ladder", to=[{"system": "cosine", "change": "all"}]), {"report"}, {"report"}
    ),
    "a model more": Case(
        _set("models", "third", to={"features": ["wave"]}),
        {"train", "report"},
        {"models third", "banks third", "report"},
        early={"embed"},
        idle={"extract"},
    ),
    "a system less": Case(
        _less("systems", "spread"),
        {"score", "report"},
        {*FIGURES},
        early={"evaluate"},
        gone={"scores spread"},
    ),
}
QUICK = {"the ladder", "a system less"}


@pytest.mark.parametrize(
    "name", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in CASES]
)
def test_status_and_dvc_agree_and_a_run_computes_just_that(
    copy: Path, shell: Run, name: str
) -> None:
    case = CASES[name]
    case.change(copy)
    stale, unused = _stale(copy)
    assert stale == case.named | case.early
    # DVC names a stage that nothing needs, too: its params say whether anything does.
    assert _named(copy, shell) - unused == case.named | case.idle
    before = _times(copy)
    shell(copy, "dvc", "repro")
    after = _times(copy)
    assert before.keys() - after.keys() == case.gone
    remade = {group for group in after if after[group] != before.get(group)}
    assert remade == case.remade
    assert _stale(copy)[0] == set()
    assert _named(copy, shell) == set()


def _dvc() -> Any:
    return YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())


def test_dvc_yaml_is_the_list_of_stages() -> None:
    stages = _dvc()["stages"]
    assert list(stages) == list(STAGES)
    assert len(STAGES) == 9
    for name, stage in stages.items():
        assert stage["cmd"] == f"asd {name}"
        assert not {"matrix", "foreach", "do"} & stage.keys()
        outs = [*stage.get("outs", []), *stage.get("metrics", [])]
        assert outs
        assert all(of == {"persist": True} for out in outs for of in out.values())


Read = dict[str, list[Path]]


@pytest.fixture(scope="module")
def fine_tuned(
    tiny_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    read_by: Callable[..., list[list[Path]]],
) -> tuple[Path, Read]:
    """The tiny project with a fine-tuned checkpoint, and what each stage opened to make it."""
    root = tmp_path_factory.mktemp("fine_tuned")
    shutil.copytree(tiny_template / "raw", root / "raw")
    (root / "pipeline").mkdir()
    (root / "pipeline/params.yaml").write_text(PARAMS)

    def with_checkpoint(values: Any) -> None:
        values["index"]["sample_rate"] = 16000
        values["features"]["ptm"] = {"hop": 128}
        values["models"]["heard"] = {"features": ["logmel", "ptm"]}
        values["systems"]["heard"] = {"model": "heard", "scorer": "cosine"}

    edit_params(root, with_checkpoint)
    return root, dict(zip(STAGES, read_by(root, *STAGES), strict=True))


@pytest.mark.slow
def test_every_input_is_declared(fine_tuned: tuple[Path, Read]) -> None:
    """Whatever a stage opens below the recordings and the data is its dependency or its own."""
    root, read = fine_tuned
    for name, stage in _dvc()["stages"].items():
        outs = [*stage.get("outs", []), *stage.get("metrics", [])]
        declared = [*stage.get("deps", []), *(path for out in outs for path in out)]
        folders = [root / path.replace("${dataset.raw}", "raw") for path in declared]
        if root / "data/index" in folders:
            folders.append(root / "raw")  # an index names each recording by its content
        if name in ("finetune", "train"):
            folders.append(root / "data/checkpoints/train")  # its own, from an interrupted run
        # Folders are synchronised to the disk, what becomes an output is written beside it, and
        # what may be there or not is opened to see.
        found = [path for path in read[name] if path.is_file()]
        opened = [path for path in found if not path.name.endswith(".part")]
        inputs = [p for p in opened if any(p.is_relative_to(root / of) for of in ("data", "raw"))]
        assert name == "synth" or inputs, name
        strange = [p for p in inputs if not any(p.is_relative_to(of) for of in folders)]
        assert strange == [], name
    assert any("checkpoints/ptm" in path.as_posix() for path in read["extract"])


@pytest.mark.slow
def test_another_checkpoint_makes_anew_what_reads_it(
    fine_tuned: tuple[Path, Read], tmp_path: Path
) -> None:
    root = tmp_path / "project"
    shutil.copytree(fine_tuned[0], root, copy_function=shutil.copy2)
    assert _stale(root) == (set(), set())
    _set("finetune", "steps", to=3)(root)
    assert _stale(root) == ({"finetune", "report"}, set())
    before = _times(root)
    for verb in STAGES[STAGES.index("finetune") :]:
        code, _, err = asd(root, verb)
        assert code == 0, err
    after = _times(root)
    remade = {group for group in after if after[group] != before.get(group)}
    heard = {"features ptm", "models heard", "banks heard", "scores heard"}
    assert remade == {"checkpoints", *heard, *FIGURES}
    assert _stale(root) == (set(), set())


@pytest.mark.slow
def test_what_dvc_has_linked_is_replaced_and_never_written_through(
    fine_tuned: tuple[Path, Read], tmp_path: Path
) -> None:
    root, cache = tmp_path / "project", tmp_path / "cache"
    shutil.copytree(fine_tuned[0], root)
    shutil.copytree(root / "data", cache, copy_function=os.link)
    kept = tree(cache)

    def all_anew(values: Any) -> None:
        values["index"]["seconds"] = 0.4
        values["finetune"]["seed"] = values["train"]["seed"] = 1
        values["evaluate"]["bootstrap"] = 5

    edit_params(root, all_anew)
    for verb in STAGES:
        code, _, err = asd(root, verb)
        assert code == 0, err
    assert tree(cache) == kept
    changed = [one for one in kept if (root / "data" / one).stat().st_nlink == 1]
    assert len(changed) > 0.8 * len(kept)


STAYS = (
    "models/.keep",
    "models/both/.keep",
    "banks/.keep",
    "scores/.keep",
    "scores/cosine/.keep",
    "features/.keep",
    "features/pump/.keep",
    "index/.keep",
    "enrolled/pump/0001/old.h5",
    "enrolled/fan/0001/record.json",
    "checkpoints/train/old/pump.safetensors",
    "reports/seeds/7/models/old/pump/record.json",
    "submissions/mine.zip",
)
GOES = (
    "models/old/pump/record.json",
    "models/both/fan/record.json",
    "banks/old/pump/train.h5",
    "banks/both/fan/train.h5",
    "scores/old/pump.csv",
    "scores/cosine/fan.csv",
    "features/fan/wave/section_00_train.h5",
    "features/pump/old/section_00_train.h5",
    "index/fan.csv",
    "index/fan.json",
    "reports/roc/old.csv",
    "reports/official/old_result.csv",
)


def test_what_the_params_no_longer_name_is_removed(tiny: Path) -> None:
    data = tiny / "data"
    for name in (*STAYS, *GOES):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("x")
    verbs = ("index", "extract", "train", "embed", "score")
    stale, _ = _stale(tiny)
    assert set(verbs) <= stale
    # A run of some machines alone knows nothing of the others.
    for verb in verbs:
        assert asd(tiny, verb, "--machine", "pump")[0] == 0
    assert all((data / name).exists() for name in (*STAYS, *GOES))
    for verb in (*verbs, "evaluate"):
        code, _, err = asd(tiny, verb)
        assert code == 0, err
    assert [name for name in GOES if (data / name).exists()] == []
    assert [name for name in STAYS if not (data / name).exists()] == []
    assert not set(verbs) & _stale(tiny)[0]


@pytest.fixture
def two(tiny: Path) -> Path:
    """The tiny project with another machine, fan, of the same recordings."""
    shutil.copytree(tiny / "raw/pump", tiny / "raw/fan")

    def change(values: Any) -> None:
        values["dataset"]["machines"] = ["fan", "pump"]
        values["systems"] = {"spread": values["systems"]["spread"]}
        values["models"] = {"mel": values["models"]["mel"]}

    edit_params(tiny, change)
    return tiny


def test_a_machine_without_training_clips_stops_no_other(two: Path) -> None:
    for folder in (two / "raw/fan").glob("*/train"):
        shutil.rmtree(folder)
    shutil.rmtree(two / "data")
    for verb in ("index", "extract"):
        assert asd(two, verb)[0] == 0
    for verb, done, why in (
        ("train", "data/models/mel/pump/record.json", "no train shard"),
        ("embed", "data/banks/mel/pump/record.json", "no such model; run 'asd train' first"),
        ("score", "data/scores/spread/pump.json", "no such banks; run 'asd embed' first"),
    ):
        code, out, err = asd(two, verb)
        assert code == 1, err
        assert (two / done).is_file()
        assert "pump" in out + done
        assert err.startswith("asd: ")
        assert err.count("\n") == 1
        assert "fan" in err
        assert why in err
    # Nothing but wrong use.
    code, _, err = asd(two, "train", "--machine", "fan")
    assert (code, err.count("\n")) == (2, 1)
    shutil.rmtree(two / "data/banks")
    code, _, err = asd(two, "score")
    assert (code, err.count("\n")) == (2, 2)


def test_a_damaged_bank_stops_no_other_machine(two: Path) -> None:
    for verb in ("index", "extract", "train", "embed", "score"):
        code, _, err = asd(two, verb)
        assert code == 0, err
    (two / "data/banks/mel/fan/train.h5").write_bytes(b"no bank")
    _set("score", "false_alarm_rate", to=0.3)(two)
    code, out, err = asd(two, "score")
    assert code == 1
    assert "data/banks/mel/fan/train.h5: is not what was written" in err
    assert err.count("\n") == 1
    assert "spread: scored 8 clips of 1 machine" in out
    record = json.loads((two / "data/scores/spread/pump.json").read_text())
    assert record["request"]["rule"]["false_alarm_rate"] == 0.3
    for verb in ("embed", "score"):
        assert asd(two, verb)[0] == 0


@pytest.fixture
def earlier(tiny: Path) -> Path:
    """The tiny project as a version without records left it."""
    for path in (*tiny.glob("data/models/*/*/record.json"), *tiny.glob("data/scores/*/*.json")):
        new = "model.json" if path.name == "record.json" else f"threshold_{path.name}"
        path.rename(path.with_name(new))
    for path in (tiny / "data").glob("*/*/*/record.json"):
        path.unlink()
    for path in (tiny / "data/scores").glob("*/pump.*"):
        path.rename(path.with_name(f"anomaly_score_pump_section_00_test{path.suffix}"))
    return tiny


def test_a_workspace_of_an_earlier_version_is_told_so(earlier: Path) -> None:
    before = tree(earlier)
    text = "data was made by an earlier version of asd; 'dvc repro' makes it anew"
    code, out, err = asd(earlier, "status")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"note: {text}"
    sound = "raw/pump/id_00/test/anomaly/00_11.wav"
    for arguments in (("predict", "--section", "00", sound), ("evaluate",)):
        code, out, err = asd(earlier, *arguments)
        assert (code, out) == (2, "")
        assert err.startswith("asd: ")
        assert err.endswith(f"; {text}\n")
        assert err.count("\n") == 1
    assert tree(earlier) == before
    for verb in ("index", "extract", "train", "embed", "score"):
        code, _, err = asd(earlier, verb)
        assert code == 0, err
    assert "earlier version" not in asd(earlier, "status")[1]
    assert asd(earlier, "predict", "--section", "00", sound)[0] == 0
    assert asd(earlier, "evaluate")[0] == 0

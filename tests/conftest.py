"""A tiny project, trained once, for the tests of every room that needs a whole one."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import settings

from tests.forks import SCRIPTS, serving
from tests.made import fork, run_verbs

# How long an example takes is the machine's affair: it may be busy.
settings.register_profile("repository", deadline=None)
settings.load_profile("repository")

RATE, LENGTH = 8000, 4096
_NAMES = ("NAME", "EMAIL")
PARAMS = """
dataset: {name: tiny, rules: '2020', raw: raw, machines: [pump]}
index: {sample_rate: 8000}
features:
  wave: {extractor: wave}
  logmel: {extractor: logmel, n_fft: 256, hop: 128, mels: 16}
networks:
  tdnn: {channels: [8, 12], kernels: [3, 1], dilations: [1, 1], embedding: 6,
         tgram_window: 256, tgram_hop: 128}
models:
  both: {features: [logmel, wave]}
  mel: {features: [logmel]}
train: {epochs: 2, learning_rate: 0.002, classes_per_batch: 2, clips_per_class: 4,
        precision: float32}
embed: {batch_size: 8, precision: float32}
systems:
  posterior: {model: both, scorer: posterior}
  cosine: {model: both, scorer: cosine}
  spread: {model: mel, scorer: neighbours, settings: {distance: standardised, k: 2}}
score: {domains: as_found, threshold: quantile, false_alarm_rate: 0.2}
"""


@pytest.fixture(scope="session")
def surroundings() -> dict[str, str]:
    """The environment of a user of this package who has a name for git."""
    root, scripts = Path(__file__).resolve().parents[1], Path(sys.executable).parent
    people = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in _NAMES}
    return os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root),
        "GIT_CONFIG_GLOBAL": os.devnull,
        **people,
    }


@pytest.fixture(scope="session")
def shell(
    surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., str]]:
    """Run a command in a folder, as a user does, and return what it prints; it must succeed.

    Where the system has what that needs, `asd`, `dvc` and `listen` are forks of one process, which
    is started on their first use.
    """
    stack = contextlib.ExitStack()

    @cache
    def forking() -> dict[str, str]:
        if not hasattr(os, "pidfd_open"):
            return surroundings
        scripts = stack.enter_context(serving(tmp_path_factory.mktemp("forks"), surroundings))
        return surroundings | {"PATH": f"{scripts}{os.pathsep}{surroundings['PATH']}"}

    def run(folder: Path, *arguments: str | Path) -> str:
        done = subprocess.run(
            [str(argument) for argument in arguments],
            cwd=folder,
            env=forking() if arguments[0] in SCRIPTS else surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with stack:
        yield run


@pytest.fixture(scope="session")
def read_by(shell: Callable[..., str]) -> Callable[..., list[list[Path]]]:
    """Run verbs in a folder, in one process; return which files each of them reads."""
    forks = hasattr(os, "pidfd_open")
    listen = ("listen",) if forks else (sys.executable, "-m", "tests.listen")

    def run(root: Path, *verbs: str) -> list[list[Path]]:
        shell(root, *listen, "read.json", *verbs)
        read = json.loads((root / "read.json").read_text())
        return [[Path(name) for name in of_verb] for of_verb in read]

    return run


@pytest.fixture(scope="session")
def tiny_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Machine pump, sections 00 and 02: 9 training clips each, 2 normal and 2 anomalous to test."""
    root = tmp_path_factory.mktemp("tiny")
    (root / "pipeline").mkdir()
    (root / "pipeline" / "params.yaml").write_text(PARAMS)
    for section, tone in (("00", 500.0), ("02", 1300.0)):
        random = np.random.default_rng(int(section))
        for number in range(13):
            place = "train" if number < 9 else "test/normal" if number < 11 else "test/anomaly"
            folder = root / "raw" / "pump" / f"id_{section}" / place
            folder.mkdir(parents=True, exist_ok=True)
            time = np.arange(LENGTH) / RATE
            wave = 0.2 * np.sin(2 * np.pi * tone * random.uniform(0.97, 1.03) * time)
            if number >= 11:
                wave += 0.2 * np.sin(2 * np.pi * 3100 * time)
            wave += random.normal(scale=0.03, size=LENGTH)
            soundfile.write(folder / f"{section}_{number:02d}.wav", wave, RATE, "PCM_16")
    run_verbs(root, "index", "extract", "train", "embed", "score")
    return root


@pytest.fixture
def tiny(tiny_template: Path, tmp_path: Path) -> Path:
    """A copy of the tiny project, to be changed at will."""
    root = tmp_path / "project"
    shutil.copytree(tiny_template, root)
    return root


@pytest.fixture
def scores_of() -> Callable[..., dict[str, float]]:
    """Read what a system of a workspace scores a machine's recordings, by name."""
    from asd.scoring.scored import read_scores_record, read_table
    from asd.workspace import Workspace

    def read(root: Path, system: str, section: str = "", machine: str = "pump") -> dict[str, float]:
        table = read_table(read_scores_record(Workspace.at(root).score_record(system, machine)))
        rows = zip(table.section, table.name, table.score.tolist(), strict=True)
        return {name: score for of, name, score in rows if section in ("", of)}

    return read


@pytest.fixture
def burst(tiny_template: Path) -> Callable[[Path], Path]:
    """Write a training clip with a loud tone at 3 to 3.3 kHz in its third quarter."""

    def write(path: Path) -> Path:
        source = tiny_template / "raw" / "pump" / "id_00" / "train" / "00_03.wav"
        wave, _ = soundfile.read(source)
        time = np.arange(LENGTH) / RATE
        middle = slice(LENGTH // 2 + 200, 3 * LENGTH // 4 - 200)
        wave[middle] += 0.5 * np.sin(2 * np.pi * 3150 * time[middle])
        soundfile.write(path, wave, RATE, "PCM_16")
        return path

    return write


@pytest.fixture(params=[True, False], ids=["at once", "set aside"])
def exchange(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> bool:
    """Whether folders are exchanged at one moment, or the old one is set aside meanwhile."""
    from asd import atomic

    if not request.param:
        monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
        return False
    for name in ("one", "other"):
        (tmp_path / "probe" / name).mkdir(parents=True)
    if not atomic._exchange(tmp_path / "probe" / "one", tmp_path / "probe" / "other"):
        pytest.skip("the system cannot exchange two folders")
    return True


@pytest.fixture
def killed_at() -> Callable[[int, tuple[str, ...], Callable[[], object]], bool]:
    """Do work in a process that is killed before one of its steps; False: it came to its end.

    A step is an audit event whose name begins as one of the given ones.
    """
    if not hasattr(os, "fork"):
        pytest.skip("the system has no fork")

    def run(step: int, events: tuple[str, ...], work: Callable[[], object]) -> bool:
        child = fork()
        if not child:
            steps = itertools.count()

            def watch(event: str, _: object) -> None:
                if event.startswith(events) and next(steps) == step:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(watch)
            try:
                work()
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL)
        return status != 0

    return run

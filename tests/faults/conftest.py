"""A project whose extraction is disturbed, and what it gives undisturbed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.stages import verify
from asd.workspace import Workspace
from tests.made import asd, run_verbs, tree

PARAMS = """
dataset: {name: small, raw: ../raw, machines: [fan]}
features: {%s: {}}
models: {small: {features: [%s]}}
systems: {}
"""
RATE, LENGTH = 16000, 8000


@dataclass(frozen=True)
class Disturbed:
    """A project beside an undisturbed one of the same recordings.

    Attributes:
        root: the project to disturb, its recordings indexed and nothing extracted.
        whole: the feature folder of the undisturbed project.
    """

    root: Path
    whole: Path

    @property
    def features(self) -> Path:
        """The feature store of the project to disturb."""
        return self.root / "data" / "features"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `asd` with arguments in the project."""
        code = "from asd.cli import main; main()"
        package = Path(__file__).resolve().parents[2]
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run `asd` in this process; return its exit code and what it printed as errors."""
        done = asd(self.root, *arguments)
        return done.code, done.err

    def is_valid(self) -> bool:
        """Whether nothing is damaged, every row read, and finished shards are those of a whole run.

        Shards of what a test let the killer begin with are right as well.
        """
        with chdir(self.root):
            damaged = verify.run(Workspace.at("."), deep=True).damaged
        right = {
            (path.name, path.read_bytes())
            for folder in (self.whole, self.root / "begin")
            for path in folder.rglob("section_*.h5")
        }
        ours = {(path.name, path.read_bytes()) for path in self.features.rglob("section_*.h5")}
        return not damaged and ours <= right

    def is_finished(self) -> bool:
        """Whether the store is that of the undisturbed project, byte for byte, and nothing else."""
        return tree(self.features) == tree(self.whole)


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise as two sections of 40 training clips and 4 test clips."""
    folder = tmp_path_factory.mktemp("recordings") / "raw"
    noise = np.random.default_rng(0)
    for section in ("00", "01"):
        for i in range(44):
            split = "train" if i < 40 else "test"
            path = folder / f"fan/{split}/section_{section}_source_{split}_normal_{i:04d}_v_1.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, noise.integers(-9000, 9000, LENGTH).astype(np.int16), RATE)
    return folder


@pytest.fixture(scope="session")
def undisturbed(raw: Path) -> Callable[[str], Path]:
    """Return the project of a feature, whole; made on first use."""

    def make(feature: str) -> Path:
        root = raw.parent / f"whole_{feature}"
        if not root.exists():
            (root / "pipeline").mkdir(parents=True)
            (root / "pipeline/params.yaml").write_text(PARAMS % (feature, feature))
            run_verbs(root, "index", "extract")
        return root

    return make


@pytest.fixture
def disturbed(raw: Path, undisturbed: Callable[[str], Path]) -> Iterator[Callable[..., Disturbed]]:
    """Return a project of a feature (default: wave) to disturb."""
    made: list[Path] = []

    def make(feature: str = "wave") -> Disturbed:
        whole = undisturbed(feature)
        root = raw.parent / f"disturbed_{feature}"
        shutil.copytree(whole, root, ignore=shutil.ignore_patterns("features"))
        made.append(root)
        return Disturbed(root, whole / "data/features")

    yield make
    for root in made:
        shutil.rmtree(root)


class Killer:
    """The process of `killer.py`, started on first use."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __call__(
        self,
        root: Path,
        kills: int,
        command: str,
        outputs: Sequence[str],
        look: Callable[[str], None],
        goal: str = "",
    ) -> None:
        """Kill a command at random moments.

        Args:
            root: a project, with a folder ``begin`` of what a run may begin with.
            kills: how often.
            command: the command line.
            outputs: what it writes, below the project.
            look: called with ``"killed"`` or ``"finished"`` after each kill and each end.
            goal: what some run has to print, however many kills that takes.
        """
        request = {"root": str(root), "kills": kills, "command": command.split()}
        try:
            self._send(json.dumps(request | {"outputs": outputs, "goal": goal}))
            while (state := self._line()) != "done":
                look(state)
                self._send("go on")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _send(self, line: str) -> None:
        if self._process is None:
            script = Path(__file__).with_name("killer.py")
            package = str(script.parents[2])
            self._process = subprocess.Popen(
                [sys.executable, script],
                env={**os.environ, "PYTHONPATH": package, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the killer has died; see standard error"
        return line.strip()


@pytest.fixture(scope="session")
def kill() -> Iterator[Killer]:
    """Return what kills commands; a session has one, as it takes long to start."""
    killer = Killer()
    yield killer
    killer.stop()


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[None]:
    """Mount something on a folder while the block runs; skip the test where that is forbidden."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *arguments, folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting needs rights that are not given here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def mount() -> Callable[..., object]:
    """Return a context manager that mounts something: (folder, arguments of mount)."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small or read-only disk")
    return mounted

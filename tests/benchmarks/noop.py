"""``asd extract`` with nothing to do on 42,000 clips, against the same extraction the first time.

A project of the challenge's size (7 machines, 6 sections of 1,000 training clips each) with two
features, the wave and the log-mel, so 84,000 rows, and two models. The clips are short (0.128 s)
and the log-mels small, so that the first extraction can be waited for: at 10 s a clip it takes far
longer, while the run with nothing to do takes the same, as it reads no recording and no row. The
recordings are 1,000 real files, one for each number of a clip, which every section lists under
names of its own. Both are the command as the user runs it, a process of its own; the first
extraction runs once.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.base import Bound, Result, fastest, seconds
from tests.benchmarks.material import MACHINES, RATE, SECTIONS

BOUNDS = (Bound("seconds", at_least=3.0, aim=1.0, lower_is_better=True),)
EACH, SAMPLES, ROUNDS = 1_000, 2_048, 5
PARAMS = f"""
dataset: {{name: noop, rules: '2022', raw: raw, machines: [{", ".join(MACHINES)}]}}
features:
  wave: {{extractor: wave}}
  logmel: {{extractor: logmel, n_fft: 512, hop: 512, mels: 16}}
models:
  logmel: {{features: [logmel]}}
  both: {{features: [logmel, wave]}}
systems:
  both: {{model: both, scorer: cosine}}
"""


def run(scratch: Path) -> Result:
    """Extract once, then extract again."""
    _write_project(scratch)
    first = seconds(lambda: _check(_extract(scratch), computed=True))
    _check(_extract(scratch), computed=False)
    again = fastest({"ours": lambda: _extract(scratch)}, ROUNDS)["ours"]
    clips = len(MACHINES) * SECTIONS * EACH
    peer = "first extraction"
    return Result(
        name="noop",
        work=f"asd extract, nothing to do on {clips:,} clips, 2 features",
        unit="s",
        ours=again,
        peers={peer: first},
        ratios={"seconds": again, peer: first / again},
        bounds=BOUNDS,
        notes=f"the first extraction of clips of {SAMPLES / RATE:.3f} s took {first:.0f} s",
    )


def _write_project(root: Path) -> None:
    """Write params, recordings and the index that ``asd index`` would write of them."""
    from asd.artifact import making
    from asd.clips.record import index_text
    from asd.config import IndexConfig
    from asd.stages.index import IndexRequest

    (root / "data" / "index").mkdir(parents=True)
    (root / "pipeline").mkdir()
    (root / "pipeline" / "params.yaml").write_text(PARAMS)
    (root / "raw").mkdir()
    random, header = np.random.default_rng(0), _header()
    files = []
    for number in range(EACH):
        data = header + random.integers(-3000, 3000, SAMPLES, dtype=np.int16).tobytes()
        files.append((f"{number:04d}.wav", sha256(data).hexdigest()))
        (root / "raw" / files[-1][0]).write_bytes(data)
    for machine in MACHINES:
        clips = [
            _clip(machine, f"{section:02d}", path, digest)
            for section in range(SECTIONS)
            for path, digest in files
        ]
        request = IndexRequest(machine=machine, config=IndexConfig(), recordings="")
        with making(root / "data" / "index" / f"{machine}.json", request) as made:
            made.text(f"{machine}.csv", index_text(clips))


def _clip(machine: str, section: str, path: str, digest: str) -> Any:
    from tests.made import a_clip

    name = f"section_{section}_source_train_normal_{path}"
    return a_clip(
        path,
        RATE,
        SAMPLES,
        name=name,
        recording=name,
        machine=machine,
        section=section,
        attributes=f"speed={path[-5]}",
        digest=digest,
    )


def _header() -> bytes:
    """Return what stands before the samples in a WAV file of one such clip."""
    import soundfile

    with io.BytesIO() as file:
        soundfile.write(file, np.zeros(SAMPLES, np.int16), RATE, "PCM_16", format="WAV")
        return file.getvalue()[: -2 * SAMPLES]


def _extract(root: Path) -> Any:
    command = [sys.executable, "-c", "from asd.cli import main; main()", "extract", "--json"]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True)
    return json.loads(done.stdout)


def _check(accounts: Any, computed: bool) -> None:
    """Check that all rows of both features were computed, or that all were there."""
    kind = "computed" if computed else "reused"
    assert len(accounts) == 2 * len(MACHINES)
    assert all(account[kind] == SECTIONS * EACH for account in accounts), accounts

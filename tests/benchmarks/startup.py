"""How long a command takes to start, against what it would take to import torch alone.

``asd --help``, and ``asd evaluate`` of one system with 200 clips (four sections, 1,000 resamples of
the interval included), each as a process of its own, against ``python -c "import torch"``: a
command line that imports its networks at the top takes at least that long for anything. All take
turns, with warm file caches and compiled bytecode.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.base import Bound, Result, fastest
from tests.benchmarks.material import write_results

BOUNDS = (
    Bound("import torch, by asd --help", 0.4, 0.2, lower_is_better=True),
    Bound("import torch, by asd evaluate", 0.4, 0.2, lower_is_better=True),
)
ROUNDS = 7


def run(scratch: Path) -> Result:
    """Start each command several times."""
    write_results(scratch, sections=4, clips=50)
    evaluate = ["evaluate", "--scores", "scores", "--ground-truth", "truth", "--json"]
    asd = [sys.executable, "-c", "from asd.cli import main; main()"]

    def process(command: list[str]) -> Callable[[], Any]:
        return lambda: subprocess.run(command, cwd=scratch, check=True, capture_output=True)

    _check(process([*asd, *evaluate])().stdout)
    torch = "import torch"
    taken = fastest(
        {
            "asd --help": process([*asd, "--help"]),
            "asd evaluate": process([*asd, *evaluate]),
            torch: process([sys.executable, "-c", torch]),
        },
        ROUNDS,
    )
    return Result(
        name="startup",
        work="asd --help; asd evaluate of 200 clips",
        unit="s",
        ours=taken["asd --help"],
        peers={bound.peer: taken[torch] for bound in BOUNDS},
        ratios={
            f"{torch}, by {verb}": taken[verb] / taken[torch]
            for verb in ("asd --help", "asd evaluate")
        },
        bounds=BOUNDS,
        notes=f"asd evaluate takes {taken['asd evaluate']:.2f} s",
    )


def _check(output: bytes) -> None:
    """Check that it was the evaluation that was timed, and not its refusal."""
    (figures,) = json.loads(output)["systems"].values()
    assert 0.4 < figures["score"] < 1.0, figures["score"]

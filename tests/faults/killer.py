"""Kill `asd` commands at random moments, again and again; a script that is told what to do.

Each line of standard input is a request as JSON: a project (`root`), the `command` to kill, its
`outputs` below the project, and how many `kills`; there are more until some run has printed the
`goal`. A run begins with what lies in a folder of
`begin`, drawn at random, in the place of the outputs, and goes on from kill to kill until it comes
to its end; then the next one begins. What an undisturbed run puts out is in `whole`, and what the
runs print in `printed`. After each kill and each end a word is printed, and nothing goes on before
a line is read: meanwhile somebody looks at what is on the disk.

Each run is a fork of this process with everything imported, so that the moments fall on the work
and not on the start of Python.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from asd.cli import cli

_MOST_RUNS = 500


def fork(command: list[str]) -> int:
    """Run the command in a child; return its process."""
    child = os.fork()
    if child:
        return child
    try:
        with Path("printed").open("a") as file:
            os.dup2(file.fileno(), sys.stdout.fileno())
        if command[0] in ("train", "finetune"):
            # Every round: otherwise a short training would have little to go on from.
            importlib.import_module("asd.training.loop")._ROUNDS_PER_STATE = 0.0
        cli.main(command, standalone_mode=False)
        sys.stdout.flush()
        Path("modules").write_text("\n".join(sys.modules))
        os._exit(0)
    finally:
        os._exit(99)


def finish(command: list[str]) -> None:
    """Run the command undisturbed."""
    status = os.waitpid(fork(command), 0)[1]
    assert status == 0, f"{command} ends with {status}"


def begin(outputs: list[str], state: Path) -> None:
    """Put what a folder of `begin` holds in the place of the outputs."""
    for output in outputs:
        shutil.rmtree(output, ignore_errors=True)
        if (state / output).exists():
            shutil.copytree(state / output, output)


def report(state: str) -> None:
    """Say how the run stands, and wait until somebody has looked."""
    print(state, flush=True)
    assert sys.stdin.readline(), "nobody looks any more"


def kill(kills: int, command: list[str], outputs: list[str], goal: str) -> None:
    """Kill the command in the current folder as often as is asked for."""
    chance = random.Random(command[0])
    states = sorted(Path("begin").iterdir())
    begin(outputs, states[0])
    finish(command)
    for output in outputs:
        if Path(output).exists():
            shutil.copytree(output, Path("whole") / output)
    for name in Path("modules").read_text().splitlines():
        with suppress(Exception):  # some libraries try what is not there
            importlib.import_module(name)
    begin(outputs, states[0])
    started = time.monotonic()
    finish(command)
    seconds = time.monotonic() - started
    begin(outputs, states[0])
    runs = 0
    while kills > 0 or goal not in Path("printed").read_text():
        runs += 1
        assert runs <= _MOST_RUNS, f"{command}: no run prints '{goal}'"
        child = fork(command)
        time.sleep(chance.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL), f"{command} ends with {status}"
        report("killed" if status else "finished")
        if status:
            kills -= 1
        else:
            begin(outputs, chance.choice(states))
    finish(command)
    report("finished")


for line in sys.stdin:
    request = json.loads(line)
    os.chdir(request.pop("root"))
    kill(**request)
    print("done", flush=True)

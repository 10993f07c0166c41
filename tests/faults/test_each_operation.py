"""Verbs killed before each operation on files: what is there is old or new, and a next run ends it.

Enrolling and taking back have tests of their own (tests/detection/test_enroll.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from asd.params import load_params
from asd.stages import verify
from asd.workspace import PARAMS, Workspace
from tests.made import replace_in, run_verbs, tree

SELECT = """
select: {models: {mel: [embedding]}, scorers: {near: {scorer: neighbours}, far: {scorer: cosine}}}
fusions: {selected: {}}
"""
# By name: the command, and what it has to have written anew.
VERBS = {
    "init": ("init demo", "pipeline"),
    "select": ("select", "pipeline"),
    "score": ("score --system spread", "data/scores/spread"),
    "evaluate": ("evaluate", "data/reports"),
}
EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def _contents(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if "/." not in f"/{name}"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_killed_anywhere_leaves_old_or_new(
    tiny: Path, tmp_path: Path, killed_at: Callable[..., bool], verb: str
) -> None:
    command, below = VERBS[verb]
    (tiny / ".dvc").mkdir()
    path = tiny / PARAMS
    replace_in(path, "false_alarm_rate: 0.2", "false_alarm_rate: 0.3")
    path.write_text(path.read_text() + SELECT)
    old = path.read_bytes()
    before = tmp_path / "before"
    shutil.copytree(tiny, before)

    run_verbs(tiny, command)
    new, params = _contents(tiny / below), path.read_bytes()
    assert new != _contents(before / below)
    steps = 0
    while True:
        shutil.rmtree(tiny)
        shutil.copytree(before, tiny)
        if not killed_at(steps, EVENTS, lambda: run_verbs(tiny, command)):
            break
        steps += 1
        load_params(path)
        assert path.read_bytes() in (old, params)
        assert path.read_bytes() == old or verb != "init" or (tiny / f"{PARAMS}.1").exists()
        with chdir(tiny):
            assert not verify.run(Workspace.at(".")).damaged
        if path.read_bytes() == old:  # else it was done, and would keep another copy
            run_verbs(tiny, command)
            there = _contents(tiny / below)
            there.pop("params.yaml.2", None)  # it is kept before the other takes its place
            assert there == new
    assert steps > 1

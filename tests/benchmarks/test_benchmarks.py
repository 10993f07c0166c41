"""The runner of the benchmarks; none of them is run here."""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
OTHERS = {"__main__", "base", "material", Path(__file__).stem, "scale"}

# As `python -m tests.benchmarks` finds them: tests are no packages.
sys.path.insert(0, str(ROOT))
from tests.benchmarks import __main__ as runner  # noqa: E402
from tests.benchmarks.base import Bound, Result, fastest  # noqa: E402

SPEED = Bound("a peer", at_least=5.0, aim=10.0)
SHARE = Bound("memory", at_least=1.1, aim=1.02, lower_is_better=True)
WISH = Bound("wait", at_least=math.inf, aim=0.03, lower_is_better=True)


def result(speed: float = 7.0, share: float = 1.0, wait: float = 0.5) -> Result:
    """Return what a benchmark with three bounds might measure."""
    return Result(
        name="stand-in",
        work="nothing at all",
        unit="ms",
        ours=2.0,
        peers={"a peer": 2.0 * speed},
        ratios={"a peer": speed, "memory": share, "wait": wait},
        bounds=(SPEED, SHARE, WISH),
        notes="made up",
    )


def find(measured: Result) -> Callable[[str], Callable[[Path], Result]]:
    """Return what finds a benchmark that gives ``measured``, for the runner."""

    def run(scratch: Path) -> Result:
        assert scratch.is_dir()
        assert not any(scratch.iterdir())
        return measured

    return lambda name: run


@pytest.mark.parametrize(
    ("bound", "ratio", "verdict"),
    [
        (SPEED, 10.0, "aim"),
        (SPEED, 9.9, "at least"),
        (SPEED, 5.0, "at least"),
        (SPEED, 4.9, "missed"),
        (SHARE, 1.02, "aim"),
        (SHARE, 1.1, "at least"),
        (SHARE, 1.2, "missed"),
        (WISH, 0.03, "aim"),
        (WISH, 0.5, "below aim"),
        (Bound("a wish", at_least=0.0, aim=0.9), 0.8, "below aim"),
        (SPEED, math.nan, "missed"),
        (SHARE, math.nan, "missed"),
    ],
)
def test_verdict(bound: Bound, ratio: float, verdict: str) -> None:
    assert bound.verdict(ratio) == verdict


def test_table_has_one_row_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["store"], find(result())) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]]
    assert cells[0] == list(runner.COLUMNS)
    figures = ["2 ms", "a peer: 14", "7", ">= 5", ">= 10", "at least"]
    assert cells[2] == ["stand-in", "nothing at all", *figures]
    assert cells[3] == ["", "", "", "memory", "1", "<= 1.1", "<= 1.02", "aim"]
    assert cells[4] == ["", "", "", "wait", "0.5", "", "<= 0.03", "below aim"]
    assert len({len(line) for line in lines[:5]}) == 1
    assert lines[-1] == "stand-in: made up"


def test_json_names_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["store", "score", "--json"], find(result())) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"cpu", "cores", "memory_gib", "python", "versions"} <= document["machine"].keys()
    assert {"machine-asd", "torch", "numpy"} <= document["machine"]["versions"].keys()
    first, second = document["benchmarks"]
    assert first == second
    assert first["ratios"] == {"a peer": 7.0, "memory": 1.0, "wait": 0.5}
    assert first["reached"] == {"a peer": "at least", "memory": "aim", "wait": "below aim"}
    assert [bound["at_least"] for bound in first["bounds"]] == [5.0, 1.1, None]


def test_a_miss_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["store"], find(result(speed=4.0))) == 1
    assert "missed" in capsys.readouterr().out


def test_all_runs_each_once(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def finder(name: str) -> Callable[[Path], Result]:
        asked.append(name)
        return find(result())(name)

    assert runner.main(["all"], finder) == 0
    assert asked == list(runner.NAMES)
    capsys.readouterr()


def test_a_missing_package_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def finder(name: str) -> Callable[[Path], Result]:
        def run(scratch: Path) -> Result:
            raise ModuleNotFoundError("No module named 'faiss'", name="faiss")

        return run

    assert runner.main(["score"], finder) == 2
    captured = capsys.readouterr()
    assert captured.err == "benchmarks: no package 'faiss'; pip install .[bench]\n"


def test_unknown_names_list_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "stor"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("benchmarks: unknown benchmark 'stor' (did you mean 'store'?)")
    assert all(name in done.stderr for name in runner.NAMES)
    assert done.stderr.count("\n") == 1


def test_every_file_is_a_benchmark_of_the_list() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - OTHERS
    assert files == set(runner.NAMES)


@pytest.mark.parametrize("name", sorted({path.stem for path in FOLDER.glob("*.py")} - OTHERS))
def test_a_benchmark_says_what_it_wants(name: str) -> None:
    run = runner.found(name)
    module = sys.modules[run.__module__]
    assert list(inspect.signature(run).parameters) == ["scratch"]
    assert module.BOUNDS
    assert all(isinstance(bound, Bound) for bound in module.BOUNDS)
    for bound in module.BOUNDS:
        assert bound.verdict(bound.aim) == "aim"
        assert bound.verdict(bound.at_least) in (
            "aim",
            "at least" if bound.demanded else "below aim",
        )
    assert len(inspect.getdoc(module) or "") > 200, "what is measured, against whom, how fairly"


def test_sides_take_turns() -> None:
    calls: list[str] = []
    taken = fastest({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert "".join(calls) == "ab" * 4
    assert set(taken) == {"a", "b"}
    assert all(value >= 0 for value in taken.values())

"""Run benchmarks: ``python -m tests.benchmarks NAME|all [--json]``, from the repository's root.

Prints one table, or JSON with the machine and the versions for later comparison. Exit codes: 0, 1
where a ratio that is demanded was missed, 2 for an unknown name or a package that is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from asd.errors import AsdError, UsageError, unknown_name
from tests.benchmarks.base import Bound, Result

# In the order of the work.
NAMES = (
    *("logmel", "ptm", "store", "memory", "noop", "train", "score", "coverage", "evaluate"),
    "startup",
)
LIBRARIES = (
    *(
        "machine-asd",
        "torch",
        "torchaudio",
        "transformers",
        "h5py",
        "numpy",
        "scipy",
        "scikit-learn",
    ),
    *("librosa", "faiss-cpu", "onnxruntime", "openvino"),
)
COLUMNS = ("benchmark", "work", "ours", "peer", "ratio", "at least", "aim", "reached")

Run = Callable[[Path], Result]


def main(arguments: Sequence[str] | None = None, find: Callable[[str], Run] | None = None) -> int:
    """Run what is asked for and return the exit code.

    Args:
        arguments: of the command line.
        find: returns the function that runs a benchmark, by name.
    """
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"all, or of {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args(arguments)
    try:
        runs = [(find or found)(name) for name in chosen(asked.names)]
        results = [measured(run) for run in runs]
    except ModuleNotFoundError as error:
        print(f"benchmarks: no package '{error.name}'; pip install .[bench]", file=sys.stderr)
        return 2
    except AsdError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    if asked.json:
        print(json.dumps(document(results), indent=2, allow_nan=False))
    else:
        print(table(results))
    return int(any(verdict == "missed" for one in results for verdict in verdicts(one).values()))


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Return the benchmarks of the given names.

    Raises:
        UsageError: there is no such benchmark.
    """
    if "all" in names:
        return NAMES
    for name in names:
        if name not in NAMES:
            raise unknown_name("benchmark", name, (*NAMES, "all"))
    return tuple(dict.fromkeys(names))


def found(name: str) -> Run:
    """Import a benchmark."""
    run: Run = import_module(f"tests.benchmarks.{name}").run
    return run


def measured(run: Run) -> Result:
    """Run a benchmark in a folder that vanishes afterwards."""
    with tempfile.TemporaryDirectory(prefix="asd-benchmark-") as scratch:
        result = run(Path(scratch))
    unknown = [bound.peer for bound in result.bounds if bound.peer not in result.ratios]
    if unknown:
        raise UsageError(f"{result.name}: no ratio of the name '{unknown[0]}'")
    return result


def verdicts(result: Result) -> dict[str, str]:
    """Return what each ratio reached; see :meth:`Bound.verdict`."""
    return {bound.peer: bound.verdict(result.ratios[bound.peer]) for bound in result.bounds}


def document(results: Sequence[Result]) -> dict[str, Any]:
    """Return the machine and all results, as JSON has it: what is not demanded is None."""
    rows = [asdict(result) | {"reached": verdicts(result)} for result in results]
    for row, result in zip(rows, results, strict=True):
        for entry, bound in zip(row["bounds"], result.bounds, strict=True):
            entry["at_least"] = bound.at_least if bound.demanded else None
    return {"machine": machine(), "benchmarks": rows}


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    import torch

    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    capabilities = torch.cpu.get_capabilities()
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "bfloat16": [name for name in ("avx512_bf16", "amx_bf16") if capabilities.get(name)],
        "memory_gib": round(pages / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": dict(_versions()),
    }


def table(results: Sequence[Result]) -> str:
    """Return a table in Markdown, one row a bound, and the notes below it."""
    rows = [COLUMNS, *(row for result in results for row in _rows(result))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    notes = [f"{result.name}: {result.notes}" for result in results if result.notes]
    facts = machine()
    lines += ["", f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB", *notes]
    return "\n".join(lines)


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    reached = verdicts(result)
    for number, bound in enumerate(result.bounds):
        cost = result.peers.get(bound.peer)
        yield (
            result.name if number == 0 else "",
            result.work if number == 0 else "",
            f"{_short(result.ours)} {result.unit}" if number == 0 else "",
            bound.peer if cost is None else f"{bound.peer}: {_short(cost)}",
            _short(result.ratios[bound.peer]),
            _wanted(bound, bound.at_least) if bound.demanded else "",
            _wanted(bound, bound.aim),
            reached[bound.peer],
        )


def _wanted(bound: Bound, value: float) -> str:
    return f"{'<=' if bound.lower_is_better else '>='} {_short(value)}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _versions() -> Iterator[tuple[str, str]]:
    for library in LIBRARIES:
        try:
            yield library, version(library)
        except PackageNotFoundError:
            continue


if __name__ == "__main__":
    sys.exit(main())

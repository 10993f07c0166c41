"""The code's own rules: lint, types, and who may import whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "ruff", "check", "asd", "tests"],
        ["-m", "ruff", "format", "--check", "asd", "tests"],
        ["-m", "mypy"],
        ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    ],
    ids=["ruff", "format", "mypy", "imports"],
)
def test_clean(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_heavy_is_imported_at_start() -> None:
    code = (
        "import sys, asd.cli, click; "
        "click.testing = None; "
        "from click import Context; "
        "asd.cli.cli.get_help(Context(asd.cli.cli)); "
        "heavy = {'torch', 'torchaudio', 'transformers', 'h5py', 'sklearn', 'scipy', 'dask',"
        " 'matplotlib', 'numpy', 'pydantic'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

"""What the tests of several rooms make up."""

from __future__ import annotations

import gc
import io
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from unittest import mock

import pytest
from ruamel.yaml import YAML

from asd.clips.record import Clip
from asd.workspace import PARAMS


def a_clip(path: str, rate: int, length: int, **known: Any) -> Clip:
    """A usable normal training clip of section 00 of a fan, but for what is known of it."""
    name = PurePosixPath(path).name
    values: dict[str, Any] = {
        "name": name,
        "recording": name,
        "machine": "fan",
        "section": "00",
        "domain": "source",
        "split": "train",
        "label": "normal",
        "attributes": "",
        "sample_rate": rate,
        "channels": 1,
        "samples": length,
        "length": length,
        "treatment": "",
        "digest": "",
        "status": "ok",
    }
    return Clip(path=path, **values | known)


class Done(NamedTuple):
    """What a call of the command line left behind."""

    code: int
    out: str
    err: str


def run_verbs(root: Path, *verbs: str, options: Sequence[str] = ("-q",)) -> None:
    """Run verbs in a folder, in this process; each must succeed."""
    from asd.cli import cli

    with chdir(root):
        for verb in verbs:
            cli.main([*options, *verb.split()], standalone_mode=False)


def asd(root: Path, *arguments: str) -> Done:
    """Call `asd` in a folder, as a user does but in this process."""
    from asd.cli import main

    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(root),
        mock.patch("sys.argv", ["asd", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as stopped,
    ):
        main()
    return Done(int(stopped.value.code or 0), out.getvalue(), err.getvalue())


def edit_params(root: Path, change: Callable[[Any], object]) -> None:
    """Change the params of a workspace, as mappings and lists."""
    path, yaml = root / PARAMS, YAML()
    values = yaml.load(path.read_text())
    change(values)
    yaml.dump(values, path)


def set_params(root: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Set values of sections of the params of a workspace; the others stay."""

    def change(params: Any) -> None:
        for section, values in changes.items():
            params.setdefault(section, {}).update(values)

    edit_params(root, change)


def replace_in(path: Path, old: str, new: str) -> None:
    """Put a text in the place of another one, which a file must have."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, hidden ones too, by its path there."""
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def fork() -> int:
    """Fork this process, and let the child collect no garbage; return its number, or 0 there.

    What tests before have left may end its threads when it is collected, which a fork has not: an
    OpenVINO request waits for them for ever.
    """
    child = os.fork()
    if not child:
        gc.disable()
    return child


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other are slow where tests run side by side.

    It holds in the rooms whose conftest.py imports it.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

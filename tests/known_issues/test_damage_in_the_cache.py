"""A damaged file came back after its repair: DVC's copy was the same file, by a hard link."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from asd.cli import cli


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_the_copy_that_is_the_same_file_goes_too(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, link: Callable
) -> None:
    monkeypatch.chdir(tiny)
    scores = next(Path("data/scores").rglob("*.csv"))
    kept = Path(".dvc/cache/files/md5/aa/bb")
    kept.parent.mkdir(parents=True)
    content = bytearray(scores.read_bytes())
    scores.unlink()
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    link(kept.resolve(), scores)
    whole = kept.with_name("cc")
    whole.write_bytes(bytes(content))
    done = CliRunner().invoke(cli, ["verify", "--repair"])
    assert str(scores) in done.output
    assert not scores.exists()
    assert not kept.exists()
    assert whole.exists()

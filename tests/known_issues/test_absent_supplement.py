"""A model that asks for supplemental noise trained without a word where a machine has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd import progress
from asd.stages.train import run
from asd.workspace import Workspace


def test_it_is_said_once_and_of_what_is_trained(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny / "pipeline/params.yaml"
    mel = "mel: {features: [logmel]"
    text = path.read_text()
    assert text.count(f"{mel}}}") == 1
    path.write_text(text.replace(mel, f"{mel}, supplemental: [clips, mix]"))
    progress._print_once.cache_clear()
    said = "note: pump mel: no supplemental clips for clips, mix; trained without any\n"
    for expected in (said, ""):
        list(run(Workspace(tiny)))
        assert capsys.readouterr().err == expected

"""A feature that no model read was extracted: 15 GB of waves in a large data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asd.cli import cli
from asd.params import Params, load_params
from asd.stages.index import clips_of
from asd.stages.material import _row
from asd.workspace import PARAMS, Workspace


def test_what_is_read(tiny: Path) -> None:
    def read(features: dict[str, object], **others: object) -> tuple[str, ...]:
        given = load_params(tiny / PARAMS).model_dump(mode="json")
        given |= {"features": features, "systems": {}} | others
        return Params.model_validate(given).read_features

    mel, wave = {"extractor": "logmel"}, {"extractor": "wave"}
    one = {"one": {"features": ["wave"]}}
    assert read({"wave": wave, "mel": mel}, models={"one": {"features": ["mel"]}}) == ("mel",)
    # Where no model reads a log-mel, the report draws the first.
    assert read({"wave": wave, "mel": mel, "more": mel}, models=one) == ("wave", "mel")
    assert read({"wave": {}, "logmel": {}}, models={}, joint=one) == ("wave", "logmel")
    assert read({"wave": wave, "mel": mel}, models={}) == ("wave", "mel")


def test_what_no_model_reads_is_left_out_and_what_is_there_kept(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tiny)

    def stored(command: str) -> list[str]:
        cli.main(command.split(), standalone_mode=False)
        return sorted(one.name for one in Path("data/features/pump").iterdir())

    text = Path(PARAMS).read_text()
    text = text.replace("both: {features: [logmel, wave]}", "both: {features: [logmel]}")
    second = "  second: {extractor: wave}\n"
    Path(PARAMS).write_text(text.replace("  wave: {", f"{second}  wave: {{"))
    assert stored("extract") == ["logmel", "wave"]
    said = capsys.readouterr().err
    assert said.startswith("note: second, wave: left out, as no model of the params reads them;")
    assert stored("extract --feature second") == ["logmel", "second", "wave"]
    assert stored("extract") == ["logmel", "second", "wave"]
    Path(PARAMS).write_text(text)
    assert stored("extract") == ["logmel", "wave"]


def test_a_stored_row_of_another_recording_of_the_same_name_is_not_heard(tiny: Path) -> None:
    """What is not extracted any more may be of the recordings that there were."""
    workspace = Workspace.at(tiny)
    clip = clips_of(workspace, "pump")[0]
    assert _row(workspace, clip, "wave") is not None
    assert _row(workspace, replace(clip, digest="0" * 64), "wave") is None

"""What a package for the challenge holds of the scores of a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.errors import JobError, UsageError
from asd.report.submission import Label, choose_clips
from asd.scoring.files import official_files
from asd.scoring.scored import read_scores_record, read_table
from asd.stages.submission import _score_files, known_clips
from asd.workspace import Workspace

LABEL = Label("Tanaka", "UT", 2)


def test_score_files_go_into_the_package_as_they_are(tiny_template: Path) -> None:
    workspace = Workspace.at(tiny_template)
    table = read_table(read_scores_record(workspace.score_record("cosine", "pump")))
    expected = official_files("pump", table)
    clips = choose_clips(known_clips(workspace), "all")
    files = _score_files(workspace, "cosine", LABEL, clips)
    assert len(files) == 4
    assert files == {
        f"task2/Tanaka_UT_task2_2/{name}": text.encode() for name, text in expected.items()
    }
    one = _score_files(workspace, "cosine", LABEL, {("pump", "02"): clips["pump", "02"]})
    assert set(one) == {path for path in files if "section_02" in path}


def test_every_missing_score_file_is_named(tiny: Path) -> None:
    workspace = Workspace.at(tiny)
    clips = {("pump", "02"): frozenset[str](), ("pump", "07"): frozenset[str]()}
    for system, count in (("cosine", 2), ("absent", 4)):
        with pytest.raises(JobError) as failed:
            _score_files(workspace, system, LABEL, clips)
        lines = str(failed.value).splitlines()
        assert len(lines) == count
        assert all("run 'asd score'" in line and "pump.json" in line for line in lines)
    workspace.score_record("cosine", "pump").with_suffix(".csv").unlink()
    with pytest.raises(JobError, match=r"pump.csv: lost"):
        _score_files(workspace, "cosine", LABEL, clips)


def test_what_is_known_of_clips_needs_an_index(tiny: Path) -> None:
    workspace = Workspace.at(tiny)
    assert {key: len(one.labels) for key, one in known_clips(workspace).items()} == {
        ("pump", "00"): 4,
        ("pump", "02"): 4,
    }
    workspace.index_path("pump").unlink()
    with pytest.raises((UsageError, JobError), match="asd index"):
        known_clips(workspace)

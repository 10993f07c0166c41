"""Results were put into a kept meta file by line, which a comment or a flow mapping led astray."""

from __future__ import annotations

import pytest

from asd.report.submission import Label
from asd.report.submission_meta import Facts, write_meta
from asd.yaml_text import read_yaml

FACTS = Facts(
    "6", 16000, ("logmel",), "tdnn", "cosine", {}, 7, None, (), False, (), "a score above it"
)
HEAD = "system:\n  complexity:\n    total_parameters: 1\n"


@pytest.mark.parametrize(
    "kept",
    [
        "results:\n  development_dataset:\n    fan:\n      pauc: 1\n"
        "  # the second machine\n    valve:\n      pauc: 2\n",
        "results:\n  development_dataset: {fan: {pauc: 1},\n  valve: {pauc: 2}}\n",
        "results:\n  'development_dataset':\n    fan: {pauc: 1}\n",
        "# total_parameters: as counted\nresults:\n  development_dataset: {}\n",
        "own:\n  total_parameters: as counted\nresults: {development_dataset: {}}\n",
    ],
    ids=["comment", "flow", "quotes", "words in a comment", "another place"],
)
def test_a_kept_file_is_brought_up_to_date_however_it_is_laid_out(kept: str) -> None:
    figures = {"fan": {"pauc": 50.5}, "gearbox": {"pauc": None}}
    before = read_yaml(kept.encode())
    for head in (HEAD, HEAD.replace("total_parameters", '"total_parameters"')):
        text = write_meta(Label(), FACTS, figures, "own", (kept + head).encode())
        assert read_yaml(text) == before | {
            "results": {"development_dataset": figures},
            "system": {"complexity": {"total_parameters": 7}},
        }
        assert [line for line in text.decode().splitlines() if "#" in line] == [
            line for line in kept.splitlines() if "#" in line
        ]

"""A stage that DVC runs fails where what it depends on was changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asd.errors import JobError
from asd.stages.undisturbed import undisturbed
from tests.made import replace_in

STAGES = """
stages:
  extract:
    cmd: asd extract
    deps: [data/index, '${dataset.raw}']
    params: [{pipeline/params.yaml: [features, index.channel]}]
  report:
    cmd: asd report
    params: [{pipeline/params.yaml: }]
"""
PARAMS = "dataset: {raw: raw}\nfeatures: {wave: {}}\nindex: {channel: 0, rate: 1}\n"


def _params(old: str, new: str) -> Callable[[], object]:
    path = Path("pipeline/params.yaml")
    return lambda: replace_in(path, old, new)


CHANGES = {
    "a value": (_params("wave: {}", "wave: {a: 1}"), "pipeline/params.yaml: features"),
    "a value below": (_params("channel: 0", "channel: 1"), "pipeline/params.yaml: index.channel"),
    "a dependency": (lambda: Path("data/index/a.csv").write_text("two"), "data/index"),
    "a file more": (lambda: Path("raw/b.wav").touch(), "raw"),
}


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "dvc.yaml": STAGES,
        "pipeline/params.yaml": PARAMS,
        "data/index/a.csv": "one",
        "raw/a.wav": "",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_a_stage_depends_on_fails_it(
    monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    make, name = CHANGES[change]
    monkeypatch.setenv("DVC_STAGE", "extract")
    with pytest.raises(JobError, match=f"^{name}: changed while 'extract' ran"), undisturbed():
        make()


@pytest.mark.parametrize(
    ("stage", "old", "new"),
    [
        ("", "wave: {}", "wave: {a: 1}"),
        ("extract", "rate: 1", "rate: 2"),
        ("extract", "index:", "# a comment\nindex:"),
        ("another's", "wave: {}", "wave: {a: 1}"),
    ],
)
def test_other_changes_disturb_nothing(
    monkeypatch: pytest.MonkeyPatch, stage: str, old: str, new: str
) -> None:
    monkeypatch.setenv("DVC_STAGE", stage)
    with undisturbed():
        _params(old, new)()
        Path("data/other").touch()


def test_a_stage_of_all_params_depends_on_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "report")
    with pytest.raises(JobError, match=r"params\.yaml: index: changed"), undisturbed():
        _params("rate: 1", "rate: 2")()

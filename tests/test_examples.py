"""The examples of the documentation, run in the tiny project, and which objects must have one."""

from __future__ import annotations

import doctest
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "asd").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)
ENTRIES = (
    "asd.clip_table:by_recording",
    "asd.clip_table:window_name",
    "asd.clips.audio:read_clip",
    "asd.clips.names:parse",
    "asd.clips.index:index_recordings",
    "asd.clips.record:read_index",
    "asd.clips.windows:window_starts",
    "asd.params:load_params",
    "asd.detection.detector:Detector",
    "asd.extraction.shards:extract",
    "asd.features.base:build_extractor",
    "asd.metrics.bootstrap:compare",
    "asd.metrics.official:decision_quality",
    "asd.metrics.official:evaluate",
    "asd.metrics.official:means",
    "asd.metrics.roc:partial_auc",
    "asd.metrics.roc:roc_auc",
    "asd.models.pooling:build",
    "asd.scoring.bank:read_bank",
    "asd.scoring.files:file_name",
    "asd.scoring.scored:read_table",
    "asd.scoring.thresholds:conformal_p_values",
    "asd.scoring.thresholds:find_threshold",
    "asd.scoring:build",
    "asd.store.folder:FeatureStore",
    "asd.training.artifact:load_model",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny)
    module = import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for example in doctest.DocTestFinder().find(module, name):
        runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)
    assert runner.tries


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_point_has_an_example_that_runs(entry: str) -> None:
    module, _, attribute = entry.partition(":")
    documented = getattr(import_module(module), attribute).__doc__ or ""
    assert "Example:" in documented
    assert ">>> " in documented
    assert "+SKIP" not in documented


def test_the_readme_uses_the_library_as_it_is(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its examples of Python that need nothing but a project, with the names of the tiny one."""
    monkeypatch.chdir(tiny)
    shutil.copy(tiny / "raw/pump/id_00/test/normal/00_09.wav", tiny / "new.wav")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    known: dict[str, Any] = {}
    for block in (block for block in blocks if block.startswith(("from asd", "from pathlib"))):
        exec(block.replace("fan", "pump"), known)
    assert known["detector"].predict(["new.wav"]).tolist() in ([0], [1])
    assert len(known["shard"].features) == 9

"""The examples of the documentation, run in the tiny project, and which objects must have one."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "asd").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)
ENTRIES = (
    "asd.clips.audio:read_clip",
    "asd.clips.names:parse",
    "asd.clips.index:index_machine",
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
    "asd.scoring.recordings:by_recording",
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

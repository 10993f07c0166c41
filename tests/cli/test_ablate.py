"""asd ablate: several seeds over one store, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.h5")}


def test_seeds_share_the_store_and_are_trained_once(project: Path, asd: Callable) -> None:
    store = _bytes(project / "data" / "features")
    models = _bytes(project / "data" / "banks")
    done = asd("ablate", "--seeds", "2")
    assert (done.code, done.err) == (0, "")
    # The first seed is the project itself, and was trained before.
    assert "seed 0: pump both: reused" in done.out
    assert "seed 1: pump both: trained 2 epochs" in done.out
    assert "trained 2 models, reused 2; features computed 0" in done.out
    assert _bytes(project / "data" / "features") == store
    assert _bytes(project / "data" / "banks") == models
    again = asd("ablate", "--seeds", "2")
    assert "trained 0 models, reused 4" in again.out
    folders = [project / f"data/reports/seeds/{seed}/reports" for seed in (0, 1)]
    scores = [
        json.loads((folder / "metrics.json").read_text())["systems"]["cosine"]["score"]
        for folder in folders
    ]
    table = (project / "data" / "reports" / "ablation.md").read_text()
    assert f"{100 * fmean(scores):.2f}" in table
    assert f"{100 * stdev(scores):.2f}" in table or f"{100 * stdev(scores):.1f}" in table


def test_chosen_systems_train_their_own_models(project: Path, asd: Callable) -> None:
    done = asd("ablate", "--seeds", "2", "--system", "spread", "--json")
    assert done.code == 0, done.err
    assert [(r["model"], bool(r["epochs"])) for r in json.loads(done.out)] == [
        ("mel", False),
        ("mel", True),
    ]
    assert not (project / "data/reports/seeds/1/models/both").exists()


def test_unknown_system(project: Path, asd: Callable) -> None:
    done = asd("ablate", "--system", "7")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "unknown system '7'" in done.err

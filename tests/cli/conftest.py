"""Running the command line as a user does, but in this process; and artifacts to run it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asd.cli import main
from tests.made import Done


@pytest.fixture
def asd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Call `asd` with arguments and return its exit code and what it printed."""

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr("sys.argv", ["asd", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        code = stopped.value.code
        return Done(code if isinstance(code, int) else 0, out, err)

    return call


@pytest.fixture
def project(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny project, as the current folder."""
    monkeypatch.chdir(tiny)
    return tiny


@pytest.fixture(scope="session")
def write_index() -> Callable[..., None]:
    """Write the index of a machine's clips into a workspace, as `asd index` would."""
    from asd.artifact import making
    from asd.clips.record import Clip, index_text
    from asd.digest import sha256_json
    from asd.stages.index import IndexRequest
    from asd.workspace import Workspace

    def write(root: Path, machine: str, clips: Sequence[Clip]) -> None:
        workspace = Workspace.at(root)
        path = workspace.index_path(machine)
        request = IndexRequest(
            machine=machine,
            config=workspace.params.index,
            recordings=sha256_json({clip.path: clip.digest or clip.status for clip in clips}),
        )
        with making(path.with_suffix(".json"), request) as made:
            made.text(path.name, index_text(clips))

    return write


@pytest.fixture(scope="session")
def write_scores() -> Callable[..., None]:
    """Write scores without a detector into a workspace, in the place of those of `asd score`."""
    from asd.artifact import making
    from asd.scoring.scored import ScoresRequest, ScoreTable, _csv
    from asd.scoring.thresholds import Threshold, dumped
    from asd.workspace import Workspace

    def write(
        root: Path,
        system: str,
        machine: str,
        sections: Mapping[str, tuple[Sequence[str], np.ndarray]],
        threshold: float,
    ) -> None:
        workspace = Workspace.at(root)
        rows = [(section, name) for section, (names, _) in sections.items() for name in names]
        values = np.concatenate([scores for _, scores in sections.values()]).astype(float)
        table = ScoreTable(
            section=tuple(section for section, _ in rows),
            name=tuple(name for _, name in rows),
            content=("0" * 64,) * len(rows),
            windows=np.ones(len(rows), np.int64),
            score=values,
            threshold=np.full(len(rows), threshold),
            anomalous=values > threshold,
        )
        params = workspace.params
        request = ScoresRequest(
            system=system,
            machine=machine,
            members=params.members(system, machine),
            join=params.join(system),
            rule=params.score,
            banks={},
        )
        one = Threshold(method="gamma", value=threshold, rate=0.1, count=30)
        account: dict[str, Any] = {"scored": len(rows), "unscored": {}, "anomalous": 0}
        with making(workspace.score_record(system, machine), request) as made:
            made.text(f"{machine}.csv", _csv(table))
            made.facts["thresholds"] = {section: {"1": dumped(one)} for section in sections}
            made.facts["account"] = account

    return write

"""Two extractions at once on one store: both succeed, and the bytes are those of one."""

from __future__ import annotations

from collections.abc import Callable


def test_two_runs_at_once(disturbed: Callable) -> None:
    project = disturbed()
    runs = [project.start("extract") for _ in range(2)]
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert run.returncode == 0, err
        assert "fan wave: computed" in out
        assert all("another run is writing it; waiting" in line for line in err.splitlines())
    assert project.is_finished()

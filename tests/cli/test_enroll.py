"""`asd enroll` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.made import tree

ODD = "raw/pump/id_00/test/anomaly"


def test_enroll_list_and_undo(project: Path, asd: Callable) -> None:
    done = asd("enroll", "--machine", "pump", "--section", "00", "--force", ODD)
    assert done.code == 0
    assert "pump both: enrolled 2 clips in section 00, 0 there already; 20 clips" in done.out
    assert "threshold of system cosine: 0." in done.out
    assert max(map(len, done.out.splitlines())) < 160
    assert "put them into raw/pump" in done.out
    rows = json.loads(asd("enroll", "--list", "--json").out)
    assert [(row["version"], row["clips"]) for row in rows if row["model"] == "both"] == [
        (0, 18),
        (1, 20),
    ]
    assert asd("predict", "--section", "00", ODD, "--fail-on-anomaly").code == 0
    assert "took 2 clips back; version 0 again" in asd("enroll", "--undo").out
    assert asd("predict", "--section", "00", ODD, "--fail-on-anomaly").code == 3
    again = asd("enroll", "--undo")
    assert (again.code, "nothing to undo" in again.out) == (0, True)


def _enrolled(project: Path) -> list[Path]:
    files = (path for path in (project / "data/enrolled").rglob("*") if path.is_file())
    return sorted(path for path in files if path.name != ".lock")


def test_banks_and_scores_are_never_touched(project: Path, asd: Callable) -> None:
    def contents() -> list[dict[str, bytes]]:
        return [tree(project / "data" / of) for of in ("banks", "scores")]

    first = contents()
    assert asd("enroll", "--section", "00", "--force", ODD).code == 0
    assert contents() == first
    assert _enrolled(project)
    for verb in ("embed", "score"):
        assert asd(verb).code == 0
    assert contents() == first
    assert asd("predict", "--section", "00", ODD, "--fail-on-anomaly").code == 0
    assert asd("verify").code == 0


def test_a_bad_recording_enrolls_nothing(project: Path, asd: Callable, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    done = asd("enroll", "--section", "00", ODD, tmp_path / "bad.wav")
    assert done.code == 1
    assert "nothing enrolled" in done.err
    assert not _enrolled(project)


def test_a_missing_recording_alone_is_one_line(project: Path, asd: Callable) -> None:
    done = asd("enroll", "--section", "00", "gone.wav")
    assert (done.code, done.err) == (2, "asd: gone.wav: no such file or folder\n")


def test_what_alarms_is_refused(project: Path, asd: Callable) -> None:
    done = asd("enroll", "--section", "00", f"{ODD}/00_11.wav")
    assert done.code == 1
    assert done.err.startswith(f"asd: {ODD}/00_11.wav: sounds anomalous (score 0.")
    assert "--force enrolls it" in done.err
    assert not _enrolled(project)


def test_wrong_use(project: Path, asd: Callable) -> None:
    for wrong, text in (
        ((), "no recordings"),
        ((ODD,), "--section"),
        (("--section", "07", ODD), "unknown section"),
        (("--undo", ODD), "give one of them"),
        (("--section", "00", ODD, "gone.wav"), "nothing enrolled"),
    ):
        done = asd("enroll", *wrong)
        assert done.code == 2
        assert text in done.err

"""A flipped byte in any file that any verb reads is found by `asd verify --deep`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from asd.stages import verify
from asd.workspace import Workspace

SOUND = "raw/pump/id_00/test/normal/00_09.wav"
VERBS = (
    "extract",
    "train",
    "embed",
    "score",
    "evaluate",
    "report",
    "select --dry-run",
    f"predict --section 00 {SOUND}",
    f"enroll --machine pump --section 00 {SOUND}",
    f"predict --section 00 --system spread {SOUND}",
    f"explain --section 00 {SOUND}",
    "ablate --seeds 2 --system cosine",
    "evaluate --compare posterior cosine",
    "store ls",
    "status",
)


@pytest.mark.slow
def test_every_file_that_a_verb_reads_is_vouched_for(
    tiny: Path, read_by: Callable[..., list[list[Path]]]
) -> None:
    ladder = "ladder: [{system: cosine}]\nselect: {models: {mel: [embedding]},"
    select = " scorers: {near: {scorer: neighbours}}}\n"
    path = tiny / "pipeline/params.yaml"
    path.write_text(path.read_text() + ladder + select)
    read = {path.resolve() for of_verb in read_by(tiny, *VERBS) for path in of_verb}
    root = tiny.resolve()
    inputs = sorted(
        path.relative_to(root)
        for path in read
        if path.is_file()
        and any(path.is_relative_to(root / below) for below in ("data", "raw"))
        and "/." not in path.as_posix().removeprefix(root.as_posix())
    )
    kinds = {"/".join(path.parts[1:2] if path.parts[0] == "data" else ("raw",)) for path in inputs}
    assert kinds == {"raw", "index", "features", "models", "banks", "scores", "reports", "enrolled"}
    assert any("seeds" in path.parts for path in inputs)
    assert len(inputs) > 60
    with chdir(tiny):
        here = Workspace.at(".")
        assert not verify.run(here, deep=True).damaged
        for path in inputs:
            whole = path.read_bytes()
            harmed = bytearray(whole)
            harmed[len(whole) // 2] ^= 1
            path.write_bytes(harmed)
            found = {damage.path for damage in verify.run(here, deep=True).damaged}
            assert found == {path}, path
            path.write_bytes(whole)

"""A watch whose folder could not be listed for a moment scored all that lay there as if new.

Where it could not be listed at all, it heard nothing and said nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.detection import arrivals
from asd.errors import UsageError


@pytest.mark.parametrize("refused", [range(1), range(2, 4)], ids=["at first", "meanwhile"])
def test_what_is_known_of_it_stays_known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    refused: range,
) -> None:
    find, looks = arrivals.find_recordings, iter(range(100))
    line = f"{tmp_path}/lost+found: cannot be listed (Permission denied); see its rights"

    def look(folder: Path) -> list:
        if next(looks) in refused:
            raise UsageError(line)
        return find(folder)

    monkeypatch.setattr(arrivals, "find_recordings", look)
    (tmp_path / "old.wav").write_bytes(b"sound")
    source = arrivals.arrivals(tmp_path, wait=lambda seconds: None)
    assert [next(source) for _ in range(8)] == [None] * 8
    (tmp_path / "new.wav").write_bytes(b"sound")
    found = [one.name for _ in range(4) if (one := next(source))]
    assert found == [str(tmp_path / "new.wav")]
    said = capsys.readouterr().err
    assert f"note: {line}; until it can be, nothing in {tmp_path} is scored\n" in said
    assert "what is there already (1) is passed over" in said

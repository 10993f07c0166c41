"""Of data on a disk that was not mounted it was said that nothing was made, or "File exists"."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.errors import UsageError
from asd.workspace import Workspace


@pytest.mark.parametrize("place", ["data", "data/features"])
def test_the_link_is_named(tiny: Path, place: str) -> None:
    disk = tiny / "disk"
    (tiny / place).rename(disk)
    (tiny / place).symlink_to(disk)
    assert Workspace.at(tiny).features.is_dir()
    disk.rename(tiny / "unmounted")
    with pytest.raises(UsageError, match=rf"{place}: links to {disk}, which is not there; mount"):
        Workspace.at(tiny)


def test_recordings_may_be_elsewhere(tiny: Path) -> None:
    (tiny / "data/raw").symlink_to("nothing")
    assert Workspace.at(tiny).features.is_dir()

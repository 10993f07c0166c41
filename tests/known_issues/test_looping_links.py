"""A symbolic link that leads back to itself ended `init` and `index` for all machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asd.clips.scan import find_machines, find_recordings
from asd.errors import JobError
from asd.stages import each, index
from asd.workspace import Workspace


def test_the_link_is_listed_and_the_rest_is_read(tiny: Path) -> None:
    (tiny / "raw/pump/id_00/train/loop.wav").symlink_to("loop.wav")
    (tiny / "raw/around").symlink_to("around")
    assert find_machines(tiny / "raw") == ["pump"]
    problems = [found.problem for found in find_recordings(tiny / "raw/pump") if found.problem]
    assert problems == ["link that leads back to itself: remove it"]
    (found,) = index.run(Workspace.at(tiny))
    assert (found.clips, found.rejected) == (26, {"link that leads back to itself": 1})


def test_what_the_system_refuses_of_one_item_stops_no_other() -> None:
    done = []

    def work(item: int) -> Iterator[int]:
        if item == 1:
            raise PermissionError(13, "Permission denied", "one.wav")
        yield item

    with pytest.raises(JobError, match=r"^one.wav: Permission denied$"):
        for item in each((0, 1, 2), work):
            done.append(item)
    assert done == [0, 2]

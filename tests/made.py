"""What the tests of several rooms make up."""

from __future__ import annotations

import gc
import os
from pathlib import PurePosixPath
from typing import Any

import pytest

from asd.clips.record import Clip


def a_clip(path: str, rate: int, length: int, **known: Any) -> Clip:
    """A usable normal training clip of section 00 of a fan, but for what is known of it."""
    name = PurePosixPath(path).name
    values: dict[str, Any] = {
        "name": name,
        "recording": name,
        "machine": "fan",
        "section": "00",
        "domain": "source",
        "split": "train",
        "label": "normal",
        "attributes": "",
        "sample_rate": rate,
        "channels": 1,
        "samples": length,
        "length": length,
        "treatment": "",
        "digest": "",
        "status": "ok",
    }
    return Clip(path=path, **values | known)


def fork() -> int:
    """Fork this process, and let the child collect no garbage; return its number, or 0 there.

    What tests before have left may end its threads when it is collected, which a fork has not: an
    OpenVINO request waits for them for ever.
    """
    child = os.fork()
    if not child:
        gc.disable()
    return child


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other are slow where tests run side by side.

    It holds in the rooms whose conftest.py imports it.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

"""Computing rows in this process: in order, ahead of the writer, and no further than needed."""

import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from asd.clips.audio import read_clip
from asd.config import Settings
from asd.errors import JobError
from asd.extraction import compute_here
from asd.features.logmel import LogMel, LogMelConfig
from asd.features.wave import Wave
from tests.extraction.conftest import SIGNAL

BATCH = 4


class Watched(Wave):
    """The wave in small batches; counts its calls and can wait for the caller's word."""

    batch_size = BATCH

    def __init__(self):
        super().__init__(Settings(), SIGNAL)
        self.calls = threading.Semaphore(0)
        self.count = 0

    def __call__(self, waves):
        assert waves.shape == (BATCH, self.signal.length)
        self.count += 1
        self.calls.release()
        return super().__call__(waves)


@pytest.fixture
def extractor():
    return Watched()


@contextmanager
def lanes(count):
    """Let as many batches be computed side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def usable(clips):
    return [clip for clip in clips if clip.usable]


def test_rows_come_in_order_and_are_the_clips(tmp_path, clips, extractor):
    chosen, pending = usable(clips), np.arange(1, 30, 2)
    found = list(compute_here(tmp_path / "raw", extractor)(chosen, pending))
    assert [len(rows) for rows, _ in found] == [4, 4, 4, 3]
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in found]), pending)
    for rows, values in found:
        for row, value in zip(rows, values, strict=True):
            expected = read_clip(tmp_path / "raw" / chosen[row].path, SIGNAL)
            np.testing.assert_array_equal(value, expected)


def test_the_next_batch_is_computed_while_one_is_written(tmp_path, clips, extractor):
    chosen = usable(clips)
    computing = compute_here(tmp_path / "raw", extractor)(chosen, np.arange(40))
    next(computing)
    for _ in range(3):  # the one that is here, and two more that nobody has asked for yet
        assert extractor.calls.acquire(timeout=30)
    assert not extractor.calls.acquire(blocking=False)
    computing.close()
    assert extractor.count == 3


def test_what_was_computed_before_an_error_is_given_out(tmp_path, clips, extractor):
    chosen = usable(clips)
    chosen[9] = replace(chosen[9], digest="0" * 64)
    computing = compute_here(tmp_path / "raw", extractor)(chosen, np.arange(40))
    assert [next(computing)[0].tolist() for _ in range(2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(JobError, match="changed since it was indexed"):
        next(computing)


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_side_by_side_give_the_same_rows_in_order(tmp_path, clips, threads):
    chosen, pending = usable(clips), np.arange(37)
    mels = LogMelConfig(n_fft=256, hop=128, mels=16)
    with lanes(threads):
        found = list(compute_here(tmp_path / "raw", LogMel(mels, SIGNAL))(chosen, pending))
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in found]), pending)
    waves = np.stack([read_clip(tmp_path / "raw" / chosen[row].path, SIGNAL) for row in pending])
    expected = LogMel(mels, SIGNAL)(waves)
    assert np.concatenate([values for _, values in found]).tobytes() == expected.tobytes()


def test_side_by_side_too_what_was_computed_before_an_error_is_given_out(tmp_path, clips):
    chosen = usable(clips)
    (tmp_path / "raw" / chosen[20].path).unlink()
    mels = LogMelConfig(n_fft=256, hop=128, mels=16)
    with lanes(2):
        computing = compute_here(tmp_path / "raw", LogMel(mels, SIGNAL))(chosen, np.arange(40))
        assert next(computing)[0].tolist() == list(range(16))
        with pytest.raises(JobError, match="cannot be read: No such file"):
            next(computing)


def test_nothing_to_do(tmp_path, clips, extractor):
    assert list(compute_here(tmp_path / "raw", extractor)(usable(clips), np.arange(0))) == []
    assert extractor.count == 0

"""Waiting for sound: each recording comes once, when it is written; a stream comes clip by clip."""

import io
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from asd.detection.arrivals import FORMS, arrivals, stream


class EndError(Exception):
    """The last look."""


def seen(folder, steps, settle=0.0, existing=False):
    """Return the names that arrive when one step is made between two looks, a second apart."""
    todo, now = iter(steps), iter(range(100))

    def wait(seconds):
        try:
            next(todo)()
        except StopIteration:
            raise EndError from None

    found = []
    looks = arrivals(folder, 1.0, settle, existing, wait, lambda: float(next(now)))
    with pytest.raises(EndError):
        for arrival in looks:
            if arrival is not None:
                found.append(Path(arrival.name).name)
    return found


def nothing():
    """Let time pass."""


def test_a_file_comes_once_it_rests(tmp_path):
    (tmp_path / "old.wav").write_bytes(b"there before")
    new = tmp_path / "new.wav"
    writes = [lambda n=n: new.write_bytes(b"x" * n) for n in (1, 2, 3)]
    assert seen(tmp_path, [*writes]) == []
    new.unlink()
    assert seen(tmp_path, [*writes, nothing, nothing, nothing]) == ["new.wav"]
    assert seen(tmp_path, [nothing, nothing], existing=True) == ["new.wav", "old.wav"]


def test_it_rests_as_long_as_is_asked_for(tmp_path):
    def write():
        (tmp_path / "a.wav").write_bytes(b"x")

    assert seen(tmp_path, [write, nothing, nothing], settle=3.0) == []
    assert seen(tmp_path, [write, *[nothing] * 3], settle=3.0) == ["a.wav"]


def test_a_recorder_that_pauses_is_not_heard_half(tmp_path):
    """While it has the file open, the file is not written, however long it rests."""
    file = (tmp_path / "a.wav").open("wb")

    def write():
        file.write(b"half")
        file.flush()

    steps = [write, *[nothing] * 5]
    assert seen(tmp_path, [*steps, write, nothing, nothing]) == []
    assert seen(tmp_path, [write, nothing, file.close, nothing], existing=True) == ["a.wav"]


def test_empty_hidden_and_other_files_do_not_come(tmp_path):
    def write():
        (tmp_path / "empty.wav").touch()
        (tmp_path / ".hidden.wav").write_bytes(b"x")
        (tmp_path / "notes.txt").write_bytes(b"x")
        (tmp_path / "circle.wav").symlink_to("circle.wav")
        (tmp_path / "above").symlink_to(tmp_path)
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "b.flac").write_bytes(b"x")

    assert seen(tmp_path, [write, nothing, nothing]) == ["b.flac"]


def test_a_file_written_again_comes_again(tmp_path):
    """Also one of the same size and time, put in its place."""
    file = tmp_path / "a.wav"

    def write():
        file.write_bytes(b"x")
        os.utime(file, ns=(1, 1))

    def other():
        (tmp_path / "b").write_bytes(b"y")
        os.utime(tmp_path / "b", ns=(1, 1))
        (tmp_path / "b").rename(file)

    steps = [write, nothing, write, nothing, other, nothing, nothing]
    assert seen(tmp_path, steps) == ["a.wav"] * 3


def test_what_lies_there_already_is_said(tmp_path, capsys):
    (tmp_path / "old.wav").write_bytes(b"x")
    assert next(arrivals(tmp_path)) is None
    said = capsys.readouterr().err
    assert "what is there already (1) is passed over; --existing scores it" in said


def test_a_renamed_file_comes(tmp_path):
    part = tmp_path / ".a.wav.part"
    steps = [lambda: part.write_bytes(b"x"), lambda: part.rename(tmp_path / "a.wav"), nothing]
    assert seen(tmp_path, [*steps, nothing]) == ["a.wav"]


def test_a_deleted_folder_is_waited_for(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "old.wav").write_bytes(b"x")

    def back():
        folder.mkdir()
        (folder / "new.wav").write_bytes(b"x")

    steps = [lambda: shutil.rmtree(folder), nothing, back, nothing, nothing]
    assert seen(folder, steps) == ["new.wav"]


def test_what_waits_is_counted(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.wav").write_bytes(b"x")
    found = arrivals(tmp_path, existing=True, wait=lambda seconds: None)
    waiting = [one.waiting for one in (next(found) for _ in range(5)) if one is not None]
    assert waiting == [2, 1, 0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_stream_comes_clip_by_clip(form, channels):
    kind, full = FORMS[form]
    sent = np.random.default_rng(0).uniform(-1, 1, (250, channels))
    raw = (sent * full * 0.99).astype(kind)
    source = io.BytesIO(raw.tobytes())
    found = [one for one in stream(source, 10, channels, form, 10.0) if one is not None]
    assert [one.name for one in found] == ["-#t=0", "-#t=10", "-#t=15"]  # to the end
    for begin, one in zip((0, 100, 150), found, strict=True):
        expected = sent[begin : begin + 100] * 0.99
        assert one.samples is not None
        assert one.samples.shape == (100,) if channels == 1 else (100, 2)
        np.testing.assert_allclose(one.samples.reshape(100, channels), expected, atol=1e-4)


def test_less_than_a_clip_is_said(capsys):
    assert [one for one in stream(io.BytesIO(bytes(100)), 10, 1, "s16le", 10.0) if one] == []
    assert "5 s of sound came, and a clip has 10 s" in capsys.readouterr().err


def test_a_stream_is_never_held_up():
    """The oldest clips are dropped where nobody takes them, and that is told; a gap is None."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb") as sink:
        clips = stream(source, 10, 1, "s16le", 1.0, poll=0.01)
        assert next(clips) is None
        sent = threading.Thread(target=lambda: (sink.write(bytes(20 * 50)), sink.close()))
        sent.start()
        sent.join()
        found = [one for one in clips if one is not None]
    assert sum(one.lost + 1 for one in found) + found[-1].waiting >= 50 - 1
    assert found[-1].name == "-#t=49"
    assert len(found) < 50

"""Plain WAV files taken over from memory: what the decoder reads, or left to it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asd.clips.decoding import plain_samples

HEADER = 44


def wav(channels: int = 1, samples: int = 9, rate: int = 16000, **kind: Any) -> bytes:
    """Return a WAV file of noise that soundfile wrote."""
    noise = np.random.default_rng(0).integers(-32768, 32768, (samples, channels), dtype=np.int16)
    file = io.BytesIO()
    soundfile.write(file, noise, rate, **{"format": "WAV", "subtype": "PCM_16"} | kind)
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_reads_what_the_decoder_reads(channels: int) -> None:
    data = wav(channels, rate=44100)
    found = plain_samples(data)
    expected, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    assert found[0] == rate
    np.testing.assert_array_equal(found[1], expected)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        wav()[:HEADER],
        wav(subtype="PCM_24"),
        wav(subtype="FLOAT"),
        wav(format="WAVEX"),
        wav(format="FLAC"),
        wav()[:-1],
        wav() + b"\0",
        wav(channels=2)[:-2],
    ],
    ids=len,
)
def test_anything_else_is_left_to_the_decoder(data: bytes) -> None:
    assert plain_samples(data) is None


@given(place=st.integers(0, HEADER - 1), value=st.integers(0, 255), channels=st.integers(1, 2))
@settings(max_examples=300, deadline=None)
def test_a_damaged_header_is_the_decoders_or_read_alike(
    place: int, value: int, channels: int
) -> None:
    data = bytearray(wav(channels, samples=12))
    data[place] = value
    found = plain_samples(bytes(data))
    if found is not None:
        expected, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
        assert found[0] == rate
        np.testing.assert_array_equal(found[1], expected)

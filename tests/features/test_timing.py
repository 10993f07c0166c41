"""Frames of wav2vec 2.0 against frames of the log-mel."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asd.features.timing import FrameGrid, interpolation, logmel_frames

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
GRID = FrameGrid.of(KERNELS, STRIDES)


def test_geometry_of_the_paper():
    assert FrameGrid(stride=320, receptive_field=400) == GRID
    assert GRID.count(160_000) == 499
    assert logmel_frames(160_000, 512) == 313
    matrix = interpolation(GRID, 160_000, 512)
    assert matrix.shape == (313, 499)
    # Log-mel frame 100 is centred at sample 51,200, which lies between frames 159 and 160, centred
    # at 51,080 and 51,400.
    assert matrix[100].nonzero()[0].tolist() == [159, 160]
    assert matrix[100, 160] == np.float32(120 / 320)
    # The ends lie outside all centres: 0 before 200, 159,744 after 159,560.
    assert matrix[0, 0] == matrix[312, 498] == 1
    assert (matrix.sum(axis=1) == 1).all()


@given(st.integers(1, 200_000))
def test_count_is_that_of_the_convolutions(length):
    frames = length
    for kernel, stride in zip(KERNELS, STRIDES, strict=True):
        frames = (frames - kernel) // stride + 1 if frames >= kernel else 0
    assert GRID.count(length) == frames


@given(st.integers(400, 50_000), st.integers(1, 2000))
def test_interpolation_is_linear_between_centres(length, hop):
    values = np.random.default_rng(length).normal(size=GRID.count(length))
    found = interpolation(GRID, length, hop) @ values
    centres = 200 + 320 * np.arange(len(values))
    wanted = np.interp(hop * np.arange(1 + length // hop), centres, values)
    np.testing.assert_allclose(found, wanted, atol=1e-6)

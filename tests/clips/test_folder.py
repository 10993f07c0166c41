"""Plain folders: what a place says, and the choice of training clips."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.clips.folder import choose_split, place
from asd.clips.grammar import Facts


@pytest.mark.parametrize(
    ("folders", "facts"),
    [
        ("train", Facts("00", "", "train", "normal")),
        ("train/normal/monday", Facts("00", "", "train", "normal")),
        ("test", Facts("00", "", "test", "")),
        ("test/monday", Facts("00", "", "test", "")),
        ("test/normal", Facts("00", "", "test", "normal")),
        ("test/abnormal", Facts("00", "", "test", "anomaly")),
        ("test/anomaly", Facts("00", "", "test", "anomaly")),
        ("Test/Anomalous", Facts("00", "", "test", "anomaly")),
        ("normal", Facts("00", "", "", "normal")),
        ("abnormal/loose belt", Facts("00", "", "test", "anomaly")),
        ("id_06/normal", Facts("06", "", "", "normal")),
        ("id_06/abnormal", Facts("06", "", "test", "anomaly")),
    ],
)
def test_places(folders: str, facts: Facts) -> None:
    assert place(folders.split("/")) == facts


@pytest.mark.parametrize("folders", ["", "id_06", "id_6/normal", "other/train", "train/anomaly"])
def test_places_that_say_nothing(folders: str) -> None:
    reason = place(folders.split("/") if folders else [])
    assert isinstance(reason, str)
    assert ": " in reason


def _digests(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


@given(st.integers(0, 40), st.floats(0.01, 0.99), st.randoms(use_true_random=False))
def test_the_split_takes_the_share_whatever_the_order(
    count: int, share: float, random: object
) -> None:
    pool = _digests(count)
    shuffled = pool * 2  # copies change nothing either
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = choose_split(shuffled, share)
    assert chosen == choose_split(pool, share)
    assert chosen <= set(pool)
    if count >= 2:
        assert 1 <= len(chosen) <= count - 1
        assert abs(len(chosen) - share * count) <= max(
            0.5 + 1e-9, 1 - share * count, 1 - (1 - share) * count + 1e-9
        )
    else:
        assert len(chosen) == count


def test_the_split_does_not_follow_the_order_of_names() -> None:
    pool = _digests(100)
    assert choose_split(pool, 0.5) not in (set(pool[:50]), set(pool[50:]))

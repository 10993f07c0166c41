"""What scorers fit, as JSON and arrays, and back."""

import json
from dataclasses import dataclass, fields, is_dataclass
from typing import Literal

import numpy as np
import pytest

from asd.scoring.scored import MadeBy
from asd.scoring.state import Arrays, packed, unpacked
from asd.scoring.system import Scale


def same(one, other):
    """Check that two values are of the same types and equal, arrays to the last bit."""
    assert type(one) is type(other.item() if isinstance(other, np.generic) else other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif is_dataclass(one):
        for field in fields(one):
            same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            same(first, second)
    else:
        assert one == other


def round_trip(value, kind=None):
    arrays = Arrays()
    text = json.dumps(packed(value, arrays), allow_nan=False)
    return unpacked(kind or type(value), json.loads(text), dict(arrays))


def test_what_a_scorer_has_fitted(make_bank, scorer):
    sections = {"00": (30, 5), "01": (3, 0)}
    bank, test = make_bank(sections), make_bank(sections, seed=1)
    fitted = scorer.fit(bank)
    for model in fitted.models.values():
        assert type(model) is scorer.Fitted, "the scorer names the type of what it fits: Fitted"
        back = round_trip(model, scorer.Fitted)
        same(back, model)
        np.testing.assert_array_equal(back.score(test.arrays), model.score(test.arrays))


@dataclass(frozen=True)
class Inner:
    values: np.ndarray


@dataclass(frozen=True)
class Model:
    number: float
    count: int
    name: str
    kind: Literal["one", "two"]
    flag: bool
    inner: Inner | None
    parts: tuple[Inner, ...]
    spare: np.ndarray | None = None


def test_every_kind_of_field():
    inner = Inner(np.arange(6, dtype=np.float32).reshape(2, 3))
    for model in (
        Model(0.1 + 0.2, 3, "ä", "one", True, inner, (inner, Inner(np.zeros((0, 4))))),
        Model(-0.0, 0, "", "two", False, None, (), np.array([1, 2], np.int64)),
        Model(np.float64(2.5), np.int64(2), "", "one", np.bool_(True), None, ()),
    ):
        back = round_trip(model)
        assert isinstance(back.number, float)
        same(back.parts, model.parts)
        assert packed(back, Arrays()) == packed(model, Arrays())


def test_an_array_is_kept_once():
    arrays = Arrays()
    values = np.arange(6.0)
    names = {arrays.put(one) for one in (values, values.copy(), values[::1])}
    assert len(names) == len(arrays) == 1
    others = {arrays.put(one) for one in (values.reshape(2, 3), values.astype(np.float32))}
    assert len(others) == 2
    assert len(arrays) == 3
    np.testing.assert_array_equal(arrays[arrays.put(values[::2])], values[::2])


@pytest.mark.parametrize("value", [object(), {"a": 1}, [1], {1, 2}, b"bytes", print])
def test_what_cannot_be_kept_is_refused(value):
    with pytest.raises(TypeError, match="cannot be kept in a detector"):
        packed(value, Arrays())
    with pytest.raises(TypeError, match="cannot be kept in a detector"):
        packed((Scale(0.0, 1.0), value), Arrays())


@pytest.mark.parametrize("kind", [dict, list, object, bytes, dict[str, int]])
def test_a_type_that_is_none_is_refused(kind):
    with pytest.raises(TypeError, match="cannot be read from a detector"):
        unpacked(kind, "a", {})


def test_other_contents_are_refused():
    with pytest.raises(LookupError):
        unpacked(Inner, {"values": "0" * 32}, {})
    with pytest.raises(LookupError):
        unpacked(Inner, {"values": "0" * 32, "more": 1}, {"0" * 32: np.zeros(1)})
    with pytest.raises(TypeError):
        unpacked(Scale, {"mean": 0.0}, {})
    with pytest.raises(ValueError):
        unpacked(Scale, {"mean": "x", "deviation": 1.0}, {})
    with pytest.raises(ValueError):
        unpacked(MadeBy, {"digest": "a", "embed": {"batch_size": 0}}, {})

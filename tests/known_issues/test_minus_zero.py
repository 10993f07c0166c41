"""The index of the same recordings had other bytes from run to run.

The mean of some recordings is 0.0 and that of others -0.0, which are equal: which of the two was
the highest depended on the order of a set of paths, which depends on the process.
"""

import json

import numpy as np
import pytest

from asd.clips.likeness import Listening, remarks_of


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_written_hangs_on_no_order(order):
    facts = {}
    for name, sign in [("a", 1), ("b", -1), ("c", 1)][::order]:
        listening = Listening(16_000, 1)
        listening.add(np.r_[100, -100, np.zeros(998), sign].astype(np.int16))
        facts[name] = listening.facts
    training, _ = remarks_of(facts, set(facts), 16_000, 1.0)
    assert training is not None
    assert "-0.0," not in json.dumps(training.to_json())

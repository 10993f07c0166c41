"""A name in the params that cannot be one, such as "a b" for a system, held up every verb for ever.

What is wrong is taken out and the rest judged again; the key of a wrong name was never taken out.
"""

import signal

import pytest

from asd.errors import UsageError
from asd.params import load_params

PARAMS = """
dataset: {{name: x, raw: data/raw, machines: [fan]}}
features: {{wave: {{extractor: wave}}}}
models: {{a: {{features: [wave], losses: {{cross_entropy: 1}}}}}}
systems: {{{name}: {{model: a, scorer: cosine}}}}
"""


@pytest.fixture(autouse=True)
def in_time():
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "[key]", " "])
def test_a_name_that_cannot_be_one(name, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.format(name=f'"{name}"'))
    with pytest.raises(UsageError, match=r"systems.*: a name begins with a letter.* _ \+ - alone"):
        load_params(path)

"""Some texts that are YAML but no values made the params file a ValueError, IndexError or worse."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.errors import UsageError
from asd.params import load_params


@pytest.mark.parametrize(
    "text",
    [
        *("a: 2001-99-99", "a: !!float x", "a: !!int x", "a: !!bool x", "!!int : 1", "!!set x"),
        *("a: " + 5000 * "9", 1200 * "["),
    ],
    ids=["date", "float", "int", "bool", "no int", "no set", "digits", "depth"],
)
def test_text_without_a_value_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="params.yaml: not YAML") as caught:
        load_params(path)
    assert "\n" not in str(caught.value)

"""A model read back stacked its features in alphabetical order, whatever order it had learnt.

``model.json`` has sorted keys, and the network was built from its mapping of shapes: log-mel, wave
and PTM came back as log-mel, PTM and wave, and each of the last two met the other's weights.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from asd.training.artifact import build_network

FEATURES = ["logmel", "wave", "ptm"]
SETTINGS = {"channels": [4], "kernels": [1], "dilations": [1], "embedding": 3}


@pytest.mark.parametrize("network", ["tdnn", "branches"])
def test_features_keep_their_order(network: str) -> None:
    shapes = {name: [8, 11] for name in FEATURES}
    settings = SETTINGS if network == "tdnn" else {"spectrogram": {"channels": [2], "embedding": 3}}
    request: dict[str, Any] = {
        "model": {"network": network, "features": FEATURES, "settings": settings},
        "shapes": shapes,
        "classes": ["00", "01"],
        "attribute_classes": [],
        "attribute_head": False,
    }
    read_back = json.loads(json.dumps(request, sort_keys=True))
    assert list(read_back["shapes"]) != FEATURES
    for known in (request, read_back):
        assert list(build_network(known).shapes) == FEATURES  # type: ignore[arg-type]

"""A model read back stacked its features in alphabetical order, whatever order it had learnt.

The record has sorted keys, and the network was built from its mapping of shapes: log-mel, wave
and PTM came back as log-mel, PTM and wave, and each of the last two met the other's weights.
"""

from __future__ import annotations

import json

import pytest

from asd.training.artifact import ModelRequest, build_network

FEATURES = ["logmel", "wave", "ptm"]
SETTINGS = {"channels": [4], "kernels": [1], "dilations": [1], "embedding": 3}


@pytest.mark.parametrize("network", ["tdnn", "branches"])
def test_features_keep_their_order(network: str) -> None:
    shapes = dict.fromkeys(FEATURES, (8, 11))
    settings = SETTINGS if network == "tdnn" else {"spectrogram": {"channels": [2], "embedding": 3}}
    request = ModelRequest(
        version=1,
        machine="pump",
        machines=(),
        model={"network": network, "features": FEATURES, "head": {}, "settings": settings},
        train={},
        inputs={},
        shapes=shapes,
        recipes={},
        task="sections",
        classes=("00", "01"),
        attribute_classes=(),
        attribute_head=False,
    )
    sorted_keys = json.loads(json.dumps(request.to_json(), sort_keys=True))
    read_back = ModelRequest.model_validate(sorted_keys)
    assert list(read_back.shapes) != FEATURES
    for known in (request, read_back):
        assert list(build_network(known).shapes) == FEATURES  # type: ignore[arg-type]

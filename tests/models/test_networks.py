"""What holds for every registered network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asd.config import Settings
from asd.errors import UsageError
from asd.models import NETWORKS
from asd.models.tdnn import Classifier, ClassifierSettings


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_network_says_its_kind_and_settings(name: str) -> None:
    network = NETWORKS[name]
    assert issubclass(network, nn.Module)
    assert isinstance(network.kind, str)
    assert issubclass(network.Settings, Settings)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_outputs_are_named_and_a_row_a_clip(name: str) -> None:
    kind = NETWORKS[name]
    network = kind({"logmel": (128, 80)}, classes=4, attributes=3, settings=kind.Settings()).eval()
    with torch.inference_mode():
        output = network({"logmel": torch.randn(2, 128, 80)})
    named = output._asdict()
    assert named
    assert all(v is None or v.shape[0] == 2 for v in named.values())


def test_the_hop_of_waves_is_set_for_features_with_another_hop() -> None:
    shapes = {"logmel": (16, 21), "wave": (5_120,)}
    small = {"channels": (8,), "kernels": (3,), "dilations": (1,)}
    fitting = ClassifierSettings(**small, tgram_hop=256, tgram_window=512)
    inputs = {name: torch.randn(2, *shape) for name, shape in shapes.items()}
    assert Classifier(shapes, 2, 0, fitting).eval()(inputs).logits.shape == (2, 2)
    with pytest.raises(UsageError, match=r"logmel 21, wave 11.*tgram_hop"):
        Classifier(shapes, 2, 0, ClassifierSettings(**small))

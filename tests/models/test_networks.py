"""What holds for every registered network."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from asd.config import Settings
from asd.errors import UsageError
from asd.models import HEADS, NETWORKS, kind_of, tdnn
from asd.models.tdnn import Classifier, ClassifierSettings


@pytest.mark.parametrize("registry", [NETWORKS, HEADS], ids=lambda one: one.kind)
def test_settings_that_lie_apart_are_those_of_the_module(registry):
    for name in registry:
        assert issubclass(registry[name], nn.Module)
        assert registry.settings(name) is registry[name].Settings, name


def test_settings_that_lie_apart_are_known_without_torch():
    networks, heads = (
        [name for name in one if one.settings(name).__module__ == "asd.models.settings"]
        for one in (NETWORKS, HEADS)
    )
    assert {"tdnn", "linear"} < {*networks, *heads}
    code = (
        "import sys; from asd.models import HEADS, NETWORKS, kind_of;"
        f"print([kind_of(name) for name in {networks}], [HEADS.settings(name) for name in {heads}],"
        " 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip().endswith("False")


def test_a_plugins_network_says_its_kind_itself(monkeypatch):
    class Own(Settings):
        pass

    class Plugin:
        kind = "pooling"
        Settings = Own

    monkeypatch.setattr(tdnn, "Plugin", Plugin, raising=False)
    dotted = "asd.models.tdnn:Plugin"
    assert (kind_of(dotted), NETWORKS.settings(dotted)) == ("pooling", Own)
    del Plugin.Settings
    with pytest.raises(UsageError, match="asd.models.tdnn:Plugin is no network: it has no Config"):
        NETWORKS.settings(dotted)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_outputs_are_named_and_of_each_clip_alone(name):
    kind = NETWORKS[name]
    network = kind({"logmel": (128, 80)}, classes=4, attributes=3, settings=kind.Settings()).eval()
    clips = torch.randn(3, 128, 80)
    with torch.inference_mode():
        named = network({"logmel": clips})._asdict()
        alone = network({"logmel": clips[1:2]})._asdict()
    assert named
    # Other batch sizes give a classifier other last bits; the others look at clip after clip.
    close = (
        {"rtol": 1e-4, "atol": 1e-5} if kind_of(name) == "classifier" else {"rtol": 0, "atol": 0}
    )
    for key, values in named.items():
        if values is not None:
            torch.testing.assert_close(alone[key], values[1:2], **close)


def test_the_hop_of_waves_is_set_for_features_with_another_hop():
    shapes = {"logmel": (16, 21), "wave": (5_120,)}
    small = {"channels": (8,), "kernels": (3,), "dilations": (1,)}
    fitting = ClassifierSettings(**small, tgram_hop=256, tgram_window=512)
    inputs = {name: torch.randn(2, *shape) for name, shape in shapes.items()}
    assert Classifier(shapes, 2, 0, fitting).eval()(inputs).logits.shape == (2, 2)
    with pytest.raises(UsageError, match=r"logmel 21, wave 11.*tgram_hop"):
        Classifier(shapes, 2, 0, ClassifierSettings(**small))

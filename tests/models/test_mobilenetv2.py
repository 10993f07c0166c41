"""MobileNetV2: the published architecture, on windows of a clip."""

import pytest
import torch
from torch import nn

from asd.errors import UsageError
from asd.models.mobilenetv2 import Bottleneck, MobileNetV2, MobileNetV2Settings

SMALL = MobileNetV2Settings(width=0.25, frames=16, hop=5)


def _network(width=0.5, classes=6, shape=(128, 313)):
    return MobileNetV2({"logmel": shape}, classes, 0, MobileNetV2Settings(width=width))


@pytest.fixture
def small():
    torch.manual_seed(0)
    return MobileNetV2({"logmel": (24, 40)}, 3, 0, SMALL).eval()


def _count(network):
    return sum(p.numel() for p in network.parameters())


def _multiple_of_8(wanted):
    # Half of 8 is rounded up; where that loses more than a tenth, one step up.
    nearest = max(8, 8 * int(wanted / 8 + 0.5))
    return nearest if nearest >= 0.9 * wanted else nearest + 8


def _expected(width, classes):
    """Count the parameters of Table 2 of the publication; a batch normalisation has 2 a channel."""
    table = [
        (1, 16, 1),
        (6, 24, 2),
        (6, 32, 3),
        (6, 64, 4),
        (6, 96, 3),
        (6, 160, 3),
        (6, 320, 1),
    ]
    channels = _multiple_of_8(32 * width)
    count = 3 * channels * 9 + 2 * channels
    for expansion, base, blocks in table:
        after = _multiple_of_8(base * width)
        for _ in range(blocks):
            wide = channels * expansion
            if expansion > 1:
                count += channels * wide + 2 * wide
            count += 9 * wide + 2 * wide + wide * after + 2 * after
            channels = after
    last = max(1280, _multiple_of_8(1280 * width))
    return count + channels * last + 2 * last + (last + 1) * classes


@pytest.mark.parametrize("width", [0.25, 0.35, 0.5, 0.75, 1.0, 1.3])
def test_parameters_are_those_of_the_published_table(width):
    assert _count(_network(width)) == _expected(width, 6)


def test_parameters_are_those_of_known_implementations():
    # torchvision's mobilenet_v2 has 3,504,872. Keras counts 1,987,224 at width 0.5, running means
    # and variances among them.
    assert _count(_network(1.0, classes=1000)) == 3_504_872
    half = _network(0.5, classes=1000)
    running = sum(b.numel() for name, b in half.named_buffers() if "running" in name)
    assert _count(half) == 1_968_680
    assert _count(half) + running == 1_987_224
    assert _count(_network()) == 695_366


def test_a_window_shrinks_32_times():
    network = _network().eval()
    with torch.inference_mode():
        last = network.layers(torch.randn(2, 3, 128, 64))
    assert last.shape == (2, 1280, 4, 2)


@pytest.mark.parametrize(
    ("before", "after", "stride"), [(8, 8, 1), (8, 16, 1), (8, 8, 2), (8, 16, 2)]
)
def test_equal_shapes_are_added(before, after, stride):
    block = Bottleneck(before, after, 6, stride).eval()
    nn.init.zeros_(block.layers[-1].weight)
    images = torch.randn(2, before, 7, 6)
    output = block(images)
    if (before, stride) == (after, 1):
        assert torch.equal(output, images)
    else:
        assert output.shape == (2, after, -(-7 // stride), -(-6 // stride))
        assert not output.any()


def test_no_dropout():
    assert not any(isinstance(layer, nn.Dropout) for layer in _network().modules())


def test_logits_are_those_of_each_window(small):
    clips = torch.randn(2, 24, 40)
    with torch.inference_mode():
        logits = small({"logmel": clips}).logits
        starts = [0, 5, 10, 15, 20]
        assert logits.shape == (2, len(starts), 3)
        for window, start in enumerate(starts):
            one = small.classify(clips[:, :, start : start + 16])
            # Other batch sizes give other last bits.
            torch.testing.assert_close(logits[:, window], one, rtol=1e-4, atol=1e-5)


def test_the_challenge_cuts_32_windows():
    windows = _network().windows_of({"logmel": torch.zeros(1, 128, 313)})
    assert windows.shape == (1, 32, 128, 64)


def test_short_clips_are_one_line():
    with pytest.raises(UsageError, match="64 frames at a time, clips have 63; lower"):
        _network(shape=(128, 63))

"""The classifier: what it stacks, standardises and gives."""

import pytest
import torch

from asd.errors import UsageError
from asd.models.tdnn import Classifier, ClassifierSettings, TgramNet

SMALL = ClassifierSettings(channels=(8, 12), kernels=(3, 1), dilations=(1, 1), embedding=6)
SHAPES = {"logmel": (16, 11), "wave": (5_120,), "ptm": (16, 11)}


def _batch(count=3):
    torch.manual_seed(1)
    return {name: torch.randn(count, *shape) for name, shape in SHAPES.items()}


def test_outputs_and_heads():
    network = Classifier(SHAPES, classes=6, attributes=9, settings=SMALL).eval()
    output = network(_batch())
    assert output.embedding.shape == (3, 6)
    assert output.logits.shape == (3, 6)
    assert output.attribute_logits is not None
    assert output.attribute_logits.shape == (3, 9)
    assert Classifier(SHAPES, 6, 0, SMALL).eval()(_batch()).attribute_logits is None


def test_features_are_stacked_on_the_channel_axis():
    first = {
        name: Classifier({k: SHAPES[k] for k in name.split("+")}, 2, 0, SMALL).tdnn.frames[0]
        for name in ("logmel", "logmel+wave", "logmel+ptm", "logmel+wave+ptm")
    }
    # F = 16 for the maps, 128 for TgramNet.
    assert [layer.in_channels for layer in first.values()] == [16, 144, 32, 160]


def test_only_the_wave_has_a_tgramnet():
    assert set(Classifier(SHAPES, 2, 0, SMALL).temporal) == {"wave"}


def test_standardisation_is_that_of_the_statistics():
    shapes = {"logmel": (16, 11)}
    network = Classifier(shapes, 2, 0, SMALL).eval()
    values = torch.randn(4, 16, 11) * 7 - 40
    plain = network(
        {
            "logmel": (values - values.mean((0, 2))[None, :, None])
            / values.std((0, 2))[None, :, None]
        }
    ).embedding
    network.standardise("logmel", values.mean((0, 2)), values.std((0, 2)))
    torch.testing.assert_close(network({"logmel": values}).embedding, plain)
    # The statistics travel with the weights.
    assert "mean_logmel" in network.state_dict()


def test_a_constant_band_does_not_divide_by_zero():
    network = Classifier({"logmel": (16, 11)}, 2, 0, SMALL).eval()
    network.standardise("logmel", torch.zeros(16), torch.zeros(16))
    assert torch.isfinite(network({"logmel": torch.zeros(1, 16, 11)}).embedding).all()


def test_frames_must_agree():
    with pytest.raises(UsageError, match=r"logmel 12, wave 11.*equal hops"):
        Classifier({"logmel": (16, 12), "wave": (5_120,)}, 2, 0, SMALL)


@pytest.mark.parametrize(
    ("length", "frames"), [(160_000, 313), (192_000, 376), (64_000, 126), (159_999, 313), (512, 2)]
)
def test_frames_are_those_of_the_log_mel(length, frames):
    network = TgramNet(length)
    assert network.frames == frames == 1 + length // 512
    assert network(torch.zeros(2, length)).shape == (2, 128, frames)


def test_parameters_are_the_published_ones():
    assert sum(p.numel() for p in TgramNet(160_000).parameters()) == 280_406


def test_layers_are_in_the_published_order():
    kinds = [type(layer).__name__ for block in TgramNet(512).refine for layer in block]
    assert kinds == ["LayerNorm", "LeakyReLU", "Conv1d"] * 3
    assert all(
        layer.bias is None
        for layer in TgramNet(512).modules()
        if isinstance(layer, torch.nn.Conv1d)
    )


def test_a_click_is_heard_in_its_own_frames():
    torch.manual_seed(0)
    network = TgramNet(16_000)
    silent = torch.zeros(1, 16_000)
    click = silent.clone()
    click[0, 8_192] = 1.0
    # Before the normalisation over time, which sees the whole clip.
    difference = (network.extract(click[:, None]) - network.extract(silent[:, None])).abs().sum(1)
    # Frame 16 is centred at sample 8192; its window reaches half a frame into the two beside it.
    assert set(difference[0].nonzero().flatten().tolist()) <= {15, 16, 17}
    assert difference[0, 16] > 0

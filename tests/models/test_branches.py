"""The branches: their published shapes, which feature each reads, and what they ignore."""

import pytest
import torch
from torch import nn

from asd.errors import UsageError
from asd.models.branches import (
    Branches,
    BranchesSettings,
    Spectrogram,
    SpectrogramSettings,
    Spectrum,
    SpectrumSettings,
)
from asd.models.tdnn import Classifier, ClassifierSettings

SMALL = BranchesSettings(
    spectrum=SpectrumSettings(channels=4, embedding=6),
    spectrogram=SpectrogramSettings(channels=(2, 4), blocks=1, embedding=5),
    tdnn={"channels": (3,), "kernels": (3,), "dilations": (1,), "embedding": 7},
)
SHAPES = {"spectrum": (700,), "coarse": (20, 40), "fine": (40, 20)}
ORIGINS = {"spectrum": "spectrum", "coarse": "spectrogram", "fine": "spectrogram"}


def _batch(shapes, count=3):
    torch.manual_seed(1)
    return {name: torch.randn(count, *shape) for name, shape in shapes.items()}


def test_ten_seconds_through_the_published_branches():
    spectrum = Spectrum((80_000,), SpectrumSettings()).eval()
    convolutions = [m for m in spectrum.modules() if isinstance(m, nn.Conv1d)]
    assert [(m.kernel_size[0], m.stride[0]) for m in convolutions] == [(256, 64), (64, 32), (16, 4)]
    assert len([m for m in spectrum.modules() if isinstance(m, nn.Linear)]) == 5
    assert spectrum(torch.randn(2, 80_000)).shape == (2, 128)
    spectrogram = Spectrogram((500, 313), SpectrogramSettings()).eval()
    assert spectrogram(torch.randn(1, 500, 313)).shape == (1, 128)


@pytest.mark.parametrize("bins", [1, 64, 2_048, 32_000])
def test_spectra_of_short_clips_can_be_read(bins):
    branch = Spectrum((bins,), SMALL.spectrum).eval()
    assert branch(torch.randn(2, bins)).shape == (2, 6)


@pytest.mark.parametrize("shape", [(1, 1), (16, 11), (33, 70)])
def test_spectrograms_of_any_shape_can_be_read(shape):
    branch = Spectrogram(shape, SpectrogramSettings(embedding=9)).eval()
    assert branch(torch.randn(2, *shape)).shape == (2, 9)


@pytest.mark.parametrize(
    "branch",
    [Spectrum((700,), SpectrumSettings()), Spectrogram((20, 40), SpectrogramSettings())],
    ids=["spectrum", "spectrogram"],
)
def test_there_are_no_biases(branch):
    layers = [m for m in branch.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
    assert layers
    assert all(layer.bias is None for layer in layers)


def test_a_spectrogram_is_read_without_what_is_constant():
    branch = Spectrogram((20, 40), SMALL.spectrogram).eval()
    values = torch.randn(2, 20, 40)
    shifted = values + 10 * torch.randn(2, 20, 1)
    torch.testing.assert_close(branch(shifted), branch(values), atol=1e-4, rtol=1e-4)


def test_embeddings_lie_side_by_side():
    network = Branches(SHAPES, 4, 3, SMALL, {"kind": "adacos"}, ORIGINS).eval()
    inputs = _batch(SHAPES)
    output = network(inputs)
    assert output.embedding.shape == (3, 6 + 5 + 5)
    assert output.logits.shape == (3, 4)
    assert output.attribute_logits is not None
    assert output.attribute_logits.shape == (3, 3)
    expected = torch.cat([network.branches[name](inputs[name]) for name in SHAPES], dim=1)
    torch.testing.assert_close(output.embedding, expected)


def test_which_branch_follows_from_the_feature_or_a_setting():
    chosen = SMALL.model_copy(update={"branches": {"fine": "tdnn"}})
    network = Branches(SHAPES, 2, 0, chosen, None, ORIGINS)
    kinds = {name: type(branch).__name__ for name, branch in network.branches.items()}
    assert kinds == {"spectrum": "Spectrum", "coarse": "Spectrogram", "fine": "Tdnn"}
    assert network.eval()(_batch(SHAPES)).embedding.shape == (3, 6 + 5 + 7)


@pytest.mark.parametrize(
    ("shapes", "origins", "branches", "message"),
    [
        ({"wave": (5_120,)}, {"wave": "wave"}, {}, "'wave' is a wave, which no branch"),
        ({"a": (9, 9)}, {}, {"a": "spectrum"}, r"'a' is rows of shape \(9, 9\).*'spectrum'"),
        ({"a": (99,)}, {}, {"a": "tdnn"}, r"'a' is rows of shape \(99,\).*'tdnn'"),
        ({"a": (9, 9)}, {}, {"b": "tdnn"}, "name 'b', which the model does not read; it reads a"),
    ],
)
def test_what_no_branch_reads_is_said(shapes, origins, branches, message):
    chosen = SMALL.model_copy(update={"branches": branches})
    with pytest.raises(UsageError, match=message):
        Branches(shapes, 2, 0, chosen, None, origins)


def test_the_classifier_does_not_take_a_spectrum_for_a_wave():
    shapes = {"spectrum": (5_120,)}
    with pytest.raises(UsageError, match=r"'spectrum' \(spectrum\) has no time axis.*branches"):
        Classifier(shapes, 2, 0, ClassifierSettings(), extractors={"spectrum": "spectrum"})
    # A row of samples of unknown origin is a wave, as in stores of others.
    assert Classifier(shapes, 2, 0, ClassifierSettings()).temporal

"""Parts of the objectives: attentive statistics, and masks over frames."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from asd.training.finetune_objectives import (
    AttentiveStatistics,
    fitted_span,
    negative_frames,
    span_mask,
)


def arrays(module):
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def test_attentive_statistics():
    torch.manual_seed(0)
    head = AttentiveStatistics(rows=5, width=4, embedding=3)
    frames = torch.randn(2, 7, 5)
    own, x = arrays(head), frames.double().numpy()
    hidden = np.tanh(x @ own["attention.0.weight"].T + own["attention.0.bias"])
    energy = hidden @ own["attention.2.weight"].T + own["attention.2.bias"]
    weights = np.exp(energy) / np.exp(energy).sum(axis=1, keepdims=True)
    mean = (weights * x).sum(axis=1)
    deviation = np.sqrt((weights * x**2).sum(axis=1) - mean**2)
    pooled = np.concatenate([mean, deviation], axis=1)
    wanted = pooled @ own["embedding.weight"].T + own["embedding.bias"]
    np.testing.assert_allclose(head(frames).detach().numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_constant_frames_have_a_gradient():
    torch.manual_seed(0)
    head = AttentiveStatistics(rows=5, width=4, embedding=3)
    frames = torch.ones(2, 7, 5, requires_grad=True)
    torch.autograd.backward(head(frames).sum())
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()


@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 300), st.integers(1, 12))
def test_pieces_of_the_span(seed, clips, frames, span):
    share = 0.3
    mask = span_mask(np.random.default_rng(seed), clips, frames, share, span)
    if frames < 2 * span:
        assert mask is None
        return
    assert mask is not None
    assert mask.shape == (clips, frames)
    for hidden in mask:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden, [0]])))
        assert ((edges[1::2] - edges[::2]) >= span).all()
        assert 1 <= hidden.sum() <= max(span, round(share * frames / span) * span)


def test_share_is_kept_and_nothing_is_nothing():
    random = np.random.default_rng(0)
    mask = span_mask(random, 200, 499, 0.5, 10)
    assert mask is not None
    # 25 pieces of 10 hide each frame with probability 1 - (1 - 10 / 490) ** 25, about 0.40.
    assert abs(mask.mean() - 0.40) < 0.02
    assert span_mask(random, 2, 499, 0.0, 10) is None


@given(st.integers(0, 99), st.integers(8, 200))
def test_negatives_are_other_hidden_frames_of_the_clip(seed, frames):
    random = np.random.default_rng(seed)
    mask = span_mask(random, 3, frames, 0.5, fitted_span(frames, 10))
    assert mask is not None
    assert (mask.sum(axis=1) >= 2).all()
    drawn = negative_frames(random, mask, 20)
    assert drawn.shape == (3, frames, 20)
    for clip, frame in np.argwhere(mask):
        own = drawn[clip, frame] - clip * frames
        assert mask[clip, own].all()
        assert frame not in own

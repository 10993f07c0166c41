"""Attentive statistics and sub-cluster AdaCos against NumPy."""

from __future__ import annotations

import numpy as np
import torch

from asd.finetuning.heads import AttentiveStatistics


def arrays(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def test_attentive_statistics() -> None:
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


def test_constant_frames_have_a_gradient() -> None:
    torch.manual_seed(0)
    head = AttentiveStatistics(rows=5, width=4, embedding=3)
    frames = torch.ones(2, 7, 5, requires_grad=True)
    torch.autograd.backward(head(frames).sum())
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()

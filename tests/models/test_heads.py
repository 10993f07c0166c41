"""The class heads against plain references, written from their definitions."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from asd.errors import UsageError
from asd.models import HEADS, is_linear
from asd.models.heads import AngularHead, build_head

D, C, B = 40, 5, 7


def _head(name, dimension=D, classes=C, **own):
    torch.manual_seed(0)
    return build_head({"kind": name, **own}, dimension, classes)


def _embedding(count=B, dimension=D, scale=3.0):
    return scale * torch.randn(count, dimension, generator=torch.Generator().manual_seed(1))


def _cosines(embedding, centres):
    x, w = embedding.double().numpy(), centres.detach().double().numpy()
    return np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in w] for a in x])


@pytest.mark.parametrize("name", list(HEADS))
def test_logits_are_of_classes_and_train(name):
    head, embedding = _head(name), _embedding().requires_grad_()
    classes = torch.arange(B) % C
    logits = head(embedding, classes)
    assert logits.shape == (B, C)
    F.cross_entropy(logits, classes).backward()
    for gradient in (embedding.grad, *(p.grad for p in head.parameters())):
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", list(HEADS))
def test_only_a_margin_looks_at_the_classes(name):
    head, embedding, classes = _head(name), _embedding(), torch.arange(B) % C
    assert torch.equal(head(embedding), head(embedding, classes)) is not head.margin


@pytest.mark.parametrize("name", [n for n in HEADS if issubclass(HEADS[n], AngularHead)])
def test_angles_know_no_length_and_no_half_precision(name):
    head = _head(name)
    plain = head(_embedding(scale=1.0))
    torch.testing.assert_close(head(_embedding(scale=50.0)), plain)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(_embedding(scale=1.0)), plain)


@pytest.mark.parametrize("name", list(HEADS))
def test_each_head_can_learn(name):
    """Gradient descent on embeddings alone separates two classes."""
    head = _head(name, classes=2)
    embedding = _embedding().requires_grad_()
    classes = torch.arange(B) % 2
    optimizer = torch.optim.Adam([embedding, *head.parameters()], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(head(embedding, classes), classes).backward()
        optimizer.step()
    assert (head(embedding).argmax(dim=1) == classes).all()


def test_linear_is_todays():
    head = _head("linear")
    torch.manual_seed(0)
    plain = torch.nn.Linear(D, C)
    assert list(head.state_dict()) == list(plain.state_dict())
    assert torch.equal(head(_embedding()), plain(_embedding()))


def test_adacos():
    head = _head("adacos")
    expected = math.sqrt(2) * math.log(C - 1) * _cosines(_embedding(), head.centres)
    np.testing.assert_allclose(head(_embedding()).detach(), expected, atol=1e-5)


def test_two_classes_have_a_scale():
    assert _head("adacos", classes=2).scale == pytest.approx(math.sqrt(2) * math.log(2))


def test_arcface_without_classes_has_no_margin():
    head = _head("arcface")
    expected = 64 * _cosines(_embedding(), head.centres)
    np.testing.assert_allclose(head(_embedding()).detach(), expected, atol=1e-4)


def test_arcface():
    head, classes = _head("arcface", margin=0.4, scale=30), torch.arange(B) % C
    angles = np.arccos(_cosines(_embedding(), head.centres))
    for row, own in enumerate(classes):
        angles[row, own] += 0.4
    np.testing.assert_allclose(head(_embedding(), classes).detach(), 30 * np.cos(angles), atol=1e-3)


@given(st.floats(0.0, math.pi), st.floats(0.0, math.pi))
def test_the_margin_never_rises_with_the_angle(one, other):
    head = _head("arcface", dimension=2, classes=1)
    with torch.no_grad():
        head.centres.copy_(torch.tensor([[1.0, 0.0]]))
    first, second = sorted((one, other))
    turned = torch.tensor([[math.cos(a), math.sin(a)] for a in (first, second)])
    near, far = head(turned, torch.zeros(2, dtype=torch.long)).flatten().tolist()
    assert far <= near + 1e-3
    assert near <= head(turned)[0].item() + 1e-3


@pytest.mark.parametrize("centres", [1, 3, 16])
def test_sub_clusters_sum_up(centres):
    head = _head("sub_cluster_adacos", centres=centres)
    scale = math.sqrt(2) * math.log(centres * C - 1)
    powers = np.exp(scale * _cosines(_embedding(), head.centres))
    softmax = powers / powers.sum(axis=1, keepdims=True)
    expected = softmax.reshape(B, C, centres).sum(axis=2)
    np.testing.assert_allclose(head(_embedding()).softmax(dim=1).detach(), expected, atol=1e-6)


def test_sixteen_trainable_centres_are_the_default():
    assert [tuple(p.shape) for p in _head("sub_cluster_adacos").parameters()] == [(16 * C, D)]


def test_fixed_centres_are_kept_but_not_trained():
    head = _head("sub_cluster_adacos", trainable=False)
    assert list(head.parameters()) == []
    assert head.state_dict()["centres"].shape == (16 * C, D)


@pytest.mark.parametrize("subspace", [1, 8, 32])
def test_adaproj(subspace):
    head, embedding = _head("adaproj", subspace=subspace), _embedding()
    spans = head.centres.detach().double().numpy().reshape(C, subspace, D)
    expected = np.empty((B, C))
    for row, x in enumerate(embedding.double().numpy()):
        for one, span in enumerate(spans):
            basis, _ = np.linalg.qr(span.T)
            projection = basis @ (basis.T @ x)
            cosine = x @ projection / np.linalg.norm(x) / np.linalg.norm(projection)
            expected[row, one] = cosine
    scale = math.sqrt(2) * math.log(subspace * C - 1)
    np.testing.assert_allclose(head(embedding).detach(), scale * expected, atol=1e-4)


def test_adaproj_survives_centres_that_fall_together():
    head = _head("adaproj")
    with torch.no_grad():
        head.centres[1] = head.centres[0]
    embedding = _embedding().requires_grad_()
    head(embedding).sum().backward()
    assert torch.isfinite(head.centres.grad).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "arcfase"}, "unknown head 'arcfase'.*'arcface'"),
        ({"kind": 3}, "kind: must be a name, not 3"),
        ({"kind": "arcface", "margn": 1}, r"head \(arcface\): unknown key 'margn'.*'margin'"),
        ({"kind": "arcface", "margin": -1}, "margin: .*not -1"),
        ({"centres": 3}, r"head \(linear\): unknown key 'centres'"),
        ({"kind": "adaproj", "subspace": 40}, "subspace 40 fills the embedding of 40"),
    ],
)
def test_mistakes_are_one_line(values, message):
    with pytest.raises(UsageError, match=message):
        build_head(values, D, C)


def test_what_counts_as_linear():
    assert is_linear({})
    assert is_linear({"kind": "linear"})
    assert not is_linear({"kind": "adacos"})

"""Linear maps of a frozen network: packed, plain and in 8 bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from asd.features import products
from asd.features.products import QuantisedLinear, frozen_linear, is_gelu
from asd.native import import_torchaudio

VALUES = torch.randn(2, 9, 40, generator=torch.Generator().manual_seed(0))


def layer(bias: bool = True) -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(40, 24, bias=bias).requires_grad_(False)


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("packed", [False, True])
# bfloat16 has 8 bits; the sums of 8-bit integers are exact, but their terms have 8 bits.
@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float32, 1e-6), (torch.bfloat16, 0.006), (torch.int8, 0.02)]
)
@torch.inference_mode()
def test_near_the_plain_map(
    gelu: bool,
    bias: bool,
    packed: bool,
    dtype: torch.dtype,
    error: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "_can_pack", lambda: packed and torch._C._has_mkldnn)
    if not packed:
        monkeypatch.setattr(products, "has_integer_products", lambda: False)
    plain = layer(bias)
    expected = nn.functional.gelu(plain(VALUES)) if gelu else plain(VALUES)
    found = frozen_linear(plain.weight, plain.bias, dtype, gelu)(VALUES)
    assert found.dtype == (torch.float32 if dtype == torch.float32 else torch.bfloat16)
    assert (found.float() - expected).norm() < error * expected.norm()


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@torch.inference_mode()
def test_bfloat16_where_the_processor_has_none(
    gelu: bool, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The definition: products of values of 8 bits, summed in float32, rounded once."""
    monkeypatch.setattr(products, "has_bfloat16", lambda: False)
    plain = layer(bias)
    found = frozen_linear(plain.weight, plain.bias, torch.bfloat16, gelu)
    plain.to(torch.bfloat16).float()
    expected = plain(VALUES.to(torch.bfloat16).float())
    expected = nn.functional.gelu(expected) if gelu else expected
    with torch.autocast("cpu", torch.bfloat16):
        values = found(VALUES)
    assert values.dtype == torch.bfloat16
    # Half a step of bfloat16; a step where the sums were rounded to either side of a half.
    torch.testing.assert_close(values, expected.to(torch.bfloat16), rtol=2**-7, atol=1e-6)
    assert (values == expected.to(torch.bfloat16)).float().mean() > 0.95


@pytest.mark.parametrize("shift", [-3.0, 0.0, 3.0])
@torch.inference_mode()
def test_8_bits_by_numpy(shift: float) -> None:
    """The definition, step by step; sums of integers leave no other rounding but the last."""
    plain, values = layer(), VALUES[0] + shift
    weight, x = plain.weight.numpy().astype(np.float64), values.numpy().astype(np.float64)
    scales = np.abs(weight).max(axis=1, keepdims=True) / 127
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = (high - low) / 254
    zero = round(-low / scale)
    steps = np.floor(x / scale + zero + 0.5)
    assert steps.min() >= 0
    assert steps.max() <= 255
    expected = (steps - zero) * scale @ (np.rint(weight / scales) * scales).T + plain.bias.numpy()
    found = QuantisedLinear(plain.weight, plain.bias, gelu=False, rows=9)(values)
    # A step of bfloat16, and now and then a value that lies between two steps of 8 bits.
    np.testing.assert_allclose(found.float().numpy(), expected, rtol=2**-8, atol=0.01)


@pytest.mark.parametrize("values", [torch.zeros(3, 40), torch.full((3, 40), -2.5)])
@torch.inference_mode()
def test_8_bits_of_values_that_are_all_alike(values: torch.Tensor) -> None:
    plain, before = layer(), values.clone()
    found = QuantisedLinear(plain.weight, plain.bias, gelu=False, rows=3)(values)
    # Errors of 40 weights of up to half a step add up where all values are the same.
    torch.testing.assert_close(found.float(), plain(values), rtol=0.02, atol=0.05)
    assert torch.equal(values, before)


def test_only_the_exact_gelu_is_fused() -> None:
    import_torchaudio()
    from transformers.activations import ACT2FN

    assert is_gelu(ACT2FN["gelu"])
    assert is_gelu(nn.functional.gelu)
    for other in ("gelu_new", "gelu_pytorch_tanh", "relu", "swish"):
        assert not is_gelu(ACT2FN[other]), other

"""The positional convolution of the wav2vec 2.0 family, by Fourier transforms."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_LONG = 32  # samples of a kernel from which the transforms pay


class LongConvolution(nn.Module):
    """A grouped convolution of stride 1 with a long kernel, by overlap-save.

    The time axis is cut into blocks of as many outputs as the kernel has samples, and a block is
    one product of spectra at each frequency: a thirtieth of the multiplications, in float32.

    Args:
        conv: the convolution; :func:`is_long` says whether it can be one of these.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self._kernel, self._groups = conv.kernel_size[0], conv.groups
        self._padding = int(conv.padding[0])
        # The library's convolution does not turn the kernel round, a product of spectra does.
        kernel = conv.weight.detach().float().flip(-1)  # (O, I / groups, k)
        spectra = torch.fft.rfft(kernel, n=2 * self._kernel)
        by_group = spectra.unflatten(0, (self._groups, -1))
        self._spectra = by_group.permute(3, 0, 2, 1).contiguous()  # (frequencies, groups, I, O)
        self._bias = None if conv.bias is None else conv.bias.detach().float()[:, None]

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Convolve ``values`` (B, I, T) to (B, O, T') float32."""
        return torch.stack([self._clip(clip) for clip in values.float()])

    def _clip(self, values: torch.Tensor) -> torch.Tensor:
        channels, time = values.shape
        size = self._kernel
        length = time + 2 * self._padding - size + 1
        blocks = -(-length // size)
        padded = values.new_zeros(channels, (blocks + 1) * size)
        padded[:, self._padding : self._padding + time] = values
        # A block sees what comes before its outputs too, so that none of them wraps around.
        seen = padded.unfold(1, 2 * size, size).transpose(0, 1)  # (blocks, I, 2 k)
        spectra = torch.fft.rfft(seen).unflatten(1, (self._groups, -1)).permute(3, 1, 0, 2)
        products = spectra.contiguous() @ self._spectra  # (frequencies, groups, blocks, O)
        whole = torch.fft.irfft(products.permute(2, 1, 3, 0).contiguous(), n=2 * size)
        kept = whole[..., size - 1 : 2 * size - 1].flatten(1, 2)  # (blocks, O, k)
        joined = kept.transpose(0, 1).flatten(1)[:, :length]
        return joined if self._bias is None else joined + self._bias


def is_long(conv: Any) -> bool:
    """Return whether a module is a convolution over time that :class:`LongConvolution` can be."""
    return (
        isinstance(conv, nn.Conv1d)
        and conv.kernel_size[0] >= _LONG
        and (conv.stride, conv.dilation) == ((1,), (1,))
        and not isinstance(conv.padding, str)
        and conv.padding_mode == "zeros"
    )

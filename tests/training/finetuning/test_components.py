"""Principal components of hidden layers, against scikit-learn's."""

import numpy as np
import torch

from asd.device import Compute
from asd.features.transformer import all_layers, model_input
from asd.training.finetune import training_recordings
from asd.training.pretrained import find_base, fit_components, load_base


def test_against_scikit_learn(raw, clips):
    from sklearn.decomposition import PCA

    model, _ = load_base("builtin:tiny", find_base("builtin:tiny"), 0)
    recordings = training_recordings(raw, clips, 16000, 0)
    compute = Compute("cpu", half=False)
    weight, bias = fit_components(model, recordings, 6, 5, find_base("builtin:tiny").kind, compute)
    assert (weight.shape, bias.shape) == ((5, 6, 128), (5, 6))
    chosen = [0, 6, 12, 17, 23]  # evenly from 24
    with torch.inference_mode():
        per_clip = [
            all_layers(model, model_input(torch.from_numpy(recordings.read(i))[None], True))
            for i in chosen
        ]
    for layer in range(5):
        frames = torch.cat([states[layer][0] for states in per_clip]).double().numpy()
        wanted = PCA(6).fit(frames).transform(frames)
        ours = frames @ weight[layer].T + bias[layer]
        np.testing.assert_allclose(ours.mean(axis=0), 0, atol=1e-3)
        # The same up to one scale and the sign of each component.
        ratio = np.sqrt((ours**2).sum() / (wanted**2).sum())
        for own, theirs in zip(ours.T / ratio, wanted.T, strict=True):
            difference = min(np.abs(own - theirs).max(), np.abs(own + theirs).max())
            assert difference < 1e-3 * np.abs(theirs).max()
        np.testing.assert_allclose((ours.var(axis=0)).sum(), 6, rtol=0.2)
    assert (weight[np.arange(5)[:, None], np.arange(6), np.abs(weight).argmax(axis=2)] > 0).all()


def test_rows_beyond_the_width_are_zero(raw, clips):
    model, _ = load_base("builtin:tiny", find_base("builtin:tiny"), 0)
    recordings = training_recordings(raw, clips, 16000, 0)
    compute = Compute("cpu", half=False)
    weight, bias = fit_components(
        model, recordings, 130, 2, find_base("builtin:tiny").kind, compute
    )
    assert weight.shape == (5, 130, 128)
    assert not weight[:, 128:].any()
    assert not bias[:, 128:].any()

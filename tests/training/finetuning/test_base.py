"""Where fine-tuning begins."""

import pytest
import torch

from asd.errors import UsageError
from asd.training.pretrained import base_digest, find_base, load_base


def test_builtin_has_the_geometry_of_wav2vec():
    checkpoint = find_base("builtin:tiny")
    assert (checkpoint.kind.grid.stride, checkpoint.kind.grid.receptive_field) == (320, 400)
    assert checkpoint.kind.grid.count(160_000) == 499
    model, head = load_base("builtin:tiny", checkpoint, 0)
    assert head == {}
    with torch.inference_mode():
        assert model(torch.zeros(1, 160_000)).last_hidden_state.shape == (1, 499, 128)


def test_the_seed_makes_the_weights_and_nothing_else_does():
    checkpoint = find_base("builtin:tiny")
    before = torch.random.get_rng_state()
    models = [load_base("builtin:tiny", checkpoint, seed)[0].state_dict() for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    key = "encoder.layers.0.attention.k_proj.weight"
    assert torch.equal(models[0][key], models[1][key])
    assert not torch.equal(models[0][key], models[2][key])
    digests = [base_digest("builtin:tiny", checkpoint, seed) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_convolutions_that_are_a_filter_bank():
    """A low sound and then a high one: low bands are louder before, high bands after."""
    bank = find_base("builtin:bank")
    model, _ = load_base("builtin:bank", bank, 0)
    assert base_digest("builtin:bank", bank, 0) != base_digest("builtin:tiny", bank, 0)
    time = torch.arange(32_000) / 16_000
    tones = torch.where(time < 1, torch.sin(6000 * time), torch.sin(44_000 * time))
    noise = 0.01 * torch.randn(32_000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        moduli = model.feature_extractor((tones + noise)[None])[0, ::4]  # of the lower halves
    before, after = moduli[:, :45].mean(dim=1), moduli[:, 55:].mean(dim=1)
    assert (before[:3] > 1.5 * after[:3]).all()  # 955 Hz; bands are 500 Hz wide
    assert (after[13:15] > 1.5 * before[13:15]).all()  # 7003 Hz


def test_no_network_and_no_checkpoint(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="the hub cannot be reached") as error:
        find_base("facebook/wav2vec2-base")
    said = str(error.value)
    assert said.startswith("facebook/wav2vec2-base: ")
    assert "builtin:tiny" in said
    assert "local folder" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("builtin:large", "unknown base 'builtin:large'; built in: builtin:tiny"),
        ("data/checkpoints/base", "data/checkpoints/base: no such checkpoint folder"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UsageError, match=message):
        find_base(name)


def test_an_empty_folder(tmp_path):
    with pytest.raises(UsageError, match="no checkpoint"):
        find_base(str(tmp_path))

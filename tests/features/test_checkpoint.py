"""Checkpoints: what is read must be all that was written, or an error says what is not."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from asd.errors import UsageError
from asd.features.checkpoint import describe, load_model, read_tensors
from asd.features.kinds import FAMILY
from asd.features.transformer import LayerFrames, all_layers, model_input

WAVES = torch.randn(2, 3000, generator=torch.Generator().manual_seed(1))
POSITIONS = "encoder.pos_conv_embed.conv"


def load(folder):
    describe(folder, "write one", FAMILY)
    return load_model(folder)[0]


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize("form", ["several files", "pickle"])
def test_body_is_found_below_a_head(form, small_model, tmp_path):
    model = small_model(head=True)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert not (tmp_path / "model.safetensors").exists()  # in several files
    if form == "pickle":
        for path in tmp_path.glob("model*.safetensors*"):
            path.unlink()
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    loaded, beside = load_model(tmp_path)
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, model.wav2vec2.state_dict()[name]), name
    wanted = {k: v for k, v in model.state_dict().items() if not k.startswith("wav2vec2.")}
    found = read_tensors(tmp_path, beside)
    assert "quantizer.codevectors" in found
    assert set(found) == set(wanted)
    for name, weight in found.items():
        assert torch.equal(weight, wanted[name]), name


@pytest.mark.parametrize("model_type", ["wav2vec2", "hubert", "wavlm"])
def test_older_names_of_the_positions(model_type, small_model, tmp_path):
    model = small_model(model_type)
    model.save_pretrained(tmp_path)

    def rename(weights):
        for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
            weights[f"{POSITIONS}.{old}"] = weights.pop(
                f"{POSITIONS}.parametrizations.weight.{new}"
            )

    change_weights(tmp_path, rename)
    assert torch.equal(
        load(tmp_path).encoder.pos_conv_embed.conv.weight, model.encoder.pos_conv_embed.conv.weight
    )


def test_mask_embedding_may_be_missing(small_model, tmp_path):
    model = small_model()
    model.save_pretrained(tmp_path)
    change_weights(tmp_path, lambda weights: weights.pop("masked_spec_embed"))
    with torch.inference_mode():
        assert torch.equal(load(tmp_path)(WAVES)[0], model(WAVES)[0])


def test_damaged_files_are_told(small_model, tmp_path):
    small_model().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for file, content, message in (
        ("config.json", json.dumps(config | {"num_attention_heads": 5}), "not a checkpoint that"),
        ("config.json", "{", "config.json: cannot be read"),
        ("config.json", json.dumps(config), ""),
        ("model.safetensors", "damaged", "not a checkpoint that can be read"),
    ):
        (tmp_path / file).write_text(content)
        if message:
            with pytest.raises(UsageError, match=message) as error:
                load(tmp_path)
            assert "\n" not in str(error.value)


@pytest.mark.parametrize("model_type", FAMILY)
@pytest.mark.parametrize("stable", [False, True])
def test_a_layer_is_what_the_library_gives(model_type, stable, small_model):
    model = small_model(model_type, do_stable_layer_norm=stable)
    with torch.inference_mode():
        output = model(WAVES, output_hidden_states=True)
        wanted = [*output.hidden_states[:3], output.last_hidden_state]
        for layer in range(4):
            frames = LayerFrames(model, layer)
            assert torch.equal(frames(WAVES), wanted[layer]), layer
            frames.whole()
        frames = LayerFrames(model, (0, 2))
        assert torch.equal(frames(WAVES), torch.stack([wanted[0], wanted[2]]).mean(dim=0))
        frames.whole()
        for ours, theirs in zip(all_layers(model, WAVES), wanted, strict=True):
            assert torch.equal(ours, theirs)


def test_layers_above_are_not_computed(small_model):
    model, calls = small_model(), []
    for number, layer in enumerate(model.encoder.layers, start=1):
        layer.register_forward_hook(lambda *_, number=number: calls.append(number))
    frames = LayerFrames(model, 2)
    frames(WAVES)
    assert calls == [1, 2]
    assert not [name for name, _ in frames.named_parameters() if "encoder.layers.2" in name]
    frames.whole()(WAVES)
    assert calls == [1, 2, 1, 2, 3]


def test_model_input_is_that_of_the_library():
    from transformers import Wav2Vec2FeatureExtractor

    waves = torch.randint(-3000, 3000, (2, 500), generator=torch.Generator().manual_seed(0))
    waves[1] //= 1000  # so quiet that the floor of the variance shows
    for normalize in (False, True):
        library = Wav2Vec2FeatureExtractor(do_normalize=normalize)
        wanted = library(list((waves / 32768).numpy()), sampling_rate=16000, return_tensors="pt")
        for given in (waves.to(torch.int16), waves.to(torch.int16).numpy()):
            ours = torch.as_tensor(model_input(given, normalize)).float()
            torch.testing.assert_close(ours, wanted["input_values"].float(), atol=1e-5, rtol=1e-5)

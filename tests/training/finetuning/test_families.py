"""What can be fine-tuned goes through it and into the feature, kind by kind."""

import json

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from asd.clips.audio import Signal
from asd.features.encoder import Encoder, EncoderConfig
from asd.features.kinds import FAMILY, KINDS, TUNED
from asd.features.ptm import Ptm, PtmConfig
from asd.native import import_torchaudio
from asd.training.finetune import finetune, training_recordings

SMALL = {
    "conv_dim": [12] * 7,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.mark.parametrize("model_type", FAMILY)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_from_base_to_feature(model_type, method, raw, clips, tmp_path, config):
    import_torchaudio()
    from transformers import CONFIG_MAPPING, AutoModel, Wav2Vec2FeatureExtractor

    own = {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 3}
    torch.manual_seed(0)
    typed = CONFIG_MAPPING[model_type](**SMALL | (own if model_type == "data2vec-audio" else {}))
    AutoModel.from_config(typed).save_pretrained(tmp_path / "base")
    folder = tmp_path / "ptm"
    quick = config(
        base=str(tmp_path / "base"), steps=3, batch_size=4, layer=2, method=method, lora_rank=2
    )
    recordings = training_recordings(raw, clips, 16000, 0)
    finetune(recordings, quick, folder, tmp_path / "work")

    before = load_file(tmp_path / "base" / "model.safetensors")
    after = load_file(folder / "model.safetensors")
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    maps = {f"encoder.layers.{i}.attention.{m}_proj.weight" for i in range(2) for m in "qv"}
    assert changed == maps if method == "lora" else maps < changed
    assert not [name for name in changed if name.startswith("feature_extractor.")]

    waves = np.stack([soundfile.read(raw / c.path, dtype="int16")[0] for c in clips[:3]])
    rows = Ptm(PtmConfig(checkpoint=str(folder)), Signal(16000, 8000, 0))(waves)
    scaled = Wav2Vec2FeatureExtractor()(
        list(waves / 32768), sampling_rate=16000, return_tensors="pt"
    )
    with torch.inference_mode():
        frames = AutoModel.from_pretrained(folder)(**scaled).last_hidden_state.numpy()
    head = load_file(folder / "asd_head.safetensors")
    projected = frames @ head["projection.weight"].numpy().T + head["projection.bias"].numpy()
    centres = 200 + 320 * np.arange(frames.shape[1])
    wanted = [[np.interp(512 * np.arange(16), centres, r) for r in clip.T] for clip in projected]
    np.testing.assert_allclose(rows, wanted, rtol=2e-3, atol=2e-3)
    units = Encoder(EncoderConfig(base=str(folder), layer=2), Signal(16000, 8000, 0))(waves)
    np.testing.assert_allclose(units, frames.transpose(0, 2, 1), rtol=2e-3, atol=2e-3)


def test_every_kind_is_tuned_here():
    from tests.features.test_published import CASES

    assert set(TUNED) == {*FAMILY, *CASES}


@pytest.mark.parametrize("kind", sorted(set(TUNED) - set(FAMILY)))
@pytest.mark.parametrize("method", ["full", "lora"])
def test_encoders_of_log_mels_in_their_published_layouts(
    kind, method, raw, clips, tmp_path, config
):
    from tests.features.test_published import CASES, draw, write

    base = write(tmp_path / "base", kind, draw(CASES[kind][1]))
    folder = tmp_path / "ptm"
    quick = config(
        base=str(base),
        allow_pickle=True,
        steps=3,
        batch_size=4,
        layer=2,
        method=method,
        lora_rank=2,
        seconds=0.4,
    )
    recordings = training_recordings(raw, clips, 16000, 0)
    finetune(recordings, quick, folder, tmp_path / "work")

    model_of = KINDS[kind](CASES[kind][0] if kind != "beats" else _config(folder), {})
    before, after = model_of.model(base).state_dict(), model_of.model(folder).state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    parts = ("q_proj.weight", "v_proj.weight", "qkv.weight")
    maps = {name for name in after if name.endswith(parts)}
    assert changed == maps if method == "lora" else maps < changed

    waves = np.stack([soundfile.read(raw / c.path, dtype="int16")[0] for c in clips[:3]])
    signal = Signal(16000, 8000, 0)
    settings = {"base": str(folder), "layer": 2, "bands": "mean"}
    units = Encoder(EncoderConfig(**settings, hop=512), signal)(waves).astype(np.float32)
    head = load_file(folder / "asd_head.safetensors")
    weight, bias = (head[f"projection.{part}"].numpy() for part in ("weight", "bias"))
    wanted = np.einsum("fh,bht->bft", weight, units) + bias[:, None]
    rows = Ptm(PtmConfig(checkpoint=str(folder)), signal)(waves)
    np.testing.assert_allclose(rows, wanted, rtol=1e-2, atol=1e-2)


def _config(folder):
    return json.loads((folder / "config.json").read_text())

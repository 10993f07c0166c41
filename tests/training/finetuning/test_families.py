"""Every member of the wav2vec 2.0 family goes through fine-tuning and into the feature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from asd.clips.audio import Signal
from asd.clips.record import Clip
from asd.config import FinetuneConfig
from asd.features.encoder import Encoder, EncoderConfig
from asd.features.kinds import FAMILY
from asd.features.ptm import Ptm, PtmConfig
from asd.native import import_torchaudio
from asd.training.finetune import finetune

SMALL: dict[str, Any] = {
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
def test_from_base_to_feature(
    model_type: str,
    method: str,
    raw: Path,
    clips: list[Clip],
    tmp_path: Path,
    config: Callable[..., FinetuneConfig],
) -> None:
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
    finetune(raw, clips, 16000, 0, quick, folder, tmp_path / "work")

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

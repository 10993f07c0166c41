"""Small checkpoints of every kind for the tests of the frozen encoders."""

from functools import cache

import numpy as np
import pytest
import torch

from asd.features.projection import Head, Projection
from asd.native import import_torchaudio
from tests.made import one_thread as one_thread

LAYERS, HIDDEN, ROWS = 3, 24, 10
SMALL = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
WAVES = SMALL | {
    "conv_dim": [12] * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
OWN = {
    # It has several positional convolutions, all as wide.
    "data2vec-audio": WAVES | {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 3},
    "sew": WAVES | {"conv_dim": [12] * 13},
    "wav2vec2": WAVES
    | {"num_codevectors_per_group": 8, "codevector_dim": 8, "proj_codevector_dim": 8},
    "wav2vec2-bert": SMALL,
    # A window of 0.79 s and of 0.8 s: the clips of a second are longer.
    "audio-spectrogram-transformer": SMALL | {"max_length": 78, "num_mel_bins": 36},
    "whisper": {
        "d_model": HIDDEN,
        "encoder_layers": LAYERS,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_layers": 1,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 24,
        "max_source_positions": 40,
        "vocab_size": 20,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 1,
    },
}


@pytest.fixture(scope="session")
def small_model():
    """Return a function from a model type to a small model of the library with random weights."""
    import_torchaudio()
    from transformers import CONFIG_MAPPING, AutoModel, AutoModelForPreTraining

    def make(model_type="wav2vec2", head=False, **changes):
        torch.manual_seed(0)
        kind = AutoModelForPreTraining if head else AutoModel
        config = CONFIG_MAPPING[model_type](**OWN.get(model_type, WAVES) | changes)
        model = kind.from_config(config).eval()
        with torch.no_grad():  # fresh norms and biases would hide that one is left out
            for name, weight in model.named_parameters():
                if "norm" in name or name.endswith("bias") or "embed" in name:
                    weight.add_(0.3 * torch.randn_like(weight))
        return model

    return make


@pytest.fixture(scope="session")
def folders(small_model, tmp_path_factory):
    """Return a function from a model type to the folder of its small model, made once."""

    @cache
    def folder(model_type):
        place = tmp_path_factory.mktemp(model_type)
        small_model(model_type).save_pretrained(place)
        return place

    return folder


@pytest.fixture(scope="session")
def write_head():
    """Return a function that puts a random projection file into a checkpoint folder."""

    def write(folder, layer=2, seed=0):
        random = np.random.default_rng(seed)

        def draw(*shape):
            return random.normal(size=shape).astype(np.float32)

        mix = draw(LAYERS + 1) if layer is None else None
        tuned = Projection(draw(ROWS, HIDDEN), draw(ROWS), layer, mix)
        head = Head(tuned, draw(LAYERS + 1, ROWS, HIDDEN), draw(LAYERS + 1, ROWS))
        head.write(folder / "asd_head.safetensors")
        return head

    return write

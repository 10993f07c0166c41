"""Encoders that the library has not: their published layouts, and what they compute.

Every tensor of a layout is written out here by its published name and shape, and what comes of it
is computed a second time from those names alone.
"""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from asd.clips.audio import Signal
from asd.errors import UsageError
from asd.features.encoder import Encoder, EncoderConfig
from asd.features.kinds import KINDS
from asd.native import import_torchaudio

WIDTH, HEADS, LAYERS, INNER, RATE = 16, 2, 2, 32, 16000


def block(prefix):
    shapes = {f"{prefix}.{norm}.{w}": (WIDTH,) for norm in ("norm1", "norm2") for w in WB}
    for name, rows, columns in (
        ("attn.qkv", 3 * WIDTH, WIDTH),
        ("attn.proj", WIDTH, WIDTH),
        ("mlp.fc1", INNER, WIDTH),
        ("mlp.fc2", WIDTH, INNER),
    ):
        shapes |= {f"{prefix}.{name}.weight": (rows, columns), f"{prefix}.{name}.bias": (rows,)}
    return shapes


WB = ("weight", "bias")
EAT = {
    "model_type": "eat",
    "embed_dim": WIDTH,
    "depth": LAYERS,
    "num_heads": HEADS,
    "mlp_ratio": 2.0,
    "img_size": [96, 128],
    "max_length": 8,
    "patch_size": 16,
    "stride": 16,
    "in_chans": 1,
    "mel_bins": 128,
    "qkv_bias": True,
    "layer_norm_first": False,
    "norm_eps": 1e-6,
    "norm_affine": True,
    "fixed_positions": True,
    "model_variant": "pretrain",
}
EAT_SHAPES = {
    "model.extra_tokens": (1, 1, WIDTH),
    "model.local_encoder.proj.weight": (WIDTH, 1, 16, 16),
    "model.local_encoder.proj.bias": (WIDTH,),
    "model.fixed_positional_encoder.positions": (1, 64, WIDTH),
    "model.pre_norm.weight": (WIDTH,),
    "model.pre_norm.bias": (WIDTH,),
    **block("model.blocks.0"),
    **block("model.blocks.1"),
}
EAT_HEAD = {"model.fc_norm.weight": (WIDTH,), "model.head.weight": (5, WIDTH)}

CED = {
    "model_type": "ced",
    "name": "ced-small",  # what is written beside it holds
    "embed_dim": WIDTH,
    "depth": LAYERS,
    "num_heads": HEADS,
    "mlp_ratio": 2.0,
    "n_mels": 64,
    "patch_size": 16,
    "patch_stride": 16,
    "target_length": 90,
    "pooling": "mean",
    "qkv_bias": True,
}
DASHENG = {
    "model_type": "dasheng",
    "name": "dasheng-base",
    "encoder_kwargs": {
        "embed_dim": WIDTH,
        "depth": LAYERS,
        "num_heads": HEADS,
        "mlp_ratio": 2.0,
        "patch_size": [64, 4],
        "patch_stride": [64, 4],
        "target_length": 80,
    },
}


def mel_patches(norm, patch, across, along):
    return {
        **{f"encoder.{norm}.{k}": (64,) for k in (*WB, "running_mean", "running_var")},
        f"encoder.{norm}.num_batches_tracked": (),
        "encoder.patch_embed.proj.weight": (WIDTH, 1, *patch),
        "encoder.patch_embed.proj.bias": (WIDTH,),
        "encoder.time_pos_embed": (1, WIDTH, 1, along),
        "encoder.freq_pos_embed": (1, WIDTH, across, 1),
        "encoder.norm.weight": (WIDTH,),
        "encoder.norm.bias": (WIDTH,),
        **block("encoder.blocks.0"),
        **block("encoder.blocks.1"),
    }


MEL_HEAD = {"outputlayer.0.weight": (WIDTH,), "outputlayer.1.weight": (5, WIDTH)}

BEATS = {
    "input_patch_size": 16,
    "embed_dim": 12,
    "conv_bias": False,
    "encoder_layers": LAYERS,
    "encoder_embed_dim": WIDTH,
    "encoder_ffn_embed_dim": INNER,
    "encoder_attention_heads": HEADS,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "deep_norm": True,
    "conv_pos": 8,
    "conv_pos_groups": 4,
    "relative_position_embedding": True,
    "num_buckets": 16,
    "max_distance": 20,
    "gru_rel_pos": True,
    "finetuned_model": True,
}


def beats_layer(prefix):
    shapes = {
        f"{prefix}.self_attn.relative_attention_bias.weight": (16, HEADS),
        f"{prefix}.self_attn.grep_linear.weight": (8, WIDTH // HEADS),
        f"{prefix}.self_attn.grep_linear.bias": (8,),
        f"{prefix}.self_attn.grep_a": (1, HEADS, 1, 1),
        f"{prefix}.fc1.weight": (INNER, WIDTH),
        f"{prefix}.fc1.bias": (INNER,),
        f"{prefix}.fc2.weight": (WIDTH, INNER),
        f"{prefix}.fc2.bias": (WIDTH,),
    }
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        shapes |= {f"{prefix}.self_attn.{name}.weight": (WIDTH, WIDTH)}
        shapes |= {f"{prefix}.self_attn.{name}.bias": (WIDTH,)}
    for name in ("self_attn_layer_norm", "final_layer_norm"):
        shapes |= {f"{prefix}.{name}.{w}": (WIDTH,) for w in WB}
    return shapes


BEATS_SHAPES = {
    "patch_embedding.weight": (12, 1, 16, 16),
    "layer_norm.weight": (12,),
    "layer_norm.bias": (12,),
    "post_extract_proj.weight": (WIDTH, 12),
    "post_extract_proj.bias": (WIDTH,),
    "encoder.pos_conv.0.weight_g": (1, 1, 8),
    "encoder.pos_conv.0.weight_v": (WIDTH, WIDTH // 4, 8),
    "encoder.pos_conv.0.bias": (WIDTH,),
    "encoder.layer_norm.weight": (WIDTH,),
    "encoder.layer_norm.bias": (WIDTH,),
    **beats_layer("encoder.layers.0"),
    **beats_layer("encoder.layers.1"),
}
BEATS_HEAD = {"predictor.weight": (5, WIDTH), "predictor.bias": (5,)}


def norm(w, name, x, eps):
    weight = w[f"{name}.weight"]
    return F.layer_norm(x, weight.shape, weight, w[f"{name}.bias"], eps)


def linear(w, name, x):
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def heads_of(x):
    return x.reshape(len(x), -1, HEADS, WIDTH // HEADS).transpose(1, 2)


def vit_block(w, name, x, first):
    def attend(y):
        q, k, v = (heads_of(part) for part in linear(w, f"{name}.attn.qkv", y).chunk(3, dim=-1))
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        return linear(w, f"{name}.attn.proj", seen)

    def feed(y):
        return linear(w, f"{name}.mlp.fc2", F.gelu(linear(w, f"{name}.mlp.fc1", y)))

    if first:
        x = x + attend(norm(w, f"{name}.norm1", x, 1e-6))
        return x + feed(norm(w, f"{name}.norm2", x, 1e-6))
    x = norm(w, f"{name}.norm1", x + attend(x), 1e-6)
    return norm(w, f"{name}.norm2", x + feed(x), 1e-6)


def eat_states(w, waves):
    """Layers 0 to n, (B, J, bands, H), as the published code computes them."""
    from torchaudio.compliance.kaldi import fbank

    waves = waves - waves.mean(dim=1, keepdim=True)
    mels = torch.stack(
        [
            fbank(
                wave[None],
                htk_compat=True,
                sample_frequency=RATE,
                use_energy=False,
                window_type="hanning",
                num_mel_bins=128,
                dither=0.0,
                frame_shift=10,
            )
            for wave in waves
        ]
    )
    keep = (mels.shape[1] - 16) // 16 + 1
    mels = F.pad(mels, (0, 0, 0, 96 - mels.shape[1]))
    mels = (mels + 4.268) / (4.569 * 2)
    patches = F.conv2d(
        mels[:, None],
        w["model.local_encoder.proj.weight"],
        w["model.local_encoder.proj.bias"],
        stride=16,
    )
    x = patches.flatten(2).transpose(1, 2)
    x = x + w["model.fixed_positional_encoder.positions"][:, : x.shape[1]]
    x = torch.cat([w["model.extra_tokens"].expand(len(x), 1, WIDTH), x], dim=1)
    states = [norm(w, "model.pre_norm", x, 1e-6)]
    for i in range(LAYERS):
        states.append(vit_block(w, f"model.blocks.{i}", states[-1], first=False))
    return [s[:, 1:].reshape(len(s), 6, 8, WIDTH)[:, :keep] for s in states]


def mel_states(stride, batch_norm):
    def states_of(w, waves):
        from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

        mel = MelSpectrogram(
            f_min=0, sample_rate=RATE, win_length=512, center=True, n_fft=512, f_max=8000,
            hop_length=160, n_mels=64,
        )  # fmt: skip
        # One by one: the library's floor is that of a batch.
        x = torch.stack([AmplitudeToDB(top_db=120)(mel(wave)) for wave in waves])
        name = f"encoder.{batch_norm}"
        x = F.batch_norm(
            x,
            w[f"{name}.running_mean"],
            w[f"{name}.running_var"],
            w[f"{name}.weight"],
            w[f"{name}.bias"],
        )
        weight, bias = (w[f"encoder.patch_embed.proj.{k}"] for k in WB)
        x = F.conv2d(x[:, None], weight, bias, stride=stride)
        bands, frames = x.shape[2:]
        x = x + w["encoder.time_pos_embed"][:, :, :, :frames] + w["encoder.freq_pos_embed"]
        states = [x.flatten(2).transpose(1, 2)]
        for i in range(LAYERS):
            states.append(vit_block(w, f"encoder.blocks.{i}", states[-1], first=True))
        states[-1] = norm(w, "encoder.norm", states[-1], 1e-6)
        return [s.reshape(len(s), bands, frames, WIDTH).transpose(1, 2) for s in states]

    return states_of


def beats_states(w, waves):
    from torchaudio.compliance.kaldi import fbank

    mels = torch.stack(
        [
            fbank(
                wave[None] * 2**15,
                num_mel_bins=128,
                sample_frequency=RATE,
                frame_length=25,
                frame_shift=10,
            )
            for wave in waves
        ]
    )
    mels = (mels - 15.41663) / (2 * 6.55582)
    patches = F.conv2d(mels[:, None], w["patch_embedding.weight"], stride=16)
    frames = patches.shape[2]
    x = norm(w, "layer_norm", patches.flatten(2).transpose(1, 2), 1e-5)
    x = linear(w, "post_extract_proj", x)
    v = w["encoder.pos_conv.0.weight_v"]
    kernel = w["encoder.pos_conv.0.weight_g"] * v / v.norm(dim=(0, 1), keepdim=True)
    bias = w["encoder.pos_conv.0.bias"]
    placed = F.conv1d(x.transpose(1, 2), kernel, bias, padding=4, groups=4)[:, :, :-1]
    states = [norm(w, "encoder.layer_norm", x + F.gelu(placed.transpose(1, 2)), 1e-5)]
    for i in range(LAYERS):
        states.append(beats_block(w, f"encoder.layers.{i}", states[-1]))
    return [s.reshape(len(s), frames, 8, WIDTH) for s in states]


def bucket(distance):
    """Of 16 buckets: 0 to 3 for near patches before, then by logarithm to 20; 8 more for after."""
    size, first = abs(distance), 8 if distance > 0 else 0
    if size < 4:
        return first + size
    return first + min(7, 4 + int(math.log(size / 4) / math.log(20 / 4) * 4))


def beats_block(w, name, x):
    alpha = (2 * LAYERS) ** 0.25
    attention = f"{name}.self_attn"
    q, k, v = (heads_of(linear(w, f"{attention}.{p}_proj", x)) for p in "qkv")
    count = x.shape[1]
    places = torch.tensor([[bucket(j - i) for j in range(count)] for i in range(count)])
    bias = w[f"{attention}.relative_attention_bias.weight"][places].permute(2, 0, 1)
    gates = linear(w, f"{attention}.grep_linear", q).reshape(*q.shape[:3], 2, 4).sum(-1).sigmoid()
    gate = gates[..., :1] * (gates[..., 1:] * w[f"{attention}.grep_a"] - 1) + 2
    seen = F.scaled_dot_product_attention(q, k, v, attn_mask=gate * bias)
    seen = linear(w, f"{attention}.out_proj", seen.transpose(1, 2).reshape(x.shape))
    x = norm(w, f"{name}.self_attn_layer_norm", alpha * x + seen, 1e-5)
    fed = linear(w, f"{name}.fc2", F.gelu(linear(w, f"{name}.fc1", x)))
    return norm(w, f"{name}.final_layer_norm", alpha * x + fed, 1e-5)


CASES = {
    "eat": (EAT, EAT_SHAPES, EAT_HEAD, eat_states),
    "ced": (
        CED,
        mel_patches("init_bn", (16, 16), 4, 5),
        MEL_HEAD,
        mel_states((16, 16), "init_bn"),
    ),
    "dasheng": (
        DASHENG,
        mel_patches("init_bn.1", (64, 4), 1, 20),
        MEL_HEAD,
        mel_states((64, 4), "init_bn.1"),
    ),
    "beats": (BEATS, BEATS_SHAPES, BEATS_HEAD, beats_states),
}


def write(folder, kind, weights):
    folder.mkdir(exist_ok=True)
    if kind == "beats":
        torch.save({"cfg": BEATS, "model": weights}, folder / "BEATs_iter3.pt")
    else:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(CASES[kind][0]))
    return folder


def draw(shapes):
    random, found = torch.Generator().manual_seed(0), {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            found[name] = torch.tensor(3)
            continue
        values = 0.3 * torch.randn(shape, generator=random)
        moved = "norm" in name.rsplit(".", 2)[-2] or "bn" in name
        if (moved and name.endswith(("weight", "running_var"))) or "weight_g" in name:
            values = values.abs() + 0.5
        found[name] = values
    return found


def build(folder, length, **values):
    config = EncoderConfig(base=str(folder), allow_pickle=True, **values)
    return Encoder(config, Signal(RATE, length, 0))


def test_every_kind_is_tested():
    from tests.features.test_encoder import LIBRARY

    assert {*LIBRARY, *CASES} == set(KINDS)


@pytest.mark.parametrize("kind", CASES)
def test_layers_are_those_of_the_published_code(kind, tmp_path):
    import_torchaudio()
    _, shapes, head, states_of = CASES[kind]
    weights = draw(shapes | head)
    folder = write(tmp_path / "base", kind, weights)
    length = 12000
    waves = np.random.default_rng(0).integers(-9000, 9000, (8, length)).astype(np.int16)
    waves[1] //= 300
    with torch.inference_mode():
        states = states_of(weights, torch.from_numpy(waves).float() / 32768)
    for layer, state in enumerate(states):
        extractor = build(folder, length, layer=layer)
        rows = extractor(waves)
        assert rows.shape == (8, *extractor.row_shape)
        wanted = state.flatten(2).transpose(1, 2)
        np.testing.assert_allclose(rows, wanted, rtol=3e-3, atol=3e-3)
    recipe = build(folder, length).recipe
    weights[next(iter(shapes))] += 1
    assert build(write(tmp_path / "base", kind, weights), length).recipe != recipe


@pytest.mark.parametrize("kind", ["eat", "ced", "dasheng"])
def test_long_clips_are_cut_where_frames_begin(kind, tmp_path):
    folder = write(tmp_path / "base", kind, draw(CASES[kind][1]))
    length = 40000
    waves = np.random.default_rng(0).integers(-9000, 9000, (2, length)).astype(np.int16)
    extractor = build(folder, length)
    rows, grid = extractor(waves), extractor._checkpoint.kind.grid
    assert rows.shape == (2, *extractor.row_shape)
    window = extractor._checkpoint.kind.window
    size = grid.count(window)
    piece = waves[:, size * grid.stride :][:, :window]
    alone = build(folder, piece.shape[1])(piece)
    assert alone.tobytes() == rows[:, :, size : size + alone.shape[2]].tobytes()


@pytest.mark.parametrize("kind", CASES)
def test_no_weight_is_silently_made_up(kind, tmp_path):
    waves = np.ones((1, 12000), np.int16)
    name = next(name for name in CASES[kind][1] if "bias" in name)
    for fault, change in (
        ("missing", lambda w: w.pop(name)),
        ("unexpected", lambda w: w.update({name + ".more": torch.ones(1)})),
        ("of another shape", lambda w: w.update({name: torch.ones(3)})),
    ):
        weights = draw(CASES[kind][1])
        change(weights)
        folder = write(tmp_path / fault, kind, weights)
        with pytest.raises(UsageError, match=f"the weights do not fit .*{fault}: "):
            build(folder, 12000)(waves)


def test_the_pickle_of_beats_is_read_on_request_alone(tmp_path):
    folder = write(tmp_path / "base", "beats", draw(BEATS_SHAPES))
    with pytest.raises(UsageError, match="BEATs_iter3.pt: the weights are a pickle; set the"):
        Encoder(EncoderConfig(base=str(folder)), Signal(RATE, 12000, 0))
    torch.save({"cfg": np.random.default_rng}, folder / "BEATs_iter3.pt")  # code
    with pytest.raises(UsageError, match="not a checkpoint that can be read"):
        build(folder, 12000)

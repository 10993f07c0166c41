"""The encoder feature: every kind of encoder against the library's own forward pass."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from asd.clips.audio import Signal
from asd.errors import JobError, UsageError
from asd.features import EXTRACTORS, base, build_extractor
from asd.features.encoder import Encoder, EncoderConfig, random_projection
from asd.features.kinds import KINDS
from asd.features.timing import averaging
from tests.features.conftest import HIDDEN, LAYERS, OWN

RATE, LENGTH = 16000, 16000
SIGNAL = Signal(sample_rate=RATE, length=LENGTH, channel=0)
WAVES = np.random.default_rng(0).integers(-9000, 9000, (8, LENGTH)).astype(np.int16)
WAVES[1] //= 500
# Those that the library has; the others are in test_published.
LIBRARY = tuple(kind for kind in KINDS if kind not in ("beats", "ced", "dasheng", "eat"))
BANDS = {"audio-spectrogram-transformer": 3}
WINDOW = {"audio-spectrogram-transformer": 12720, "whisper": 12800}
STRIDE = {"audio-spectrogram-transformer": 1600, "sew": 640}


def build(folder, signal=SIGNAL, **values):
    return Encoder(EncoderConfig(base=str(folder), **values), signal)


def library_states(model_type, folder, waves, front=None):
    """Layers 0 to n, (B, J, bands, H) each, by the library's front end and forward pass."""
    own = front
    import transformers

    model = transformers.AutoModel.from_pretrained(folder).eval()
    clips = list(waves.astype(np.float32) / 32768)
    keep = 1 + (waves.shape[1] - 400) // 320  # frames of the convolutions
    if model_type == "audio-spectrogram-transformer":
        config = OWN[model_type]
        front = transformers.ASTFeatureExtractor(
            max_length=config["max_length"], num_mel_bins=config["num_mel_bins"]
        )
        mels = 1 + (waves.shape[1] - 400) // 160
        keep = sum(first + 16 <= mels for first in range(0, config["max_length"] - 15, 10))
    elif model_type == "whisper":
        front = transformers.WhisperFeatureExtractor()
        front.n_samples = WINDOW["whisper"]
        keep = -(-waves.shape[1] // 320)
    elif model_type == "wav2vec2-bert":
        front = transformers.SeamlessM4TFeatureExtractor()
        keep = (1 + (waves.shape[1] - 400) // 160) // 2
    else:
        front = transformers.Wav2Vec2FeatureExtractor()
        keep //= 2 if model_type == "sew" else 1
    inputs = (own or front)(clips, sampling_rate=RATE, return_tensors="pt")
    body = model.encoder if model_type == "whisper" else model
    with torch.inference_mode():
        output = body(**inputs, output_hidden_states=True)
    states = list(output.hidden_states)
    if model_type != "sew":  # its output is brought back to another rate
        states[-1] = output.last_hidden_state
    found = []
    for state in states:
        values = state.numpy()
        if model_type in BANDS:
            grid = values[:, 2:].reshape(len(values), BANDS[model_type], -1, HIDDEN)
            found.append(grid.transpose(0, 2, 1, 3)[:, :keep])
        else:
            found.append(values[:, :keep, None])
    return found


def rows_of(states):
    return states.reshape(*states.shape[:2], -1).transpose(0, 2, 1)


@pytest.mark.parametrize("model_type", LIBRARY)
def test_layers_are_those_of_the_library(model_type, folders):
    folder = folders(model_type)
    waves = WAVES[:, : min(LENGTH, WINDOW.get(model_type, LENGTH) - 1000)]
    signal = Signal(RATE, waves.shape[1], 0)
    states = library_states(model_type, folder, waves)
    assert len(states) == LAYERS + 1
    for layer in range(LAYERS + 1):
        extractor = build(folder, signal, layer=layer)
        rows = extractor(waves)
        assert rows.shape == (8, *extractor.row_shape)
        assert rows.dtype == extractor.dtype == np.float16
        np.testing.assert_allclose(rows, rows_of(states[layer]), rtol=2e-3, atol=2e-3)
    mean = rows_of((states[0] + states[2] + states[3]) / 3)
    np.testing.assert_allclose(
        build(folder, signal, layer=[0, 2, 3])(waves), mean, rtol=2e-3, atol=2e-3
    )
    middle, two = build(folder, signal)(waves), build(folder, signal, layer=2)(waves)
    assert middle.tobytes() == two.tobytes()


@pytest.mark.parametrize(
    ("model_type", "library", "values"),
    [
        ("wavlm", "Wav2Vec2FeatureExtractor", {"do_normalize": False}),
        (
            "audio-spectrogram-transformer",
            "ASTFeatureExtractor",
            {"mean": -3.0, "std": 2.0, "max_length": 78, "num_mel_bins": 36},
        ),
        ("wav2vec2-bert", "SeamlessM4TFeatureExtractor", {}),
    ],
)
def test_the_front_end_is_that_of_the_checkpoint(model_type, library, values, folders, tmp_path):
    import shutil

    import transformers

    folder = shutil.copytree(folders(model_type), tmp_path / "base")
    before = build(folder, Signal(RATE, 12000, 0))(WAVES[:, :12000])
    front = getattr(transformers, library)(**values)
    front.save_pretrained(folder)
    rows = build(folder, Signal(RATE, 12000, 0))(WAVES[:, :12000])
    states = library_states(model_type, folder, WAVES[:, :12000], front)
    np.testing.assert_allclose(rows, rows_of(states[2]), rtol=2e-3, atol=2e-3)
    assert (rows.tobytes() == before.tobytes()) is (not values)


@pytest.mark.parametrize("model_type", WINDOW)
@pytest.mark.parametrize("length", [12000, 12800, 16000, 40000])
def test_clips_beyond_the_window_stay_on_one_grid(model_type, length, folders):
    """Frames of a long clip are those of its pieces, cut where a frame begins."""
    folder = folders(model_type)
    waves = np.random.default_rng(1).integers(-9000, 9000, (2, length)).astype(np.int16)
    extractor = build(folder, Signal(RATE, length, 0), layer=1)
    rows = extractor(waves)
    stride, window = STRIDE.get(model_type, 320), WINDOW[model_type]
    seen, size = (2800, 7) if model_type in BANDS else (1, 40)  # samples a frame, frames a window
    assert rows.shape == (2, *extractor.row_shape)
    assert rows.shape[2] == (length - seen) // stride + 1
    for first in range(0, rows.shape[2], size):
        piece = waves[:, first * stride : first * stride + window]
        wanted = rows_of(library_states(model_type, folder, piece)[1])
        ours = rows[:, :, first : first + size]
        np.testing.assert_allclose(ours, wanted, rtol=2e-3, atol=2e-3)


def test_frames_and_rows(folders):
    """Pooling in time, projection and the mean of bands, from the encoder's own frames."""
    folder = folders("audio-spectrogram-transformer")
    signal = Signal(RATE, 12000, 0)
    waves = WAVES[:, :12000]
    own = build(folder, signal)(waves).astype(np.float64)
    assert own.shape == (8, 3 * HIDDEN, 6)
    close = {"rtol": 5e-3, "atol": 5e-3}  # the reference begins with float16

    runs = build(folder, signal, frames_per_second=5)(waves)  # 3.75, so 4 of 6 frames
    wanted = np.stack([r.mean(axis=2) for r in np.array_split(own, 4, axis=2)], axis=2)
    np.testing.assert_allclose(runs, wanted, **close)
    one = build(folder, signal, frames_per_second=0.01)(waves)
    np.testing.assert_allclose(one[:, :, 0], own.mean(axis=2), **close)

    centres, times = 1400 + 1600 * np.arange(6), 512 * np.arange(24)
    wanted = np.stack([[np.interp(times, centres, row) for row in clip] for clip in own])
    np.testing.assert_allclose(build(folder, signal, hop=512)(waves), wanted, **close)

    bands = build(folder, signal, bands="mean")
    assert bands.row_shape == (HIDDEN, 6)
    wanted = own.reshape(8, 3, HIDDEN, 6).mean(axis=1)
    np.testing.assert_allclose(bands(waves), wanted, **close)

    drawn = random_projection(10, 3 * HIDDEN, 4)
    projected = build(folder, signal, rows=10, seed=4, frames_per_second=4)
    assert projected.row_shape == (10, 3)
    wanted = np.stack([r.mean(axis=2) for r in np.array_split(own, 3, axis=2)], axis=2)
    np.testing.assert_allclose(projected(waves), drawn @ wanted, **close)
    assert build(folder, signal, rows=10, seed=5)(waves).tobytes() != projected(waves).tobytes()


@given(frames=st.integers(1, 60), share=st.floats(0.01, 1))
def test_averaging_takes_every_frame_once(frames, share):
    runs = max(1, int(share * frames))
    matrix = averaging(frames, runs)
    assert matrix.shape == (runs, frames)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-5)
    assert ((matrix > 0).sum(axis=0) == 1).all()
    assert np.ptp((matrix > 0).sum(axis=1)) <= 1
    assert (np.diff(matrix.argmax(axis=0)) >= 0).all()


def test_random_projections_keep_lengths():
    drawn = random_projection(256, 300, 0)
    assert np.linalg.norm(drawn, axis=0).mean() == pytest.approx(1, abs=0.02)
    assert (drawn == random_projection(256, 300, 0)).all()


@pytest.mark.parametrize(
    ("model_type", "precision"), [*((kind, "float32") for kind in LIBRARY), ("hubert", "bfloat16")]
)
def test_same_bytes_whatever_the_batch_and_the_threads(model_type, precision, folders):
    def built():
        values = {"layer": [1, 2], "rows": 12, "frames_per_second": 4, "precision": precision}
        return build(folders(model_type), **values)

    extractor = built()
    rows = extractor(WAVES)
    assert np.isfinite(rows).all()
    order = np.random.default_rng(1).permutation(8)
    assert extractor(WAVES[order]).tobytes() == rows[order].tobytes()
    alone = np.concatenate([WAVES[:1], np.zeros((7, LENGTH), np.int16)])
    silent = extractor(alone)
    assert silent[0].tobytes() == rows[0].tobytes()
    assert np.isfinite(silent).all()
    torch.set_num_threads(3)
    assert built()(WAVES).tobytes() == rows.tobytes()
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("model_type", LIBRARY)
def test_bfloat16_stays_near_and_is_checked(model_type, folders, monkeypatch):
    exact = build(folders(model_type))
    half = build(folders(model_type), precision="bfloat16")
    a, b = half(WAVES).astype(float), exact(WAVES).astype(float)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    assert 0.999 < np.mean((a * b).sum(axis=1) / lengths) < 1
    assert half.recipe != exact.recipe
    monkeypatch.setattr(base, "LEAST_COSINE", 1.01)
    with pytest.raises(JobError, match="bfloat16 gives frames of cosine .* to float32"):
        build(folders(model_type), precision="bfloat16")(WAVES)


def test_heads_are_left_out_and_older_names_known(folders, tmp_path):
    """The published AST is a classifier whose weights have names of before."""
    from transformers import AutoModelForAudioClassification

    folder = folders("audio-spectrogram-transformer")
    torch.manual_seed(1)
    AutoModelForAudioClassification.from_pretrained(folder).save_pretrained(tmp_path)
    names = set(load_file(tmp_path / "model.safetensors"))
    assert "classifier.dense.weight" in names
    prefix = "audio_spectrogram_transformer.encoder.layer.0.attention.attention"
    assert f"{prefix}.query.weight" in names
    assert build(tmp_path)(WAVES).tobytes() == build(folder)(WAVES).tobytes()


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        ("hubert", "encoder.layers.1.attention.q_proj.weight"),
        ("wavlm", "encoder.pos_conv_embed.conv.parametrizations.weight.original1"),
        ("audio-spectrogram-transformer", "embeddings.position_embeddings"),
        ("whisper", "encoder.layers.1.fc1.bias"),
    ],
)
def test_no_weight_is_silently_made_up(model_type, name, folders, tmp_path):
    weights = load_file(folders(model_type) / "model.safetensors")
    config = (folders(model_type) / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    prefix = name.partition(".")[0]
    for changed, message in (
        ({k: v for k, v in weights.items() if k != name}, f"missing: {name}"),
        (weights | {f"{prefix}.more": torch.ones(1)}, f"unexpected: {prefix}.more"),
        (weights | {name: torch.ones(2)}, f"of another shape: {name}"),
    ):
        save_file(changed, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(UsageError, match=message) as error:
            build(tmp_path)(WAVES)
        assert "\n" not in str(error.value)


def test_pickles_are_read_on_request_alone(folders, tmp_path):
    (tmp_path / "config.json").write_text((folders("hubert") / "config.json").read_text())
    with pytest.raises(UsageError, match="no weights .model.safetensors is missing."):
        build(tmp_path)
    weights = load_file(folders("hubert") / "model.safetensors")
    torch.save(weights, tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match="pytorch_model.bin: the weights are a pickle; set"):
        build(tmp_path)
    rows = build(tmp_path, allow_pickle=True)(WAVES)
    assert rows.tobytes() == build(folders("hubert"))(WAVES).tobytes()
    torch.save(WAVES.__reduce_ex__, tmp_path / "pytorch_model.bin")  # code, not weights
    with pytest.raises(UsageError, match="not a checkpoint that can be read"):
        build(tmp_path, allow_pickle=True)(WAVES)


def test_recipe_holds_the_checkpoint_and_not_its_place(folders, tmp_path):
    import shutil

    folder = folders("wavlm")
    recipe = build(folder).recipe
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert build(moved, revision="v1").recipe == recipe
    assert str(folder) not in json.dumps(recipe)
    assert build(moved, layer=1).recipe != recipe
    (moved / "pytorch_model.bin").write_bytes(b"what is not read")
    (moved / "README.md").write_text("a model")
    assert build(moved, allow_pickle=True).recipe == recipe
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-3}))
    assert build(moved).recipe != recipe


def test_building_imports_no_torch(folders):
    folder = folders("audio-spectrogram-transformer")
    code = (
        "import sys; from asd.clips.audio import Signal; from asd.features.encoder import *;"
        f"extractor = Encoder(EncoderConfig(base={str(folder)!r}), Signal(16000, 12000, 0));"
        "assert extractor.row_shape == (72, 6) and extractor.recipe['checkpoint'];"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_published_models_have_the_published_shapes(tmp_path):
    """What config.json of a published model leaves out is what the paper says."""
    signal = Signal(RATE, 160_000, 0)
    published = {
        "hubert": ({}, (768, 499)),
        "wavlm": ({}, (768, 499)),
        "data2vec-audio": ({}, (768, 499)),
        "audio-spectrogram-transformer": ({}, (12 * 768, 99)),
        "whisper": ({"d_model": 512, "encoder_layers": 6}, (512, 500)),
        "wav2vec2-bert": ({}, (1024, 499)),
        "sew": ({"hidden_size": 512}, (512, 249)),
        "eat": ({}, (8 * 768, 62)),
        "ced": ({"name": "ced-tiny"}, (4 * 192, 62)),
        "dasheng": ({"encoder_kwargs": {"embed_dim": 768}}, (768, 250)),
    }
    (tmp_path / "model.safetensors").touch()
    for model_type, (values, shape) in published.items():
        config = {"model_type": model_type, **values}
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert build(tmp_path, signal).row_shape == shape, model_type
        assert build(tmp_path, signal, frames_per_second=2).row_shape == (shape[0], 20)
        assert build(tmp_path, signal, hop=512, rows=128).row_shape == (128, 313)


def test_bad_input_is_refused_at_once(folders, tmp_path):
    def refused(message, signal=SIGNAL, **values):
        own = {"base": str(folders("hubert"))} | values
        with pytest.raises(UsageError, match=message) as error:
            build_extractor(EXTRACTORS, "encoder", own, signal)
        assert "\n" not in str(error.value)

    refused("nowhere: no such checkpoint folder; set base to a local", base="nowhere")
    refused("no checkpoint .config.json is missing.", base=str(tmp_path))
    refused("no layer 4; layers are 0 to 3", layer=4)
    refused("no layer 9; layers are 0 to 3", layer=[0, 9])
    refused("features.encoder: layer", layer="last")
    refused("features.encoder: layer", layer=[])
    refused("hop or frames_per_second, not both", hop=512, frames_per_second=1)
    refused("frames_per_second 80.0 asks for 80 frames", frames_per_second=80)
    refused("wants 16000 Hz and the clips have 8000 Hz", Signal(8000, 16000, 0))
    refused("399 samples are shorter than the receptive field of 400", Signal(RATE, 399, 0))
    for config, message in (
        ({"model_type": "bert"}, "model_type 'bert' is no encoder that can be read.*whisper"),
        ({"model_type": "hubert", "conv_stride": [5]}, "not a configuration of hubert"),
        ({"model_type": "hubert", "hidden_size": "wide"}, "not a configuration of hubert"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        refused(message, base=str(tmp_path))
